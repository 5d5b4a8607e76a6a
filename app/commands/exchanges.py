"""`exchanges …`: where carbon exchanges and registries are told, by their own API or by signed files."""

from pathlib import Path
from typing import Annotated

import typer

from accounts.ids import uuid7
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
from app.exchanges import repository
from app.exchanges.models import ExchangeConnection
from app.settings import load_settings
from app.webhooks.signing import SecretBox
from app.wiring import utc_now
from dedup.periods import LOCAL
from integrations.partner.signing import read_keys

exchanges = typer.Typer(
    help="Connect carbon exchanges and registries, to tell them and to compare books.", no_args_is_help=True
)
Code = Annotated[str, typer.Argument(metavar="CODE", help="What it is called here, such as cbgex.")]
_CODE_LENGTH = 40


@exchanges.command("connect")
def connect_command(
    code: Code,
    name: Annotated[str, typer.Option(help="Its name.")],
    keys_file: Annotated[Path, typer.Option(help="JWK set with the public keys that it signs with.")],
    region: Annotated[str, typer.Option(help="GB/T 2260 code of where it is.")] = NATION,
    url: Annotated[str, typer.Option(help="Base URL of its API; or give --folder.")] = "",
    token_url: Annotated[str, typer.Option(help="Where its access tokens are had.")] = "",
    client_id: Annotated[str, typer.Option(help="Our client there.")] = "",
    secret_file: Annotated[
        Path | None, typer.Option(help="File with this client's secret, and nothing else.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Folder of signed files, with `out` and `in`; or give --url.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Connect an exchange, or change where and as whom it is told. The secret is kept encrypted."""
    settings = load_settings()
    if not code.isidentifier() or not code.isascii() or not code.islower() or len(code) > _CODE_LENGTH:
        raise typer.BadParameter("small letters, digits and underscores", param_hint="CODE")
    if (folder is None) == (url == ""):
        raise typer.BadParameter("a URL or a folder, one of them", param_hint="--url")
    allowed = "https://" if settings.production else ("https://", "http://")
    for option, address in (("--url", url), ("--token-url", token_url)):
        if folder is None and not address.startswith(allowed):
            raise typer.BadParameter("must begin with https://", param_hint=option)
    if folder is None and (secret_file is None or not client_id):
        raise typer.BadParameter("a client and the file of its secret", param_hint="--secret-file")
    secret = "" if secret_file is None else text_of(secret_file).strip()
    jwks = text_of(keys_file)
    try:
        read_keys(jwks)
    except ValueError as error:
        raise CommandError(f"the keys cannot be used: {error}") from None
    box = SecretBox(settings.receipt_key.get_secret_value())

    async def work(database: Database) -> None:
        now = utc_now()
        async with database.transaction() as session:
            driver = await driver_of(session)
            # The secret is sealed for the connection's own id, which stays when it is connected anew.
            connection_id = await repository.known_id(driver, code) or uuid7(now)
            row = ExchangeConnection(
                id=connection_id,
                code=code,
                name=name,
                region=region,
                way="http" if folder is None else "files",
                url=url.rstrip("/"),
                token_url=token_url,
                client_id=client_id,
                sealed_secret=box.seal(connection_id, secret.encode()),
                folder="" if folder is None else str(folder.resolve()),
                jwks=jwks,
                statements_from=now.astimezone(LOCAL).date(),
                created_at=now,
            )
            await repository.connect(driver, row)
            await audit.append_local(
                session,
                now,
                "exchange.connected",
                ("exchange", code),
                region=NATION,
                reason="",
                before=None,
                after={"way": row.way, "client_id": client_id},
            )

    at_database(load_settings(), work)
    _tell(code, "connected", as_json=as_json)


@exchanges.command("disconnect")
def disconnect_command(
    code: Code,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    as_json: JsonFlag = False,
) -> None:
    """Tell an exchange nothing more, and compare no more statements."""

    async def work(database: Database) -> None:
        now = utc_now()
        async with database.transaction() as session:
            if not await repository.disconnect(await driver_of(session), code, now):
                raise CommandError(f"{code} is not connected")
            await audit.append_local(
                session,
                now,
                "exchange.disconnected",
                ("exchange", code),
                region=NATION,
                reason=reason,
                before=None,
                after={"disabled_at": now},
            )

    at_database(load_settings(), work)
    _tell(code, "disconnected", as_json=as_json)


def _tell(code: str, state: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"exchange": code, "state": state})
    else:
        console.print(f"{code}  {state}", highlight=False)
