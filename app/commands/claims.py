"""`claims archive`: takes old months of claims out of the database."""

import datetime
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

from app.archives.job import archive_months
from app.archives.policy import latest_before, least_days
from app.commands.common import (
    CommandError,
    JsonFlag,
    bring_up_schema,
    console,
    print_json,
    run,
    stack_of,
)
from app.database import Database, engine_for
from app.embedded.stack import Stack
from app.settings import Settings, load_settings
from app.wiring import services, utc_now
from dedup.archiving import ArchiveBroken, ArchivingElsewhere, months_before

claims = typer.Typer(help="Archive old months of claims.", no_args_is_help=True)


@claims.callback()
def _claims() -> None:
    """Archive old months of claims."""


@claims.command("archive")
def archive_command(
    before: Annotated[str, typer.Option(help="Archive the months before this one, as 2026-04.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell which months, and change nothing.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Move the months' interval claims into Parquet, checked, while the service runs; after a crash, run it again."""
    settings = load_settings()
    month = _month(before)

    async def work(stack: Stack) -> list[dict[str, Any]]:
        await bring_up_schema(stack)
        await _check(settings, stack, month)
        async with _scanning(stack) as database:
            return await (_plan(database, month) if dry_run else _archive(database, settings, month))

    with stack_of(settings, quiet=as_json) as stack:
        try:
            found = run(work(stack))
        except (ArchiveBroken, ArchivingElsewhere) as error:
            raise CommandError(str(error) or "another process archives at this moment") from None
    if as_json:
        print_json({"dry_run": dry_run, "months": found})
        return
    for each in found:
        console.print(f"{each['month']}  {each['state']}", highlight=False)
    if not found:
        console.print("No month before it has claims in the database.")


async def _plan(database: Database, month: datetime.date) -> list[dict[str, Any]]:
    async with database.statement() as driver:
        waiting = await months_before(driver, month)
    return [{"month": f"{each.month:%Y-%m}", "state": each.state or "in the database"} for each in waiting]


async def _archive(database: Database, settings: Settings, month: datetime.date) -> list[dict[str, Any]]:
    return [
        {"month": f"{each.month:%Y-%m}", "state": each.state, "claims": each.claims}
        | {"tokens": each.tokens, "folder": each.folder}
        async for each in archive_months(database, settings.archives, month)
    ]


def _month(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(f"{text}-01")
    except ValueError:
        raise CommandError("a month is written as 2026-04") from None


async def _check(settings: Settings, stack: Stack, month: datetime.date) -> None:
    """Refuse months that the texts in force, or the settings, keep in the database."""
    async with services(settings, stack.database_url, stack.redis_url) as current:
        days = max(settings.claims_archive_days or 0, least_days(current.rules_now()))
    allowed = latest_before(utc_now(), days)
    if month > allowed:
        raise CommandError(
            f"only months before {allowed:%Y-%m} can be archived at present: reports and disputes of later ones are due"
        )


@asynccontextmanager
async def _scanning(stack: Stack) -> AsyncIterator[Database]:
    database = Database(engine_for(stack.database_url, pool_size=1, scans=True))
    try:
        yield database
    finally:
        await database.close()
