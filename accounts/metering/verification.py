"""What always holds of readings: rows of days, their totals, and what registers counted, follow from each other."""

from typing import TYPE_CHECKING

from accounts.ids import public_id
from accounts.metering.days import Day, State, plain_states
from accounts.metering.marks import NOTHING, is_measured
from accounts.metering.quarters import QUARTERS_A_DAY
from accounts.metering.registers import Exchange, Point, used
from accounts.metering.repository import day_of, exchanges_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import asyncpg

KEPT_TABLES = ("reading_revisions", "meter_exchanges")
_PAGE = 2_000


async def check_days(driver: "asyncpg.Connection") -> str | None:
    """Recount every day of every meter; names the first that is not what its readings come to."""
    meter_id: UUID | None = None
    before: Point | None = None
    wraps_at: int | None = None
    exchanges: Sequence[Exchange] = ()
    async for row in driver.cursor(
        "SELECT d.meter_id, d.day, d.marks, d.states, d.amounts, d.registers, d.amount, d.measured, d.estimated,"
        " m.register_max FROM meter_days d LEFT JOIN meters m ON m.id = d.meter_id ORDER BY d.meter_id, d.day",
        prefetch=_PAGE,
    ):
        day = day_of(row)
        if day.meter_id != meter_id:
            meter_id, before, wraps_at = day.meter_id, None, row["register_max"]
            exchanges = (await exchanges_of(driver, [meter_id])).get(meter_id, ()) if day.cumulative else ()
        right = day.totals == (row["amount"], row["measured"], row["estimated"])
        if day.cumulative:
            before, follows = _follows(day, before, exchanges, wraps_at)
            right = right and follows
        else:
            right = right and day.states == _states(day)
        if not right or any((mark == NOTHING) != (value is None) for mark, value in _received(day)):
            return f"{public_id('mtr', day.meter_id)} on {row['day']}"
    return None


def _received(day: Day) -> list[tuple[int, int | None]]:
    return list(zip(day.marks, day.received, strict=True))


def _states(day: Day) -> bytearray:
    states = plain_states(day.amounts)
    for place, mark in enumerate(day.marks):
        if mark != NOTHING and not is_measured(mark):
            states[place] = State.ESTIMATED
    return states


def _follows(
    day: Day, before: Point | None, exchanges: "Sequence[Exchange]", wraps_at: int | None
) -> tuple[Point | None, bool]:
    """The day's last reading, and whether its uses follow from its registers.

    Where a register fell, its end may have been another one when it was read: the amount is taken as it is.
    """
    right = True
    for place in range(QUARTERS_A_DAY):
        point = day.point(place)
        if point is None:
            right = right and day.amounts[place] is None and day.states[place] == State.MISSING
            continue
        fell = before is not None and point.register < before.register
        exchanged = before is not None and any(
            before.quarter <= each.quarter < point.quarter for each in exchanges
        )
        if exchanged or not fell:
            amount, _ = used(before, point, exchanges, wraps_at)
            right = right and day.amounts[place] == amount
        before = point
    return before, right
