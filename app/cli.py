"""`tanpuhui`: the command line. Exit codes: 0 done, 1 failed or a breach was found, 2 wrong use, 3 not reachable."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import structlog
import typer
import uvloop
from rich.console import Console

from app.auth.clients import create_client
from app.auth.models import OrganisationKind
from app.database import Database, engine_for
from app.embedded.errors import EmbeddedServerError
from app.embedded.stack import Stack, start_stack
from app.logs import configure_logs
from app.server import SchemaError, prepare_schema, serve
from app.settings import ConfigurationError, Settings, load_settings
from app.verification import verify
from app.wiring import utc_now

app = typer.Typer(
    name="tanpuhui",
    help="碳普惠: green acts become verified CO2e reductions, once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
clients_app = typer.Typer(
    help="Register the clients of platforms, banks, merchants and operators.", no_args_is_help=True
)
app.add_typer(clients_app, name="clients")

console = Console()
errors = Console(stderr=True)
T = TypeVar("T")
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@contextlib.contextmanager
def stack_of(settings: Settings, *, quiet: bool = False) -> Iterator[Stack]:
    """The database and Redis that the settings ask for, started where they are embedded."""
    with start_stack(settings, progress=None if quiet else errors.print) as stack:
        yield stack


@app.command("serve")
def serve_command(
    demo: Annotated[bool, typer.Option(help="Replay a made-up week of a city, once.")] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
) -> None:
    """Start the service, with its own PostgreSQL and Redis where none are given. Ctrl-C stops everything."""
    chosen = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = load_settings(**chosen)
    configure_logs(settings)
    children: list[subprocess.Popen[bytes]] = []

    def on_ready(url: str) -> None:
        console.print(
            f"Tanpuhui 碳普惠 is at [bold]{url}[/]   API docs: {url}/docs   Ctrl-C stops everything"
        )
        if demo:
            command = [sys.executable, "-m", "app.cli", "demo", "--url", url, "--once"]
            children.append(subprocess.Popen(command))

    with stack_of(settings) as stack:
        run(_prepare_and_serve(settings, stack, on_ready))
        for child in children:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(5)
        console.print("Stopping PostgreSQL and Redis …" if stack.embedded_database else "Stopped.")


async def _prepare_and_serve(settings: Settings, stack: Stack, on_ready: Any) -> None:
    if stack.owner_database_url is not None:
        await prepare_schema(stack)
    await serve(settings, stack, on_ready)


@app.command("migrate")
def migrate_command(as_json: JsonFlag = False) -> None:
    """Bring the schema up to date, as the role that owns the tables."""
    settings = load_settings()
    with stack_of(settings, quiet=as_json) as stack:
        revision = run(prepare_schema(stack))
    console.print_json(data={"revision": revision}) if as_json else console.print(f"Schema is at {revision}.")


@app.command("verify")
def verify_command(as_json: JsonFlag = False) -> None:
    """Check the invariants over the whole database; exits with 1 and names the first breach."""
    settings = load_settings()
    findings: list[dict[str, str | None]] = []

    async def work(url: str) -> None:
        database = Database(engine_for(url, pool_size=1, statement_timeout="0"))
        try:
            async with database.snapshot() as driver:
                async for finding in verify(driver):
                    findings.append(
                        {"rule": finding.rule, "meaning": finding.meaning, "breach": finding.breach}
                    )
                    if not as_json:
                        mark = (
                            "[green]ok[/]"
                            if finding.breach is None
                            else f"[red]BREACH at {finding.breach}[/]"
                        )
                        console.print(f"  {finding.meaning} ({finding.rule}): {mark}", highlight=False)
        finally:
            await database.close()

    with stack_of(settings, quiet=as_json) as stack:
        if stack.owner_database_url is not None and stack.embedded_database:
            run(prepare_schema(stack))
        run(work(stack.database_url))
    broken = [finding for finding in findings if finding["breach"] is not None]
    if as_json:
        sys.stdout.write(json.dumps({"ok": not broken, "rules": findings}, ensure_ascii=False) + "\n")
    else:
        console.print(
            "All invariants hold." if not broken else f"{len(broken)} of {len(findings)} rules are broken."
        )
    if broken:
        raise typer.Exit(1)


@clients_app.command("create")
def clients_create(
    kind: Annotated[OrganisationKind, typer.Option(help="Whom the client speaks for.")],
    name: Annotated[str, typer.Option(help="Name of the organisation; made where it is new.")],
    region: Annotated[
        str, typer.Option(help="GB/T 2260 code; for an operator, where its rights end.")
    ] = "100000",
    scopes: Annotated[
        str | None, typer.Option(help="Comma-separated; all that the kind may hold where absent.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Register a client; prints its id and secret once."""
    settings = load_settings()
    chosen = None if scopes is None else tuple(scope.strip() for scope in scopes.split(",") if scope.strip())
    if len(region) != 6 or not region.isdigit():
        raise typer.BadParameter("a region is a six-digit GB/T 2260 code", param_hint="--region")

    async def work(stack: Stack) -> dict[str, Any]:
        if stack.owner_database_url is not None and stack.embedded_database:
            await prepare_schema(stack)
        database = Database(engine_for(stack.database_url, pool_size=1))
        try:
            async with database.transaction() as session:
                made = await create_client(session, kind, name, region, chosen, utc_now())
        finally:
            await database.close()
        return {
            "client_id": made.client_id,
            "client_secret": made.secret,
            "organisation_id": made.organisation_id,
            "scopes": list(made.scopes),
        }

    with stack_of(settings, quiet=as_json) as stack:
        try:
            made = run(work(stack))
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--scopes") from None
    if as_json:
        sys.stdout.write(json.dumps(made) + "\n")
        return
    console.print(
        f"client id      {made['client_id']}\nclient secret  {made['client_secret']}", highlight=False
    )
    console.print(
        f"organisation   {made['organisation_id']}\nscopes         {' '.join(made['scopes'])}",
        highlight=False,
    )
    errors.print("The secret is shown this once and kept as a hash only.")


@app.command("openapi")
def openapi_command(
    out: Annotated[Path | None, typer.Option(help="File to write; standard output where absent.")] = None,
) -> None:
    """Export the OpenAPI document."""
    from app.application import create_app  # noqa: PLC0415 - the routes are needed by no other command

    text = json.dumps(create_app().openapi(), ensure_ascii=False, indent=2) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")


def main() -> None:
    """Run the command line; expected failures are one plain line and an exit code."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        app()
    except (ConfigurationError, EmbeddedServerError, SchemaError) as error:
        errors.print(f"[red]{error}[/]", highlight=False)
        sys.exit(2 if isinstance(error, ConfigurationError) else 3)
    except ConnectionError as error:
        errors.print(f"[red]cannot reach the server: {error}[/]", highlight=False)
        sys.exit(3)


if __name__ == "__main__":
    main()
