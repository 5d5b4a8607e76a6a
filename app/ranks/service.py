"""Keeping ranks up to the books: a little behind the clock, never in the way of a credit."""

import datetime
from typing import TYPE_CHECKING

from accounts.teams import repository as teams
from app.ranks import repository
from app.ranks.store import Ranks

if TYPE_CHECKING:
    import asyncpg

BEHIND = datetime.timedelta(minutes=2)
"""Longer than a statement may take: what is booked with an earlier id than this is there to be read."""
TOO_OLD = datetime.timedelta(days=1)
"""A cursor that stood longer is not caught up with: everything is built anew."""
SLICE = datetime.timedelta(seconds=20)
"""What counts at once: adding it keeps Redis to itself, about a microsecond for each holder."""


async def rebuild(driver: "asyncpg.Connection", ranks: Ranks, now: datetime.datetime) -> int:
    """Build all ranks from the books; answers how many scores they have."""
    await repository.lock(driver)
    until = _moment(now - BEHIND)
    totals = await teams.totals(driver, None, until)
    return await ranks.build(repository.everything(driver, until), totals, until)


async def update(driver: "asyncpg.Connection", ranks: Ranks, now: datetime.datetime) -> bool:
    """Add what was booked since the last time, or build everything where that is not known: True then."""
    await repository.lock(driver)
    until = _moment(now - BEHIND)
    at = await ranks.cursor()
    if at is None or until - at[1] > TOO_OLD:
        await rebuild(driver, ranks, now)
        return True
    while (since := at[1]) < until:
        end = min(until, since + SLICE)
        chosen, totals = await repository.changed(driver, since, end)
        month = repository.month_of(end - datetime.timedelta(milliseconds=1))
        touched = await teams.totals(driver, await teams.touched(driver, since, end), end)
        booked = repository.booked(driver, since, end)
        if not await ranks.advance(at, end, booked, chosen, totals, touched, month):
            break
        at = at[0], end
    return False


def _moment(now: datetime.datetime) -> datetime.datetime:
    """To the millisecond, as ids have it."""
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
