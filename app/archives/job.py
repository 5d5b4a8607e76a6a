"""Archives old months of claims, one after the other: by a job where the settings say when, and by the command."""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from app.archives.policy import latest_before, least_days
from app.database import Database, engine_for
from dedup.archiving import ArchivingElsewhere, archive_month, months_before

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.crediting.rules import Rules
    from app.settings import Settings
    from dedup.archive import Archive

HEARTBEAT_S = 15
"""How often a long run tells that its lease is alive."""


async def archive_months(database: Database, folder: Path, before: datetime.date) -> "AsyncIterator[Archive]":
    """Archive the months before a month, the earliest first. `database` is for scans.

    Raises `ArchiveBroken` or `ArchivingElsewhere`.
    """
    async with database.statement() as driver:
        for each in await months_before(driver, before):
            yield await archive_month(driver, folder, each.month)


async def archive_due(
    settings: "Settings",
    database: Database,
    lease: "AsyncSession",
    rules: "Rules",
    now: datetime.datetime,
) -> None:
    """Archive what is older than the settings say, and no sooner than the texts allow."""
    if settings.claims_archive_days is None:
        return
    before = latest_before(now, max(settings.claims_archive_days, least_days(rules)))
    # A connection of its own: what it does takes longer than a look-up may.
    url = database.engine.url.render_as_string(hide_password=False)
    own = Database(engine_for(url, pool_size=1, scans=True))
    try:
        async with kept(lease):
            with contextlib.suppress(ArchivingElsewhere):
                async for _ in archive_months(own, settings.archives, before):
                    pass
    finally:
        await own.close()


@contextlib.asynccontextmanager
async def kept(lease: "AsyncSession") -> AsyncIterator[None]:
    """Use the lease's transaction now and then: the server ends one that is idle for a minute."""
    over = asyncio.Event()

    async def beat() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await over.wait()
                    return
            await lease.exec(text("SELECT 1"))  # type: ignore[call-overload]

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        over.set()
        await beating
