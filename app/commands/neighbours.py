"""`neighbours …`: register neighbouring deployments, and exchange claims with them."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from accounts.ids import parse_public_id, public_id, uuid7
from app.auth import audit
from app.commands.common import (
    NATION,
    CommandError,
    JsonFlag,
    bring_up_schema,
    console,
    print_json,
    run,
    stack_of,
)
from app.embedded.stack import Stack
from app.neighbours import repository
from app.neighbours.errors import Unreachable
from app.neighbours.models import Neighbour
from app.neighbours.schemas import neighbour_view
from app.settings import Settings, load_settings
from app.webhooks.signing import SecretBox
from app.wiring import Services, services, utc_now

Done = TypeVar("Done")
PULL_S = 3_600.0
"""How long a pull at the terminal goes on."""
_LONGEST_SECRET = 256

neighbours = typer.Typer(
    help="Register neighbouring deployments, and exchange claims with them.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="What the neighbour is called here.")]


def _with_services(settings: Settings, work: Callable[[Services], Awaitable[Done]]) -> Done:
    async def connected(stack: Stack) -> Done:
        await bring_up_schema(stack)
        async with services(settings, stack.database_url, stack.redis_url) as current:
            return await work(current)

    with stack_of(settings, quiet=True) as stack:
        return run(connected(stack))


async def _named(current: Services, name: str) -> Neighbour:
    async with current.database.reading() as session:
        found = await repository.neighbours(session, also_disabled=True)
    for each in found:
        if each.name == name:
            return each
    raise CommandError(f"there is no neighbour {name}; `tanpuhui neighbours list` names them")


def _secret(file: Path) -> bytes:
    try:
        secret = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise CommandError(f"the secret cannot be read: {type(error).__name__}") from None
    if not 0 < len(secret) <= _LONGEST_SECRET or not secret.isprintable():
        raise CommandError("the file holds no secret")
    return secret.encode()


@neighbours.command("add")
def add_command(
    name: Name,
    url: Annotated[str, typer.Option(help="Its base URL.")],
    organisation: Annotated[
        str,
        typer.Option(help="Its organisation here (org_…), of `tanpuhui clients create --kind neighbour`."),
    ],
    client_id: Annotated[str, typer.Option(help="Our client at its service (cli_…).")],
    secret_file: Annotated[
        Path, typer.Option(help="File that holds this client's secret, and nothing else.")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Register a neighbour, or change where and as whom it is asked. The secret is kept encrypted."""
    settings = load_settings()
    url = url.rstrip("/")
    if not url.startswith("https://" if settings.production else ("https://", "http://")):
        raise typer.BadParameter("must begin with https://", param_hint="--url")
    organisation_id = parse_public_id("org", organisation)
    if organisation_id is None:
        raise typer.BadParameter(
            "an id of an organisation is org_ and 32 digits", param_hint="--organisation"
        )
    secret = _secret(secret_file)
    box = SecretBox(settings.receipt_key.get_secret_value())

    async def work(current: Services) -> Neighbour:
        now = utc_now()
        async with current.database.transaction() as session:
            if await repository.organisation(session, organisation_id) is None:
                raise CommandError(f"{organisation} is no neighbour's organisation")
            known = [
                each
                for each in await repository.neighbours(session, also_disabled=True)
                if name == each.name or each.organisation_id == organisation_id
            ]
            if len(known) > 1 or (known and known[0].organisation_id != organisation_id):
                raise CommandError("the name is another neighbour's")
            found = known[0] if known else _new(organisation_id, now)
            before = (
                None if not known else {"name": found.name, "url": found.url, "client_id": found.client_id}
            )
            found.name, found.url, found.client_id = name, url, client_id
            found.sealed_secret, found.disabled_at = box.seal(found.id, secret), None
            session.add(found)
            await session.flush()
            await audit.append_local(
                session,
                now,
                "neighbour.registered",
                ("neighbour", public_id("nbr", found.id)),
                region=NATION,
                before=before,
                after={"name": name, "url": url, "client_id": client_id, "organisation_id": organisation},
            )
        return found

    _tell(_with_services(settings, work), as_json=as_json)


def _new(organisation_id: Any, now: Any) -> Neighbour:
    return Neighbour(
        id=uuid7(now),
        organisation_id=organisation_id,
        name="",
        url="",
        client_id="",
        sealed_secret=b"",
        created_at=now,
    )


@neighbours.command("list")
def list_command(as_json: JsonFlag = False) -> None:
    """List neighbours, and how far the exchange with each is."""

    async def work(current: Services) -> list[Neighbour]:
        async with current.database.reading() as session:
            return await repository.neighbours(session, also_disabled=True)

    found = _with_services(load_settings(), work)
    if as_json:
        print_json({"items": [neighbour_view(each).model_dump(mode="json") for each in found]})
        return
    for each in found:
        _tell(each, as_json=False)


@neighbours.command("disable")
def disable_command(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    as_json: JsonFlag = False,
) -> None:
    """Fetch nothing from a neighbour any more and ask it nothing; what is here stays."""

    async def work(current: Services) -> Neighbour:
        found = await _named(current, name)
        now = utc_now()
        async with current.database.transaction() as session:
            found.disabled_at = now
            session.add(found)
            await session.flush()
            await audit.append_local(
                session,
                now,
                "neighbour.disabled",
                ("neighbour", public_id("nbr", found.id)),
                region=NATION,
                reason=reason,
                before={"disabled_at": None},
                after={"disabled_at": now},
            )
        return found

    _tell(_with_services(load_settings(), work), as_json=as_json)


@neighbours.command("pull")
def pull_command(name: Name, as_json: JsonFlag = False) -> None:
    """Fetch what a neighbour has claimed, compare it with what is claimed here, and do what is agreed."""

    async def work(current: Services) -> dict[str, Any]:
        found = await _named(current, name)
        try:
            done = await current.neighbours.exchange(found.id, PULL_S)
        except Unreachable as away:
            raise CommandError(f"{name} does not answer as it should: {away}") from None
        return {
            "pages": done.pulled.pages,
            "claims": done.pulled.claims,
            "whole": done.pulled.whole,
            "doubles": done.doubles,
            "reversed": done.reversed,
        }

    told = _with_services(load_settings(), work)
    if as_json:
        print_json(told)
        return
    console.print(
        f"{told['claims']:,} claims in {told['pages']:,} pages; {told['doubles']:,} acts are claimed in both, "
        f"{told['reversed']:,} were reversed here.",
        highlight=False,
    )


def _tell(found: Neighbour, *, as_json: bool) -> None:
    shown = neighbour_view(found).model_dump(mode="json")
    if as_json:
        print_json(shown)
        return
    state = "disabled" if shown["disabled"] else shown["last_error"] or shown["pulled_at"] or "not pulled yet"
    console.print(
        f"{shown['neighbour_id']}  {found.name}  {found.url}  {state}", highlight=False, soft_wrap=True
    )
