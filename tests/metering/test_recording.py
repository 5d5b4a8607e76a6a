"""Readings in the database: whatever their order and however they are cut into batches, what follows is the same."""

import asyncio
import datetime as dt
import random
import uuid
from collections.abc import Sequence

import asyncpg
import pytest
from metering.metering_oracle import Sent, counting, of_intervals, of_registers

from accounts.metering import queries, service
from accounts.metering.days import State
from accounts.metering.errors import ExchangeExists
from accounts.metering.marks import Outcome, mark_of
from accounts.metering.quarters import QUARTERS_A_DAY, begins_at, ends_at, first_of
from accounts.metering.queries import Step, Use
from accounts.metering.registers import Exchange
from accounts.metering.service import KnownMeter, Reading
from app.groups import transact
from app.wiring import Services

NOW = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
# The end of a month: days of two partitions.
FIRST = first_of(dt.date(2026, 2, 27))
DAYS = 4


def meter(*, cumulative: bool, wraps_at: int | None = None) -> KnownMeter:
    return KnownMeter(uuid.uuid4(), "E-1", "energy_wh", cumulative, wraps_at, 0, None)


def reading(of: KnownMeter, sent: Sent) -> Reading:
    return Reading(of, sent.quarter, sent.value, mark_of(sent.revision, estimated=sent.estimated), "cli_x")


async def record(services: Services, batch: Sequence[Reading]) -> list[Outcome]:
    return await transact(services.database.chain(), lambda driver: service.record(driver, batch, NOW))


async def known(services: Services, of: KnownMeter) -> dict[int, tuple[int, int]]:
    """As the rows of days say it."""
    found = {}
    async with services.database.snapshot() as driver:
        rows = await driver.fetch(
            "SELECT d.meter_id, d.day, d.marks, d.states, d.amounts, d.registers, amount, measured, estimated"
            " FROM meter_days d WHERE meter_id = $1",
            of.id,
        )
    for row in rows:
        day = queries.stored_day(row)
        assert day.totals == (row["amount"], row["measured"], row["estimated"])
        for place, amount in enumerate(day.amounts):
            if amount is not None:
                found[day.number * QUARTERS_A_DAY + place] = (amount, day.states[place])
    return found


def a_history(chance: random.Random, *, cumulative: bool, wraps_at: int | None) -> list[Sent]:
    """Readings with gaps, estimates and corrections."""
    sent = []
    register = 0
    for quarter in range(FIRST, FIRST + DAYS * QUARTERS_A_DAY):
        amount = chance.randrange(50)
        register += amount
        value = register % wraps_at if wraps_at else register
        if chance.random() < 0.2:
            continue
        true = value if cumulative else amount
        if chance.random() < 0.1:
            sent.append(Sent(quarter, true + 1, estimated=True))
            if chance.random() < 0.5:
                continue
        if chance.random() < 0.1:
            sent.append(Sent(quarter, max(true - 1, 0)))
            sent.append(Sent(quarter, true, revision=2))
        else:
            sent.append(Sent(quarter, true))
    return sent


def pieces(items: Sequence[Reading], chance: random.Random) -> list[list[Reading]]:
    cut = []
    rest = list(items)
    while rest:
        size = chance.choice((1, 3, 40, 300))
        cut.append(rest[:size])
        rest = rest[size:]
    return cut


@pytest.mark.parametrize("seed", range(4))
async def test_any_order_and_any_batches_come_to_the_same(service: Services, seed: int) -> None:
    chance = random.Random(seed)
    intervals, registers = meter(cumulative=False), meter(cumulative=True)
    histories = {
        each: a_history(chance, cumulative=each.cumulative, wraps_at=each.wraps_at)
        for each in (intervals, registers)
    }
    batch = [reading(of, sent) for of, history in histories.items() for sent in history]
    batch += chance.sample(batch, len(batch) // 3)
    chance.shuffle(batch)
    for piece in pieces(batch, chance):
        assert Outcome.REFUSED not in await record(service, piece)
    assert await known(service, intervals) == of_intervals(histories[intervals])
    assert await known(service, registers) == of_registers_that_fell(histories[registers])
    # All of it again: nothing new, nothing else.
    before = await known(service, registers)
    assert set(await record(service, [reading(intervals, each) for each in histories[intervals]])) <= {
        Outcome.KNOWN,
        Outcome.SUPERSEDED,
    }
    await record(service, [reading(registers, each) for each in histories[registers]])
    assert await known(service, registers) == before
    await sums_agree(service, intervals)
    await sums_agree(service, registers)


def of_registers_that_fell(sent: list[Sent]) -> dict[int, tuple[int, int]]:
    """An estimate one too high may stand before a register that did not move: that counts nothing."""
    return {quarter: use for quarter, use in of_registers(sent).items() if use[0] < 10**17}


async def sums_agree(services: Services, of: KnownMeter) -> None:
    since, until = begins_at(first_of(dt.date(2026, 2, 1))), begins_at(first_of(dt.date(2026, 4, 1)))
    async with services.database.snapshot() as driver:
        by_step = {step: await queries.uses(driver, [of.id], step, since, until) for step in Step}
    sums = {
        (
            sum(use.amount for use in uses),
            sum(use.measured for use in uses),
            sum(use.estimated for use in uses),
            sum(use.missing for use in uses),
        )
        for uses in by_step.values()
    }
    assert len(sums) == 1
    assert len(by_step[Step.QUARTER]) == (28 + 31) * 96
    assert len(by_step[Step.MONTH]) == 2


async def test_a_register_begins_anew(service: Services) -> None:
    of = meter(cumulative=True, wraps_at=500)
    chance = random.Random(5)
    history = [
        each
        for each in a_history(chance, cumulative=True, wraps_at=500)
        if not each.estimated and each.revision == 1
    ]
    chance.shuffle(history)
    for piece in pieces([reading(of, each) for each in history], chance):
        await record(service, piece)
    expected = {quarter: use for quarter, use in of_registers(history, 500).items() if use[0] < 250}
    assert {quarter: use for quarter, use in (await known(service, of)).items() if use[0] < 250} == expected


async def test_an_exchange_between_readings_is_the_same_before_and_after_them(service: Services) -> None:
    exchanged = Exchange(FIRST + 200, 2_000, 30, None)
    at = ends_at(exchanged.quarter)
    sent = [
        Sent(quarter, quarter - FIRST + (1_800 if quarter <= exchanged.quarter else -170))
        for quarter in range(FIRST, FIRST + 300)
        if quarter % 7
    ]
    uses = []
    for order in (0, 1):
        of = meter(cumulative=True)

        async def exchange(driver: asyncpg.Connection, of: KnownMeter = of) -> bool:
            return await service_exchange(driver, of, exchanged, at)

        batch = [reading(of, each) for each in sent]
        if order:
            assert await transact(service.database.chain(), exchange)
        await record(service, batch)
        if not order:
            assert await transact(service.database.chain(), exchange)
        assert not await transact(service.database.chain(), exchange)
        uses.append(await known(service, of))
        with pytest.raises(ExchangeExists):
            await transact(
                service.database.chain(),
                lambda driver, of=of: service_exchange(driver, of, Exchange(FIRST + 200, 1, 30, None), at),
            )
    assert uses[0] == uses[1] == of_registers(sent, exchanges=[exchanged])
    assert sum(amount for amount, _ in uses[0].values()) == (2_000 - sent[0].value) + (sent[-1].value - 30)


async def service_exchange(
    driver: asyncpg.Connection, of: KnownMeter, exchanged: Exchange, at: dt.datetime
) -> bool:
    return await service.exchange(driver, of, exchanged, at, "cli_x", NOW)


async def test_what_was_replaced_is_kept(service: Services) -> None:
    of = meter(cumulative=False)
    sent = [Sent(FIRST, 5, estimated=True), Sent(FIRST, 6), Sent(FIRST, 8, 3), Sent(FIRST, 7, 2)]
    outcomes = [(await record(service, [reading(of, each)]))[0] for each in sent]
    assert outcomes == [Outcome.STORED, Outcome.CORRECTED, Outcome.CORRECTED, Outcome.SUPERSEDED]
    async with service.database.snapshot() as driver:
        rows = (await queries.revisions(driver, of.id, FIRST, FIRST + 1))[FIRST]
        assert [(row["mark"], row["value"]) for row in rows] == [(66, 7), (65, 6), (1, 5)]
        assert {(row["replaced_by"], row["replaced_at"]) for row in rows} == {("cli_x", NOW)}
        assert await queries.readings(driver, of.id, FIRST, FIRST + 9, 9) == [(FIRST, 8, 67)]


async def test_gaps_are_shown(service: Services) -> None:
    of = meter(cumulative=True)
    await record(
        service, [reading(of, Sent(FIRST + place, place * 10)) for place in (0, 1, 2, 96 + 5, 96 + 6, 96 + 9)]
    )
    async with service.database.snapshot() as driver:
        found = await queries.gaps(driver, of.id, FIRST + 1, FIRST + 110, 10)
        first_day = await queries.uses(driver, [of.id], Step.DAY, begins_at(FIRST), begins_at(FIRST + 96))
    assert found == [
        (FIRST + 3, FIRST + 96 + 6, 990),
        (FIRST + 96 + 7, FIRST + 96 + 10, 30),
        (FIRST + 96 + 10, FIRST + 110, None),
    ]
    assert first_day == [Use(of.id, begins_at(FIRST), 20, 2, 0, 94)]


@pytest.mark.parametrize("cumulative", [False, True])
async def test_many_at_once_are_exact(service: Services, cumulative: bool) -> None:
    """Two readings of one meter for one interval at once, corrected while others of its days are written."""
    of = [meter(cumulative=cumulative) for _ in range(3)]
    chance = random.Random(7)
    histories = {each: a_history(chance, cumulative=cumulative, wraps_at=None) for each in of}
    batch = [reading(each, sent) for each, history in histories.items() for sent in history]
    piles = []
    for _ in range(6):
        order = batch.copy()
        chance.shuffle(order)
        piles.append(pieces(order, chance))

    async def send(pile: list[list[Reading]]) -> int:
        stored = 0
        for piece in pile:
            stored += sum(outcome is Outcome.STORED for outcome in await record(service, piece))
        return stored

    stored = await asyncio.gather(*(send(pile) for pile in piles))
    # Each quarter-hour was empty once.
    assert sum(stored) == sum(len(counting(history)) for history in histories.values())
    for each, history in histories.items():
        expected = of_registers_that_fell(history) if cumulative else of_intervals(history)
        assert await known(service, each) == expected
    assert (
        State.CLOSES_GAP in {state for _, state in (await known(service, of[0])).values()} or not cumulative
    )


async def test_two_corrections_at_once_keep_the_higher(service: Services) -> None:
    of = meter(cumulative=False)
    await record(service, [reading(of, Sent(FIRST, 1))])
    tries = [Sent(FIRST, 10 + revision, revision) for revision in range(2, 12)]
    await asyncio.gather(*(record(service, [reading(of, each)]) for each in tries))
    assert await known(service, of) == {FIRST: (21, State.MEASURED)}
    async with service.database.snapshot() as driver:
        kept = (await queries.revisions(driver, of.id, FIRST, FIRST + 1))[FIRST]
    assert sorted(row["value"] for row in kept) == [1, *range(12, 21)]
