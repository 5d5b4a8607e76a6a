"""Takes readings in: late, repeated, corrected, in any order. What follows from them is written in the same commit."""

import datetime
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from accounts.metering import repository
from accounts.metering.days import Day, settle
from accounts.metering.errors import ExchangeExists
from accounts.metering.marks import PLAIN, Outcome
from accounts.metering.quarters import QUARTERS_A_DAY, day_of, place_of
from accounts.metering.registers import Exchange
from accounts.metering.repository import Key, date_of

if TYPE_CHECKING:
    import asyncpg


class KnownMeter(NamedTuple):
    """What readings are checked against. `last` is None while the meter is there; quarter-hours, both included."""

    id: UUID
    number: str
    field: str
    cumulative: bool
    wraps_at: int | None
    first: int
    last: int | None


class Reading(NamedTuple):
    """A reading of a meter of the caller's: the amount of a quarter-hour, or the register at its end."""

    meter: KnownMeter
    quarter: int
    value: int
    mark: int
    by: str


async def record(
    driver: "asyncpg.Connection", batch: Sequence[Reading], now: datetime.datetime
) -> list[Outcome]:
    """Take a batch in, as if its readings had come one after the other; one outcome for each.

    What is new, measured and of an interval meter is entered by one statement. All else is decided on locked rows.
    """
    outcomes: list[Outcome] = [Outcome.STORED] * len(batch)
    keys: list[Key] = [(reading.meter.id, day_of(reading.quarter)) for reading in batch]
    counted = Counter(keys)
    plain = [
        (*keys[number], place_of(reading.quarter), reading.value, number)
        for number, reading in enumerate(batch)
        if reading.mark == PLAIN and not reading.meter.cumulative and counted[keys[number]] == 1
    ]
    rest = set(range(len(batch)))
    if plain:
        plain.sort()
        rest.difference_update(await repository.enter(driver, plain))
    numbers = sorted(rest)
    if interval := [number for number in numbers if not batch[number].meter.cumulative]:
        await _intervals(driver, batch, interval, keys, outcomes, now)
    if registers := [number for number in numbers if batch[number].meter.cumulative]:
        await _registers(driver, batch, registers, keys, outcomes, now)
    return outcomes


async def exchange(
    driver: "asyncpg.Connection",
    meter: KnownMeter,
    exchanged: Exchange,
    at: datetime.datetime,
    by: str,
    now: datetime.datetime,
) -> bool:
    """Enter that another meter took over, and find anew what was used around that time; whether it was new.

    Raises `ExchangeExists` where another exchange of that time is known.
    """
    last_days = await repository.lock_registers(driver, [meter.id])
    row = (exchanged.last, exchanged.first, exchanged.wraps_at, by, now)
    new = await repository.add_exchange(driver, meter.id, at, row)
    exchanges = (await repository.exchanges_of(driver, [meter.id]))[meter.id]
    if not new:
        if exchanged not in exchanges:
            raise ExchangeExists
        return False
    key = (meter.id, day_of(exchanged.quarter))
    days = await _with_neighbours(driver, {meter.id: [exchanged.quarter]}, {key}, last_days)
    chain = days[meter.id]
    settle(chain, [exchanged.quarter], exchanges, meter.wraps_at)
    if changed := [day for day in chain if day.changed]:
        await repository.write_days(driver, changed)
    return True


async def _intervals(
    driver: "asyncpg.Connection",
    batch: Sequence[Reading],
    numbers: Sequence[int],
    keys: Sequence[Key],
    outcomes: list[Outcome],
    now: datetime.datetime,
) -> None:
    days = await repository.lock_days(driver, sorted({keys[number] for number in numbers}))
    await _receive(driver, batch, numbers, keys, days, outcomes, now)
    if changed := [day for day in days.values() if day.changed]:
        await repository.write_days(driver, changed)


async def _registers(
    driver: "asyncpg.Connection",
    batch: Sequence[Reading],
    numbers: Sequence[int],
    keys: Sequence[Key],
    outcomes: list[Outcome],
    now: datetime.datetime,
) -> None:
    meters = {batch[number].meter.id: batch[number].meter for number in numbers}
    touched: dict[UUID, list[int]] = defaultdict(list)
    for number in numbers:
        touched[batch[number].meter.id].append(batch[number].quarter)
    last_days = await repository.lock_registers(driver, sorted(meters))
    chains = await _with_neighbours(driver, touched, {keys[number] for number in numbers}, last_days)
    days = {(day.meter_id, date_of(day.number)): day for chain in chains.values() for day in chain}
    await _receive(driver, batch, numbers, keys, days, outcomes, now)
    exchanges = await repository.exchanges_of(driver, meters)
    for meter_id, meter in meters.items():
        settle(chains[meter_id], touched[meter_id], exchanges.get(meter_id, ()), meter.wraps_at)
    if changed := [day for day in days.values() if day.changed]:
        await repository.write_days(driver, changed)
    later = [
        (meter_id, day)
        for meter_id, day in ((meter_id, day_of(max(quarters))) for meter_id, quarters in touched.items())
        if day > last_days[meter_id]
    ]
    if later:
        await repository.read_until(driver, later)


async def _with_neighbours(
    driver: "asyncpg.Connection",
    touched: dict[UUID, list[int]],
    keys: set[Key],
    last_days: dict[UUID, datetime.date],
) -> dict[UUID, list[Day]]:
    """The days of locked meters that changes at these quarter-hours may concern, in order."""
    bounds = [
        (meter_id, day_of(min(quarters)), day_of(max(quarters))) for meter_id, quarters in touched.items()
    ]
    days = await repository.lock_days(driver, sorted(keys))
    for day in days.values():
        day.cumulative = True
    if any(first != last for _, first, last in bounds):
        days = {**await repository.between(driver, [each for each in bounds if each[1] != each[2]]), **days}
    before = [
        (meter_id, first)
        for meter_id, first, _ in bounds
        if not any(
            register is not None
            for register in days[meter_id, first].registers[: place_of(min(touched[meter_id]))]
        )
    ]
    after = [
        (meter_id, last)
        for meter_id, _, last in bounds
        if last < last_days[meter_id]
        and not any(
            register is not None
            for register in days[meter_id, last].registers[place_of(max(touched[meter_id])) + 1 :]
        )
    ]
    days.update(await repository.neighbours(driver, before, after))
    chains: dict[UUID, list[Day]] = defaultdict(list)
    for key in sorted(days):
        chains[key[0]].append(days[key])
    return chains


async def _receive(
    driver: "asyncpg.Connection",
    batch: Sequence[Reading],
    numbers: Sequence[int],
    keys: Sequence[Key],
    days: dict[Key, Day],
    outcomes: list[Outcome],
    now: datetime.datetime,
) -> None:
    revisions: dict[str, list[tuple[UUID, datetime.date, int, int, int]]] = defaultdict(list)
    for number in numbers:
        reading = batch[number]
        day, place = days[keys[number]], reading.quarter % QUARTERS_A_DAY
        value, mark = day.received[place], day.marks[place]
        outcome = outcomes[number] = day.receive(place, reading.value, reading.mark)
        if outcome is Outcome.CORRECTED and value is not None:
            revisions[reading.by].append((*keys[number], place, mark, value))
        elif outcome is Outcome.SUPERSEDED:
            revisions[reading.by].append((*keys[number], place, reading.mark, reading.value))
    for by, rows in revisions.items():
        await repository.add_revisions(driver, rows, by, now)
