"""The list of commands: true, and there before anything of the service is imported."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from app.cli import COMMANDS
from app.cli import app as command_line

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("fastapi", "sqlalchemy", "alembic", "uvicorn", "duckdb", "ibis", "pint", "argon2")
TRIED = """
import sys
from typer.testing import CliRunner
from app.cli import app
done = CliRunner().invoke(app, sys.argv[2:])
assert done.exit_code == 0, done.output
assert "Usage" in done.output
sys.exit(" ".join(name for name in sys.argv[1].split() if name in sys.modules) or 0)
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_it_says_of_itself(name: str) -> None:
    group = typer.main.get_command(command_line)
    command = group.get_command(None, name)
    assert command.name == name
    assert command.help.splitlines()[0] == COMMANDS[name][1]


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], HEAVY),
        (["audit", "--help"], HEAVY),
        (["methodologies", "approve", "--help"], tuple(name for name in HEAVY if name != "pint")),
    ],
)
def test_help_imports_nothing_of_the_service(arguments: list[str], heavy: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRIED, " ".join(heavy), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
