"""What ends by itself: auctions are cleared, late trades default, listings expire. A transaction for each."""

import datetime
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from app.market import listings, repository, settlement

if TYPE_CHECKING:
    from app.database import Database
    from app.market.repository import Driver

log = structlog.get_logger(__name__)
AT_ONCE = 100


class EndingsFailed(RuntimeError):
    """So many could not be ended; they are tried again with the next run."""


async def end_due(database: "Database", now: datetime.datetime) -> int:
    """End what is over; answers how many. One that fails does not keep the others; raises `EndingsFailed` after."""
    works: tuple[tuple[_Find, _End], ...] = (
        (repository.auctions_over, settlement.end_auction),
        (repository.trades_late, settlement.default),
        (repository.listings_over, listings.expire),
    )
    ended = failed = 0
    for find, end in works:
        async with database.driver_transaction() as driver:
            due = await find(driver, now, AT_ONCE)
        for each in due:
            try:
                async with database.driver_transaction() as driver:
                    ended += bool(await end(driver, each, now))
            except Exception as error:  # noqa: BLE001 - whatever it is, the others are ended
                failed += 1
                log.warning("market not ended", error=type(error).__name__)
    if failed:
        raise EndingsFailed(failed)
    return ended


_Find = Callable[["Driver", datetime.datetime, int], Awaitable[list[UUID]]]
_End = Callable[["Driver", UUID, datetime.datetime], Awaitable[object]]
