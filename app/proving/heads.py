"""The job that takes the ledger's daily heads, day by day, each in a commit of its own."""

import datetime
import time
from typing import TYPE_CHECKING

from accounts.proofs import heads
from dedup.periods import LOCAL

if TYPE_CHECKING:
    import asyncpg

    from app.database import Database

BEHIND = datetime.timedelta(hours=1)
"""A day is over so long after its end: what was booked in it is committed by then."""
BUDGET_S = 5
"""How long one run works; its lease waits meanwhile. The next run goes on."""


async def take_heads(database: "Database", now: datetime.datetime) -> None:
    """Take the heads of all days that are over, also of missed ones."""
    until = time.monotonic() + BUDGET_S
    while time.monotonic() < until:
        async with database.driver_transaction() as driver:
            if not await take_next(driver, now):
                return


async def take_next(driver: "asyncpg.Connection", now: datetime.datetime) -> bool:
    """Take the next head in the caller's transaction; false where no further day is over."""
    # One at a time: the lease of the job is lost where a day takes long.
    await driver.execute("SELECT pg_advisory_xact_lock(hashtext('tanpuhui_ledger_heads'))")
    last = await heads.latest(driver)
    day = await heads.first_day(driver) if last is None else last["day"] + heads.DAY
    if day is None or day >= (now - BEHIND).astimezone(LOCAL).date():
        return False
    log = await heads.log_of(driver, None if last is None else last["day"], day)
    previous = heads.FIRST if last is None else last["head"]
    await heads.keep(driver, heads.chained(previous, day, log.count, log.root()), now)
    return True
