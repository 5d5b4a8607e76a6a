"""`clients create` and `clients disable`."""

from typing import Annotated

import typer

from accounts.ids import parse_public_id
from app.auth.clients import NewClient, create_client, disable_client
from app.auth.models import OrganisationKind
from app.commands.common import (
    NATION,
    CommandError,
    JsonFlag,
    at_database,
    console,
    errors,
    print_json,
)
from app.database import Database
from app.settings import load_settings
from app.wiring import utc_now

REGION_DIGITS = 6

clients = typer.Typer(
    help="Register the clients of platforms, banks, merchants, enterprises, participants, verifiers and operators.",
    no_args_is_help=True,
)


@clients.command("create")
def create_command(
    kind: Annotated[OrganisationKind, typer.Option(help="Whom the client speaks for.")],
    name: Annotated[
        str, typer.Option(help="Name of the organisation; made where it is new. Not for an enterprise.")
    ] = "",
    region: Annotated[
        str, typer.Option(help="GB/T 2260 code; for an operator, where its rights end.")
    ] = NATION,
    scopes: Annotated[
        str | None, typer.Option(help="Comma-separated; all that the kind may hold where absent.")
    ] = None,
    holder: Annotated[
        str | None, typer.Option(help="For an enterprise: the one (hld_…) that the client speaks for.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Register a client; prints its id and secret once."""
    if len(region) != REGION_DIGITS or not region.isascii() or not region.isdigit():
        raise typer.BadParameter("a region is a six-digit GB/T 2260 code", param_hint="--region")
    holder_id = None if holder is None else parse_public_id("hld", holder)
    if (kind is OrganisationKind.ENTERPRISE) != (holder_id is not None):
        raise typer.BadParameter("an enterprise's client, and no other, names a hld_…", param_hint="--holder")
    if not name and holder_id is None:
        raise typer.BadParameter("an organisation has a name", param_hint="--name")
    chosen = None if scopes is None else tuple(scope.strip() for scope in scopes.split(",") if scope.strip())

    async def work(database: Database) -> NewClient:
        async with database.transaction() as session:
            return await create_client(session, kind, name, region, chosen, utc_now(), holder_id)

    settings = load_settings()
    try:
        made = at_database(settings, work, quiet=as_json)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--scopes or --holder") from None
    shown = {
        "client_id": made.client_id,
        "client_secret": made.secret,
        "organisation_id": made.organisation_id,
        "scopes": list(made.scopes),
    }
    if as_json:
        print_json(shown)
        return
    for label, value in shown.items():
        text = " ".join(value) if isinstance(value, list) else value
        console.print(f"{label.replace('_', ' '):17}{text}", highlight=False, soft_wrap=True)
    errors.print("The secret is shown this once and kept as a hash only.")


@clients.command("disable")
def disable_command(
    client_id: Annotated[str, typer.Argument(metavar="ID", help="A client (cli_…).")],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    as_json: JsonFlag = False,
) -> None:
    """Disable a client for good; its tokens stop counting within seconds."""

    async def work(database: Database) -> str:
        async with database.transaction() as session:
            return (await disable_client(session, client_id, reason, utc_now())).name

    settings = load_settings()
    try:
        name = at_database(settings, work)
    except ValueError as error:
        raise CommandError(str(error)) from None
    if as_json:
        print_json({"client_id": client_id, "organisation": name, "disabled": True})
    else:
        console.print(f"{client_id} of {name} is disabled.", highlight=False, soft_wrap=True)
