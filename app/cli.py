"""`tanpuhui`: the command line.

Exit codes: 0 done, 1 failed or a breach was found, 2 wrong use or settings, 3 a server is not to be had,
130 interrupted.
"""

import sys

import structlog
import typer

from app.commands.audit import audit
from app.commands.backtest import backtest_command
from app.commands.bench import bench_command
from app.commands.clients import create_command, disable_command
from app.commands.common import CommandError, errors
from app.commands.methodologies import methodologies
from app.commands.packs import packs_command
from app.commands.recalculations import recalculations
from app.commands.replays import demo_command, replay_command
from app.commands.service import migrate_command, openapi_command, serve_command, verify_command
from app.commands.show import show_command
from app.embedded.errors import EmbeddedServerError
from app.server import StartError
from app.settings import ConfigurationError

app = typer.Typer(
    name="tanpuhui",
    help="碳普惠: green acts become verified CO2e reductions, once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
clients = typer.Typer(
    help="Register the clients of platforms, banks, merchants and operators.", no_args_is_help=True
)
app.command("serve")(serve_command)
app.command("demo")(demo_command)
app.command("replay")(replay_command)
app.command("show")(show_command)
app.command("packs")(packs_command)
app.command("migrate")(migrate_command)
app.command("verify")(verify_command)
app.command("openapi")(openapi_command)
app.command("backtest")(backtest_command)
app.command("bench")(bench_command)
clients.command("create")(create_command)
clients.command("disable")(disable_command)
app.add_typer(clients, name="clients")
app.add_typer(methodologies, name="methodologies")
app.add_typer(recalculations, name="recalculations")
app.add_typer(audit, name="audit")


@clients.callback()
def _clients() -> None:
    """Register the clients of platforms, banks, merchants and operators."""


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
