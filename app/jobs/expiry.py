"""The job that expires points, slice by slice, each in a transaction of its own."""

import datetime
import time
from typing import TYPE_CHECKING

from points.expiry import expire_some

if TYPE_CHECKING:
    from app.database import Database

SLICE = 500
"""Lots of one transaction: their holders' credits wait as long."""
BUDGET_S = 20
"""How long one run works; its lease waits meanwhile, and is lost after a minute. The next run goes on."""


async def expire_points(database: "Database", now: datetime.datetime) -> None:
    """Sweep what is due, however long nobody did."""
    until = time.monotonic() + BUDGET_S
    while time.monotonic() < until:
        async with database.driver_transaction() as driver:
            if not await expire_some(driver, now, SLICE):
                return
