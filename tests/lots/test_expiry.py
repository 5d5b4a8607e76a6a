"""Lots and their end: earliest first, told in advance, the same books whoever expires them and whenever."""

import asyncio
import datetime
import uuid
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from crediting.desk import connected
from lots.purse import Purse, Spent, programme, purse

from app.api.account import account_view
from app.database import Database, engine_for
from app.jobs.expiry import expire_points
from app.jobs.runner import Recurring, Runner
from app.jobs.service import make_partitions
from app.wiring import Services
from dedup.periods import LOCAL
from points.expiry import cause_of, expire_some
from points.redemption_states import Act

START = datetime.datetime(2026, 11, 16, 12, tzinfo=LOCAL)
YEARS = {"expiry_years": 0}


async def months(service: Services, *days: datetime.date) -> None:
    for day in days:
        async with service.database.transaction() as session:
            await make_partitions(session, datetime.datetime(day.year, day.month, 1, tzinfo=datetime.UTC))


MOMENTS = [
    # text, booked at, the last moment that they can be spent in, the moment that they are gone at
    ({"expiry_months": 1}, (2026, 11, 30, 23, 59), (2026, 12, 31, 23, 59), (2027, 1, 1, 0, 0)),
    ({"expiry_months": 1}, (2026, 12, 1, 0, 0), (2027, 1, 31, 23, 59), (2027, 2, 1, 0, 0)),
    ({"expiry_months": 1}, (2028, 1, 31, 12, 0), (2028, 2, 29, 23, 59), (2028, 3, 1, 0, 0)),
    ({"expiry_months": 12}, (2028, 2, 29, 12, 0), (2029, 2, 28, 23, 59), (2029, 3, 1, 0, 0)),
    ({"expiry_years": 0}, (2026, 12, 31, 23, 59), (2026, 12, 31, 23, 59), (2027, 1, 1, 0, 0)),
    ({"expiry_years": 0}, (2027, 1, 1, 0, 0), (2027, 12, 31, 23, 59), (2028, 1, 1, 0, 0)),
    ({"expiry_years": 1}, (2028, 2, 29, 0, 0), (2029, 12, 31, 23, 59), (2030, 1, 1, 0, 0)),
]


@pytest.mark.parametrize(("text", "booked", "last", "gone"), MOMENTS)
async def test_the_clock_over_month_ends_a_leap_day_and_year_ends(
    service: Services,
    text: dict[str, Any],
    booked: tuple[int, ...],
    last: tuple[int, ...],
    gone: tuple[int, ...],
) -> None:
    await months(service, datetime.date(*booked[:3]), datetime.date(*last[:3]), datetime.date(*gone[:3]))
    async with purse(service, START, programme(**text)) as own:
        phone, holder = await own.person()
        own.local(*booked)
        await own.earn(phone, 100)
        own.local(*last)
        await own.expire()
        assert (await own.books(holder))["lots"] == {datetime.date(*gone[:3]).isoformat(): 100}
        assert await own.spend(holder, 30) is not None
        own.local(*gone)
        # Nothing has run yet, and still they are gone.
        assert await own.spend(holder, 1) is None
        await own.expire()
        books = await own.books(holder)
        assert (books["points"], books["lots"]) == (0, {})
        assert books["moved"]["EXPIRY HOLDER_POINTS>BREAKAGE"] == 70
        assert await own.breaches() == []


async def test_no_text_lets_points_last_longer_than_ten_years() -> None:
    for over in ({"expiry_months": 119}, {"expiry_years": 9}):
        for booked in (datetime.date(2026, 1, 1), datetime.date(2028, 2, 29), datetime.date(2027, 12, 31)):
            ends = programme(**over).expires_on(booked)
            assert ends <= (booked + datetime.timedelta(days=1)).replace(
                year=(booked + datetime.timedelta(days=1)).year + 10
            )
    for wrong in ({"expiry_months": 120}, {"expiry_years": 10}, {"expiry_months": None}):
        with pytest.raises(ValueError, match=r"119|9|expiry"):
            programme(**wrong)


async def test_earliest_first_and_told_in_advance(service: Services) -> None:
    async with purse(service, START, programme()) as own:
        phone, holder = await own.person()
        await own.earn(phone, 100)
        own.local(2026, 12, 10, 12, 0)
        await own.earn(phone, 50)
        async with service.database.reading() as session:
            told = (await account_view(session, holder)).points_expiring
        assert [(each.expires_on, each.points) for each in told] == [("2027-01-01", 100), ("2027-02-01", 50)]
        parts = await own.spend(holder, 120)
        assert parts is not None
        assert [(part.expires_on.isoformat(), part.points) for part in parts.parts] == [
            ("2027-01-01", 100),
            ("2027-02-01", 20),
        ]
        assert (await own.books(holder))["lots"] == {"2027-02-01": 30}


async def crowd(own: Purse, count: int) -> list[UUID]:
    """People with 10 to `count` points each, some of them spent."""
    people = await own.desk.people(count, own.source)
    await asyncio.gather(*(own.earn(phone, 10 + number) for number, (phone, _) in enumerate(people)))
    for _, holder in people[::3]:
        await own.spend(holder, 4)
    return [holder for _, holder in people]


async def expired(owner: asyncpg.Connection, holders: list[UUID]) -> list[tuple[Any, ...]]:
    """The entries of the expiry, but for their ids and the moment of booking."""
    rows = await owner.fetch(
        "SELECT holder_id, cause_id, asset_id, debit, credit, amount FROM entries"
        " WHERE kind = 7 AND holder_id = ANY($1) ORDER BY 1",
        holders,
    )
    return [tuple(row) for row in rows]


def wanted(holders: list[UUID]) -> list[tuple[UUID, UUID, int]]:
    day = cause_of(datetime.date(2027, 1, 1))
    found = [
        (holder, day, 10 + number - (4 if number % 3 == 0 else 0)) for number, holder in enumerate(holders)
    ]
    return sorted(found)


@pytest.mark.parametrize("downtime", [datetime.timedelta(0), datetime.timedelta(days=7)])
async def test_run_twice_or_a_week_late_books_the_same(
    service: Services, owner: asyncpg.Connection, downtime: datetime.timedelta
) -> None:
    async with purse(service, START, programme()) as own:
        holders = await crowd(own, 40)
        own.local(2027, 1, 1, 0, 0)
        own.now += downtime
        assert await own.expire(limit=7) == 6
        assert await own.expire() == 0
        booked = await expired(owner, holders)
        assert [(row[0], row[1], row[5]) for row in booked] == wanted(holders)
        assert await own.breaches() == []


async def test_on_many_machines_at_once_books_the_same(
    service: Services, owner: asyncpg.Connection, database_urls: tuple[str, str]
) -> None:
    async with purse(service, START, programme()) as own:
        holders = await crowd(own, 60)
        own.local(2027, 1, 1, 0, 0)
        machines = [Database(engine_for(database_urls[0], pool_size=1)) for _ in range(4)]
        await asyncio.gather(*(connected(machine) for machine in machines))

        async def sweep(machine: Database) -> None:
            for _ in range(30):
                async with machine.driver_transaction() as driver:
                    if not await expire_some(driver, own.now, 5):
                        return

        await asyncio.gather(*(sweep(machine) for machine in machines))
        for machine in machines:
            await machine.close()
        booked = await expired(owner, holders)
        assert [(row[0], row[1], row[5]) for row in booked] == wanted(holders)
        assert await own.breaches() == []


async def test_while_they_are_spent_none_is_counted_twice(service: Services) -> None:
    """Spenders who still look at the day before, and the expiry, take the same points once."""
    async with purse(service, START, programme()) as own:
        phone, holder = await own.person()
        await own.earn(phone, 100)
        own.local(2026, 12, 31, 23, 59)

        async def sweep() -> None:
            async with service.database.driver_transaction() as driver:
                await expire_some(driver, datetime.datetime(2027, 1, 1, tzinfo=LOCAL), 10)

        got = await asyncio.gather(*(own.spend(holder, 10) for _ in range(8)), sweep())
        spent = 10 * sum(parts is not None for parts in got[:8])
        books = await own.books(holder)
        assert books["points"] == 0 or spent == 80
        own.local(2027, 1, 1, 0, 0)
        await own.expire()
        books = await own.books(holder)
        assert books["moved"].get("EXPIRY HOLDER_POINTS>BREAKAGE", 0) == 100 - spent
        assert await own.breaches() == []


@pytest.mark.parametrize("held", [True, False])
async def test_what_comes_back_to_a_lot_that_is_over(service: Services, held: bool) -> None:
    """A hold gives back as it took, and it expires again; what was spent is restored for a while first."""
    async with purse(service, START, programme(refund_restored_days=10)) as own:
        phone, holder = await own.person()
        await own.earn(phone, 100)
        parts = await own.order(holder, 60, confirm=not held)
        assert parts is not None
        own.local(2027, 1, 1, 0, 0)
        await own.expire()
        assert await own.turn(parts, Act.CANCEL if held else Act.REFUND) in ("timed_out", "refunded")
        assert (await own.spend(holder, 1) is None) == held
        assert await own.expire() == int(held)
        own.local(2027, 1, 11, 0, 0)
        assert await own.expire() == int(not held)
        books = await own.books(holder)
        assert (books["points"], books["moved"]["EXPIRY HOLDER_POINTS>BREAKAGE"]) == (0, 100 - int(not held))
        assert await own.breaches() == []


async def test_what_is_over_goes_to_breakage_where_nothing_is_restored(service: Services) -> None:
    async with purse(service, START, programme(refund_restored_days=0)) as own:
        phone, holder = await own.person()
        await own.earn(phone, 100)
        own.local(2026, 12, 10, 12, 0)
        await own.earn(phone, 50)
        parts = await own.spend(holder, 120)
        assert parts is not None
        own.local(2027, 1, 1, 0, 0)
        await own.refund(parts)
        books = await own.books(holder)
        assert (books["points"], books["lots"]) == (50, {"2027-02-01": 50})
        assert books["moved"]["REFUND MERCHANT>BREAKAGE"] == 100
        assert await own.breaches() == []


async def test_a_refund_restores_to_a_day_on_which_another_part_lies(service: Services) -> None:
    """Both parts of it come to one lot, which is there already or is not."""
    async with purse(service, START, programme(refund_restored_days=30)) as own:
        phone, holder = await own.person()
        await own.earn(phone, 100)
        own.local(2026, 12, 10, 12, 0)
        await own.earn(phone, 50)
        parts = await own.spend(holder, 120)
        assert parts is not None
        own.local(2027, 1, 2, 12, 0)
        await own.refund(parts)
        books = await own.books(holder)
        assert (books["points"], books["lots"]) == (150, {"2027-02-01": 150})
        again = await own.spend(holder, 150)
        assert again is not None
        await own.refund(again)
        assert (await own.books(holder))["lots"] == {"2027-02-01": 150}
        assert await own.breaches() == []


async def test_what_is_restored_and_ordered_in_one_group(service: Services) -> None:
    """The order takes from a lot that the same statement makes; cancelled, the points go back to it."""
    async with purse(service, START, programme(refund_restored_days=10)) as own:
        phone, holder = await own.person()
        await own.earn(phone, 100)
        spent = await own.spend(holder, 100)
        assert spent is not None
        own.local(2027, 1, 2, 12, 0)
        assert await own.spend(holder, 1) is None  # opens today's stall
        refunded, ordered = await own.together(spent, points=100)
        assert (refunded, ordered.state) == ("refunded", "held")
        assert (await own.books(holder))["lots"] == {}
        assert await own.turn(Spent(ordered.id, holder, ()), Act.CANCEL) == "cancelled"
        assert (await own.books(holder))["lots"] == {"2027-01-12": 100}
        assert await own.breaches() == []


async def test_one_runner_among_many_processes(
    service: Services, owner: asyncpg.Connection, database_urls: tuple[str, str]
) -> None:
    async with purse(service, START, programme()) as own:
        holders = await crowd(own, 20)
        own.local(2027, 1, 1, 0, 0)
        runs = []

        async def work(_session: Any, now: datetime.datetime) -> None:
            runs.append(now)
            await expire_points(service.database, now)

        name = "expire " + uuid.uuid4().hex
        machines = [
            Runner(service.database, lambda: own.now, [Recurring(name, datetime.timedelta(minutes=10), work)])
            for _ in range(5)
        ]
        for machine in machines:
            await machine.start()
            machine.stop()
        await asyncio.gather(*(machine.run_due() for machine in machines))
        assert len(runs) == 1
        assert [(row[0], row[1], row[5]) for row in await expired(owner, holders)] == wanted(holders)


async def test_what_is_due_is_found_by_its_index(service: Services, owner: asyncpg.Connection) -> None:
    """Lots that are over and swept cost nothing, and credits change nothing that the index knows of."""
    await owner.execute(
        """
        INSERT INTO lots SELECT gen_random_uuid(), 999, date '2020-01-01' + (n % 1000), 1, 0, now(), n % 100 > 0
        FROM generate_series(1, 20000) AS n
        """
    )
    await owner.execute("ANALYZE lots")
    try:
        plan = "\n".join(
            row[0]
            for row in await owner.fetch(
                "EXPLAIN SELECT holder_id FROM lots WHERE NOT swept AND expires_on <= '2027-01-01'"
                " ORDER BY expires_on LIMIT 500"
            )
        )
        assert "lots_due" in plan, plan
        before = await owner.fetchval("SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'lots'")
        await owner.execute("UPDATE lots SET remaining = 1 WHERE asset_id = 999 AND NOT swept")
        await owner.execute("SELECT pg_stat_force_next_flush()")
        after = await owner.fetchval("SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'lots'")
        assert after - before == 200
    finally:
        await owner.execute("DELETE FROM lots WHERE asset_id = 999")
