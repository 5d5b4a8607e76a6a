"""What was used: the one contract that others read. A step is summed from the rows of its days."""

import datetime
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from accounts.metering.days import State, plain_states
from accounts.metering.quarters import (
    QUARTERS_A_DAY,
    QUARTERS_AN_HOUR,
    begins_at,
    boundary_of,
    day_of,
    first_of,
)
from accounts.metering.repository import day_of as stored_day

if TYPE_CHECKING:
    import asyncpg


class Step(enum.StrEnum):
    """How long the intervals are."""

    QUARTER = "quarter"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Use:
    """What a meter counted from `starts_at` (Asia/Shanghai) for one step, in its carrier's base unit.

    `measured`, `estimated` and `missing` are numbers of quarter-hours. What a register counted over a gap is in the
    amount of the quarter-hour that closed it, and all of them are missing: none is known by itself.
    """

    meter_id: UUID
    starts_at: datetime.datetime
    amount: int
    measured: int
    estimated: int
    missing: int


class OffStep(ValueError):
    """A bound that is not one of the step."""


async def uses(
    driver: "asyncpg.Connection",
    meter_ids: Sequence[UUID],
    step: Step,
    since: datetime.datetime,
    until: datetime.datetime,
) -> list[Use]:
    """What each meter used in each step of `[since, until)`, meter by meter, by time; nothing is left out.

    An interval of which nothing was read has amount 0 and is missing. Raises `OffStep` where a bound is none.
    """
    first, end = _bound(step, since), _bound(step, until)
    if first >= end:
        return []
    if step in {Step.QUARTER, Step.HOUR}:
        length = 1 if step is Step.QUARTER else QUARTERS_AN_HOUR
        return await _within_days(driver, meter_ids, first, end, length)
    return await _by_days(driver, meter_ids, first, end, monthly=step is Step.MONTH)


def _bound(step: Step, moment: datetime.datetime) -> int:
    boundary = boundary_of(moment)
    if boundary is None:
        raise OffStep("not on a quarter-hour")
    if step is Step.HOUR and boundary % QUARTERS_AN_HOUR:
        raise OffStep("not on an hour")
    if step in {Step.DAY, Step.MONTH} and boundary % QUARTERS_A_DAY:
        raise OffStep("not on a day of Asia/Shanghai")
    if step is Step.MONTH and day_of(boundary).day != 1:
        raise OffStep("not on a month of Asia/Shanghai")
    return boundary


async def _by_days(
    driver: "asyncpg.Connection", meter_ids: Sequence[UUID], first: int, end: int, *, monthly: bool
) -> list[Use]:
    starts = [day_of(quarter) for quarter in range(first, end, QUARTERS_A_DAY)]
    if monthly:
        starts = [day for day in starts if day.day == 1]
    unit = "month" if monthly else "day"
    rows = await driver.fetch(
        f"SELECT meter_id, date_trunc('{unit}', day::timestamp)::date AS starts, sum(amount)::bigint AS amount,"
        " sum(measured) AS measured, sum(estimated) AS estimated FROM meter_days"
        " WHERE meter_id = ANY($1) AND day >= $2 AND day < $3 GROUP BY 1, 2",
        list(meter_ids),
        day_of(first),
        day_of(end),
    )
    known = {(row["meter_id"], row["starts"]): row for row in rows}
    ends = [*starts[1:], day_of(end)]
    steps = [
        (start, begins_at(first_of(start)), (following - start).days * QUARTERS_A_DAY)
        for start, following in zip(starts, ends, strict=True)
    ]
    found = []
    for meter_id in meter_ids:
        for start, moment, length in steps:
            row = known.get((meter_id, start))
            if row is None:
                found.append(Use(meter_id, moment, 0, 0, 0, length))
            else:
                measured, estimated = row["measured"], row["estimated"]
                missing = length - measured - estimated
                found.append(Use(meter_id, moment, row["amount"], measured, estimated, missing))
    return found


async def _within_days(
    driver: "asyncpg.Connection", meter_ids: Sequence[UUID], first: int, end: int, length: int
) -> list[Use]:
    rows = await driver.fetch(
        "SELECT meter_id, day, amounts, states FROM meter_days"
        " WHERE meter_id = ANY($1) AND day BETWEEN $2 AND $3",
        list(meter_ids),
        day_of(first),
        day_of(end - 1),
    )
    days = {(row["meter_id"], row["day"]): row for row in rows}
    moments = [begins_at(quarter) for quarter in range(first, end, length)]
    found = []
    for meter_id in meter_ids:
        for quarter, moment in zip(range(first, end, length), moments, strict=True):
            row = days.get((meter_id, day_of(quarter)))
            if row is None:
                found.append(Use(meter_id, moment, 0, 0, 0, length))
                continue
            place = quarter % QUARTERS_A_DAY
            amounts = row["amounts"][place : place + length]
            states = row["states"]
            known = plain_states(amounts) if states is None else states[place : place + length]
            measured, estimated = known.count(State.MEASURED), known.count(State.ESTIMATED)
            amount = sum(each for each in amounts if each is not None)
            missing = length - measured - estimated
            found.append(Use(meter_id, moment, amount, measured, estimated, missing))
    return found


class Reading(NamedTuple):
    """A reading that counts: an amount, or a register."""

    quarter: int
    value: int
    mark: int


async def readings(
    driver: "asyncpg.Connection", meter_id: UUID, first: int, end: int, limit: int
) -> list[Reading]:
    """The first readings of a meter that close quarter-hours of `[first, end)`, by time."""
    rows = await driver.fetch(
        "SELECT d.meter_id, d.day, d.marks, d.states, d.amounts, d.registers FROM meter_days d"
        " WHERE d.meter_id = $1 AND d.day BETWEEN $2 AND $3 ORDER BY d.day LIMIT $4",
        meter_id,
        day_of(first),
        day_of(end - 1),
        limit + 1,
    )
    found: list[Reading] = []
    for row in rows:
        day = stored_day(row)
        for place, value in enumerate(day.received):
            quarter = day.number * QUARTERS_A_DAY + place
            if value is not None and first <= quarter < end:
                found.append(Reading(quarter, value, day.marks[place]))
        if len(found) >= limit:
            break
    return found[:limit]


async def revisions(
    driver: "asyncpg.Connection", meter_id: UUID, first: int, end: int
) -> "dict[int, list[asyncpg.Record]]":
    """By quarter-hour, what does not count: (mark, value, replaced by, replaced at), the latest mark first."""
    rows = await driver.fetch(
        "SELECT day, place, mark, value, replaced_by, replaced_at FROM reading_revisions"
        " WHERE meter_id = $1 AND day BETWEEN $2 AND $3 ORDER BY day, place, mark DESC",
        meter_id,
        day_of(first),
        day_of(end - 1),
    )
    found: dict[int, list[asyncpg.Record]] = {}
    for row in rows:
        found.setdefault(first_of(row["day"]) + row["place"], []).append(row)
    return found


class Gap(NamedTuple):
    """Quarter-hours `[first, end)` of which no use is known by itself; `amount` is what a register counted then."""

    first: int
    end: int
    amount: int | None


async def gaps(driver: "asyncpg.Connection", meter_id: UUID, first: int, end: int, limit: int) -> list[Gap]:
    """The first gaps of a meter that begin in `[first, end)`, by time; one that is longer ends at the bound."""
    rows = await driver.fetch(
        "SELECT d.meter_id, d.day, d.marks, d.states, d.amounts, d.registers FROM meter_days d"
        " WHERE d.meter_id = $1 AND d.day BETWEEN $2 AND $3",
        meter_id,
        day_of(first),
        day_of(end - 1),
    )
    days = {row["day"]: stored_day(row) for row in rows}
    found: list[Gap] = []
    began: int | None = None
    quarter = first
    while quarter < end and len(found) < limit:
        day = days.get(day_of(quarter))
        place = quarter % QUARTERS_A_DAY
        state = State.MISSING if day is None else day.states[place]
        if state in {State.MEASURED, State.ESTIMATED}:
            if began is not None:
                found.append(Gap(began, quarter, None))
                began = None
        else:
            began = quarter if began is None else began
            if day is not None and state == State.CLOSES_GAP:
                found.append(Gap(began, quarter + 1, day.amounts[place]))
                began = None
        quarter += 1
    if began is not None and len(found) < limit:
        found.append(Gap(began, end, None))
    return found
