"""`tanpuhui`: the command line.

Exit codes: 0 done, 1 failed or a breach was found, 2 wrong use or settings, 3 a server is not to be had,
130 interrupted.
"""

import importlib
import sys
from typing import Any

import structlog
import typer
from typer.core import TyperCommand, TyperGroup

from app.commands.common import CommandError, errors
from app.embedded.errors import EmbeddedServerError
from app.errors import StartError
from app.settings import ConfigurationError

# Command → its module in `app.commands`, its name there, and the first line of its help. A module is imported
# when its command is used: the list of commands needs none of them, and most need little of the service.
COMMANDS = {
    "serve": (
        "service:serve_command",
        "Start the service, with its own PostgreSQL and Redis where none are given. Ctrl-C stops everything.",
    ),
    "demo": (
        "replays:demo_command",
        "Replay a made-up week of three cities: two platforms, ten scenes, a few cheats; and show a plant's day.",
    ),
    "replay": (
        "replays:replay_command",
        (
            "Report the acts of a real file; its people are onboarded first, with consents. "
            "Running it twice adds nothing."
        ),
    ),
    "readings": (
        "readings:readings_command",
        "Send the readings of a real plant's file. Running it twice adds nothing.",
    ),
    "show": (
        "show:show_command",
        "Show a holder's account with its latest entries, or why an activity was credited.",
    ),
    "packs": (
        "packs:packs_command",
        "List where the methodologies come from; exits with 1 where an installed pack is refused, and says why.",
    ),
    "migrate": (
        "service:migrate_command",
        "Bring the schema up to date, as the role that owns the tables.",
    ),
    "verify": (
        "service:verify_command",
        "Check the invariants over the whole database; exits with 1 and names the first row that breaks one.",
    ),
    "prove": (
        "prove:prove_command",
        "Check a downloaded proof against a published root, without any service; exits with 1 where it is broken.",
    ),
    "openapi": ("service:openapi_command", "Export the OpenAPI document."),
    "backtest": (
        "backtest:backtest_command",
        "Compute stored activities of a period again under a methodology and compare. Credits nothing.",
    ),
    "bench": (
        "bench:bench_command",
        "Measure on servers and a data folder of its own, which are removed at the end.",
    ),
    "bench-dedup": (
        "bench_dedup:bench_dedup_command",
        "Measure how well reports of one act are told from reports of two: precision, recall and F1, by scene.",
    ),
    "clients": (
        "clients:clients",
        "Register the clients of platforms, banks, merchants, enterprises, participants, verifiers and operators.",
    ),
    "methodologies": (
        "methodologies:methodologies",
        "Draft, approve, activate and retire methodologies of a running service.",
    ),
    "recalculations": (
        "recalculations:recalculations",
        "Compute past days again under a corrected methodology version.",
    ),
    "claims": ("claims:claims", "Archive old months of claims."),
    "person-keys": ("person_keys:person_keys", "Rotate the key of person keys."),
    "exchanges": (
        "exchanges:exchanges",
        "Connect carbon exchanges and registries, to tell them and to compare books.",
    ),
    "banks": ("banks:banks", "Connect banks' own systems, to tell them and to compare books."),
    "neighbours": (
        "neighbours:neighbours",
        "Register neighbouring deployments, and exchange claims with them.",
    ),
    "scores": ("scores:scores", "Check score cards, and take snapshots of all holders."),
    "market": ("market:market", "Prices of other markets."),
    "ranks": ("ranks:ranks", "Public ranks, which live in Redis."),
    "audit": ("audit:audit", "Read and export the audit trail of a running service."),
}


class Commands(TyperGroup):
    """The commands, each imported when it is used."""

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as the base class has it
        """Names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - as the base class has it
        """The command of a name; for the list of them, what the list says of it."""
        if cmd_name not in COMMANDS:
            return None
        place, summary = COMMANDS[cmd_name]
        return TyperCommand(cmd_name, help=summary) if self._listing else _imported(cmd_name, place)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help without importing what it lists."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False


def _imported(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    found = getattr(importlib.import_module(f"app.commands.{module}"), attribute)
    around = typer.Typer(add_completion=False)
    around.callback()(lambda: None)
    if isinstance(found, typer.Typer):
        around.add_typer(found, name=name)
    else:
        around.command(name)(found)
    group: Any = typer.main.get_command(around)
    return group.commands[name]


app = typer.Typer(
    cls=Commands,
    name="tanpuhui",
    help="碳普惠: green acts become verified CO2e reductions, once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _tanpuhui() -> None:
    """碳普惠: green acts become verified CO2e reductions, once."""


def main() -> None:
    """Run the command line; an expected failure is one plain line and an exit code."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        app()
    except CommandError as error:
        errors.print(f"[red]{error}[/]", highlight=False, soft_wrap=True)
        sys.exit(1)
    except ConfigurationError as error:
        errors.print(f"[red]{error}[/]", highlight=False, soft_wrap=True)
        sys.exit(2)
    except (EmbeddedServerError, StartError, ConnectionError) as error:
        errors.print(f"[red]{error}[/]", highlight=False, soft_wrap=True)
        sys.exit(3)


if __name__ == "__main__":
    main()
