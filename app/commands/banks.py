"""`banks …`: where banks' own systems are told and their daily files come from."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from accounts.ids import parse_public_id
from app.auth import audit
from app.commands.common import (
    NATION,
    CommandError,
    JsonFlag,
    at_database,
    console,
    print_json,
    text_of,
)
from app.database import Database, driver_of
from app.lending import exchange_repository as repository
from app.lending.exchange_models import BankConnection
from app.settings import load_settings
from app.webhooks.signing import SecretBox
from app.wiring import utc_now
from dedup.periods import LOCAL
from integrations.partner.signing import read_keys

banks = typer.Typer(
    help="Connect banks' own systems, to tell them and to compare books.", no_args_is_help=True
)
Bank = Annotated[
    str, typer.Argument(metavar="ORGANISATION", help="The bank (org_…), of `clients create --kind bank`.")
]


@banks.command("connect")
def connect_command(
    bank: Bank,
    url: Annotated[str, typer.Option(help="Base URL of its API.")],
    token_url: Annotated[str, typer.Option(help="Where its access tokens are had.")],
    client_id: Annotated[str, typer.Option(help="Our client there.")],
    secret_file: Annotated[Path, typer.Option(help="File with this client's secret, and nothing else.")],
    keys_file: Annotated[Path, typer.Option(help="JWK set with the public keys that the bank signs with.")],
    as_json: JsonFlag = False,
) -> None:
    """Connect a bank's API, or change where and as whom it is asked. The secret is kept encrypted."""
    settings = load_settings()
    allowed = "https://" if settings.production else ("https://", "http://")
    for name, address in (("--url", url), ("--token-url", token_url)):
        if not address.startswith(allowed):
            raise typer.BadParameter("must begin with https://", param_hint=name)
    bank_id, secret, jwks = _id(bank), text_of(secret_file).strip(), text_of(keys_file)
    try:
        read_keys(jwks)
    except ValueError as error:
        raise CommandError(f"the keys cannot be used: {error}") from None
    box = SecretBox(settings.receipt_key.get_secret_value())

    async def work(database: Database) -> None:
        now = utc_now()
        async with database.transaction() as session:
            driver = await driver_of(session)
            if not await repository.is_bank(driver, bank_id):
                raise CommandError(f"{bank} is no bank")
            row = BankConnection(
                bank_id=bank_id,
                url=url.rstrip("/"),
                token_url=token_url,
                client_id=client_id,
                sealed_secret=box.seal(bank_id, secret.encode()),
                jwks=jwks,
                files_from=now.astimezone(LOCAL).date(),
                created_at=now,
            )
            await repository.connect(driver, row)
            await audit.append_local(
                session,
                now,
                "bank.connected",
                ("organisation", bank),
                region=NATION,
                reason="",
                before=None,
                after={"url": row.url, "client_id": client_id},
            )

    at_database(load_settings(), work)
    _tell(bank, "connected", as_json=as_json)


@banks.command("disconnect")
def disconnect_command(
    bank: Bank,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    as_json: JsonFlag = False,
) -> None:
    """Tell a bank nothing more by its API, and compare no more files."""
    bank_id = _id(bank)

    async def work(database: Database) -> None:
        now = utc_now()
        async with database.transaction() as session:
            if not await repository.disconnect(await driver_of(session), bank_id, now):
                raise CommandError(f"{bank} is not connected")
            await audit.append_local(
                session,
                now,
                "bank.disconnected",
                ("organisation", bank),
                region=NATION,
                reason=reason,
                before=None,
                after={"disabled_at": now},
            )

    at_database(load_settings(), work)
    _tell(bank, "disconnected", as_json=as_json)


def _id(bank: str) -> UUID:
    found = parse_public_id("org", bank)
    if found is None:
        raise typer.BadParameter("an id of an organisation is org_ and 32 digits", param_hint="ORGANISATION")
    return found


def _tell(bank: str, state: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"bank_id": bank, "state": state})
    else:
        console.print(f"{bank}  {state}", highlight=False)
