"""What the commands share: consoles, the event loop, the stack, and the way to a running service.

The service itself is imported where it is needed: who only talks to a running one does not wait for it.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console

from accounts.ids import parse_public_id

if TYPE_CHECKING:
    from uuid import UUID

    import httpx

    from app.auth.models import OrganisationKind
    from app.database import Database
    from app.embedded.stack import Stack
    from app.settings import Settings

console = Console()
errors = Console(stderr=True)
T = TypeVar("T")
NATION = "100000"
LONGEST_FILE = 256 * 1024

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")]
UrlOption = Annotated[
    str | None,
    typer.Option(
        help="Base URL of a running service; the local one where absent, started if it does not run."
    ),
]
ClientIdOption = Annotated[
    str | None,
    typer.Option(envvar="TANPUHUI_CLIENT_ID", help="Platform client to report as; a local one where absent."),
]
ClientSecretOption = Annotated[
    str | None,
    typer.Option(envvar="TANPUHUI_CLIENT_SECRET", help="Its secret; better given by the variable."),
]


class CommandError(Exception):
    """An expected failure: one plain line for the person at the terminal."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on uvloop."""
    import uvloop  # noqa: PLC0415 - see the top

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def print_json(content: dict[str, Any]) -> None:
    """One JSON object on one line of standard output."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False, default=str) + "\n")


@contextlib.contextmanager
def stack_of(settings: "Settings", *, quiet: bool = False) -> Iterator["Stack"]:
    """The database and Redis that the settings ask for, started where they are embedded."""
    from app.embedded.stack import start_stack  # noqa: PLC0415 - see the top

    with start_stack(settings, progress=None if quiet else errors.print) as stack:
        yield stack


async def bring_up_schema(stack: "Stack") -> None:
    """Migrate the embedded database; an external one is migrated by `tanpuhui migrate`."""
    if stack.embedded_database:
        from app.server import prepare_schema  # noqa: PLC0415 - see the top

        await prepare_schema(stack)


def at_database(
    settings: "Settings",
    work: "Callable[[Database], Awaitable[T]]",
    *,
    quiet: bool = True,
    scans: bool = False,
) -> T:
    """Do work at the database, whose schema is brought up first; `scans` where it reads whole tables."""
    from app.database import Database, engine_for  # noqa: PLC0415 - see the top

    async def connected(stack: "Stack") -> T:
        await bring_up_schema(stack)
        database = Database(engine_for(stack.database_url, pool_size=1, scans=scans))
        try:
            return await work(database)
        finally:
            await database.close()

    with stack_of(settings, quiet=quiet) as stack:
        return run(connected(stack))


def text_of(file: Path) -> str:
    """What a small text file holds, in UTF-8."""
    try:
        found = file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise CommandError(f"a file cannot be read: {type(error).__name__}") from None
    if not found.strip() or len(found) > LONGEST_FILE:
        raise CommandError("a file holds nothing, or too much")
    return found


@dataclass(frozen=True)
class Credentials:
    """A client of this machine's own service."""

    client_id: str
    secret: str
    organisation_id: str


async def local_client(
    settings: "Settings",
    stack: "Stack",
    kind: "OrganisationKind",
    name: str,
    holder_id: "UUID | None" = None,
) -> Credentials:
    """A client for local commands: made once, its secret kept in the data folder for this user only."""
    from app.auth import repository as auth  # noqa: PLC0415 - see the top
    from app.auth.clients import create_client  # noqa: PLC0415 - see the top
    from app.database import Database, engine_for  # noqa: PLC0415 - see the top
    from app.wiring import utc_now  # noqa: PLC0415 - see the top

    path = settings.data_dir / "local-clients.json"
    kept: dict[str, dict[str, str]] = json.loads(path.read_text()) if path.exists() else {}
    database = Database(engine_for(stack.database_url, pool_size=1))
    try:
        async with database.transaction() as session:
            known = kept.get(name)
            if known is not None and await auth.find_client(session, known["client_id"]) is not None:
                return Credentials(**known)
            made = await create_client(session, kind, name, NATION, None, utc_now(), holder_id)
    finally:
        await database.close()
    credentials = Credentials(made.client_id, made.secret, made.organisation_id)
    kept[name] = {
        "client_id": credentials.client_id,
        "secret": credentials.secret,
        "organisation_id": credentials.organisation_id,
    }
    _write_private(path, json.dumps(kept, indent=2))
    return credentials


def _write_private(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


@asynccontextmanager
async def service_at(settings: "Settings", stack: "Stack", url: str | None) -> AsyncIterator[str]:
    """The URL of a service that answers: the given one, the local one, or one for the length of the block."""
    local = f"http://{settings.host}:{settings.port}"
    if url is not None or await _answers(local):
        yield (url or local).rstrip("/")
        return
    errors.print(f"No service at {local}: starting one for this command.")
    from app.server import serve  # noqa: PLC0415 - see the top

    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    own = settings.model_copy(update={"port": 0})
    task = asyncio.create_task(serve(own, stack, ready.set_result, stop))
    waited: set[asyncio.Future[Any]] = {task, ready}
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        await task
        raise CommandError("the service did not start")
    try:
        yield ready.result()
    finally:
        stop.set()
        await task


async def _answers(url: str) -> bool:
    import httpx  # noqa: PLC0415 - see the top

    async with httpx.AsyncClient(base_url=url, timeout=2) as http:
        try:
            return (await http.get("/healthz")).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


async def organisation_of(http: "httpx.AsyncClient", client_id: str, secret: str) -> str:
    """The organisation that a client speaks for, as its token says."""
    import httpx  # noqa: PLC0415 - see the top
    import jwt  # noqa: PLC0415 - see the top

    answer = await http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, auth=(client_id, secret)
    )
    if answer.status_code != httpx.codes.OK:
        raise CommandError(f"sign-in was refused: {answer.json().get('code', answer.status_code)}")
    claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    organisation = str(claims["org"])
    if parse_public_id("org", organisation) is None:
        raise CommandError("the service's token names no organisation")
    return organisation
