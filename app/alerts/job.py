"""The jobs that learn meters' pasts and look at their latest quarter-hours, slice by slice."""

import datetime
import time
from typing import TYPE_CHECKING, Final

from accounts.alerts.service import learn_some, look_at_some
from accounts.enterprises.carriers import Carrier
from accounts.ids import public_id
from app.webhooks.enterprises import Told, tell_enterprises
from app.webhooks.events import ALERT_OPENED

if TYPE_CHECKING:
    from accounts.alerts.repository import Row
    from app.database import Database

LEARN_SLICE: Final = 4
"""Meters of one transaction: eight weeks of each are gone through without a pause."""
LOOK_SLICE: Final = 500
BUDGET_S: Final = 20
"""How long one run works; its lease waits meanwhile, and is lost after a minute. The next run goes on."""


async def learn_meters(database: "Database", now: datetime.datetime) -> None:
    """Learn meters that were entered or whose profile is a week old."""
    until = time.monotonic() + BUDGET_S
    while time.monotonic() < until:
        async with database.driver_transaction() as driver:
            if await learn_some(driver, now, LEARN_SLICE) < LEARN_SLICE:
                return


async def look_at_meters(database: "Database", now: datetime.datetime) -> None:
    """Look at every learnt meter once a quarter-hour is five minutes old."""
    until = time.monotonic() + BUDGET_S
    while time.monotonic() < until:
        async with database.driver_transaction() as driver:
            looked, opened = await look_at_some(driver, now, LOOK_SLICE)
            await tell_enterprises(driver, [_told(row) for row in opened], now)
        if looked < LOOK_SLICE:
            return


def _told(row: "Row") -> Told:
    alert_id = public_id("alt", row["id"])
    return Told(
        row["holder_id"],
        ALERT_OPENED,
        alert_id,
        {
            "alert_id": alert_id,
            "kind": row["kind"],
            "meter_id": public_id("mtr", row["meter_id"]),
            "meter_number": row["number"],
            "unit_field": Carrier(row["carrier"]).field,
            "starts_at": row["starts_at"].isoformat(),
            "amount": row["amount"],
            "expected": row["expected"],
        },
    )
