"""`person-keys …`: how far the rotation of their key is, and its end."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from sqlmodel.ext.asyncio.session import AsyncSession

from app.commands.common import (
    CommandError,
    JsonFlag,
    at_database,
    console,
    print_json,
)
from app.database import Database
from app.settings import Settings, load_settings
from app.tokens.exchange import count, exchange
from app.wiring import person_keys_of, utc_now

Done = TypeVar("Done")

person_keys = typer.Typer(help="Rotate the key of person keys.", no_args_is_help=True)


def _at_database(settings: Settings, work: Callable[[AsyncSession], Awaitable[Done]]) -> Done:
    async def connected(database: Database) -> Done:
        async with database.transaction() as session:
            return await work(session)

    return at_database(settings, connected, scans=True)


@person_keys.command("status")
def status_command(as_json: JsonFlag = False) -> None:
    """Show the live keys, and how many holders have their next person key."""
    settings = load_settings()
    keys = person_keys_of(settings)
    found = _at_database(settings, count)
    following = None if keys.following is None else keys.following.key_id
    if as_json:
        print_json(
            {
                "present": keys.key_id,
                "next": following,
                "holders": found.holders,
                "with_next": found.with_next,
            }
        )
        return
    console.print(f"present key  {keys.key_id}", highlight=False)
    console.print(f"next key     {following or 'none'}", highlight=False)
    console.print(f"{found.with_next:,} of {found.holders:,} holders have their next person key")


@person_keys.command("exchange")
def exchange_command(
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    leave_behind: Annotated[
        int, typer.Option(min=0, help="At most so many holders may be left without a next person key.")
    ] = 0,
    as_json: JsonFlag = False,
) -> None:
    """End the rotation while no service runs: next person keys become the present ones."""
    settings = load_settings()
    keys = person_keys_of(settings)

    async def work(session: AsyncSession) -> tuple[int, int]:
        found = await count(session)
        if found.without_next > leave_behind:
            raise CommandError(
                f"{found.without_next:,} holders have no next person key; they would no longer meet the claims of "
                "platforms. Wait until they come by, or allow it with --leave-behind"
            )
        done = await exchange(session, keys, reason, utc_now())
        return done.with_next, done.without_next

    exchanged, left = _at_database(settings, work)
    if as_json:
        print_json({"exchanged": exchanged, "left_behind": left})
        return
    console.print(f"{exchanged:,} holders have their next person key now, {left:,} were left behind.")
    console.print("Make the next key the present one in the settings of all processes before they start.")
