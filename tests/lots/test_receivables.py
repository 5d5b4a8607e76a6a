"""A credit is reversed whose points are spent or over: taken from elsewhere, owed, or lost; nothing is left open."""

import asyncio
import datetime
from typing import Any

import asyncpg
import pytest
from crediting.county import county_preparer
from lots.purse import programme, purse

from accounts.queries import entry_view, page_of_entries
from app.crediting import queries
from app.crediting.collection import collect
from app.crediting.rules import Rules
from app.wiring import Services
from dedup.periods import LOCAL

START = datetime.datetime(2026, 11, 16, 12, tzinfo=LOCAL)
OWED = {"spent_reversal": {"other_lots": False, "shortfall": "receivable"}}
LOST = {"spent_reversal": {"other_lots": False, "shortfall": "loss"}}
OTHERS = {"spent_reversal": {"other_lots": True, "shortfall": "receivable"}}

CASES = [
    # policy, what is left of points, owed, and how the reversal is booked
    (OWED, 50, 40, {"REVERSAL HOLDER_POINTS>PROGRAMME": 60, "SHORTFALL HOLDER_OWED>PROGRAMME": 40}),
    (LOST, 50, 0, {"REVERSAL HOLDER_POINTS>PROGRAMME": 60, "SHORTFALL LOSS>PROGRAMME": 40}),
    (OTHERS, 10, 0, {"REVERSAL HOLDER_POINTS>PROGRAMME": 100}),
]


@pytest.mark.parametrize(("policy", "points", "owed", "booked"), CASES)
async def test_part_of_it_is_spent(
    service: Services, policy: dict[str, Any], points: int, owed: int, booked: dict[str, int]
) -> None:
    async with purse(service, START, programme(**policy)) as own:
        phone, holder = await own.person()
        first = await own.earn(phone, 100)
        assert await own.spend(holder, 40)
        own.local(2026, 12, 10, 12, 0)
        await own.earn(phone, 50)
        await own.reverse(first)
        books = await own.books(holder)
        assert (books["points"], books["owed"]) == (points, owed)
        assert {name: books["moved"].get(name) for name in booked} == booked
        assert await own.breaches() == []


@pytest.mark.parametrize("swept", [True, False])
@pytest.mark.parametrize(("policy", "owed"), [(OWED, 100), (LOST, 0), (OTHERS, 70)])
async def test_the_lot_is_over_meanwhile(
    service: Services, policy: dict[str, Any], owed: int, swept: bool
) -> None:
    """The same, whether the expiry ran before the reversal or comes after it."""
    async with purse(service, START, programme(**policy)) as own:
        phone, holder = await own.person()
        first = await own.earn(phone, 100)
        own.local(2026, 12, 10, 12, 0)
        await own.earn(phone, 30)
        own.local(2027, 1, 1, 0, 0)
        if swept:
            await own.expire()
        await own.reverse(first)
        await own.expire()
        books = await own.books(holder)
        assert books["owed"] == owed
        assert books["points"] == (0 if policy is OTHERS else 30)
        assert books["moved"]["EXPIRY HOLDER_POINTS>BREAKAGE"] == 100
        assert await own.breaches() == []


async def test_entries_tell_what_came_and_went(service: Services) -> None:
    """What is owed counts against what is there; a loss is nobody's entry but the programme's."""
    for policy, wanted in (
        (OWED, [("shortfall", -10), ("repayment", 10), ("credit", 5)]),
        (LOST, [("credit", 15)]),
    ):
        async with purse(service, START, programme(**policy)) as own:
            phone, holder = await own.person()
            first = await own.earn(phone, 10)
            assert await own.spend(holder, 10)
            async with service.database.reading() as session:
                before = {entry.id for entry, _ in await page_of_entries(session, holder, None, 50)}
            own.local(2026, 11, 16, 13, 0)
            await own.reverse(first)
            await own.earn(phone, 15)
            async with service.database.reading() as session:
                views = [
                    entry_view(entry, asset, {})
                    for entry, asset in await page_of_entries(session, holder, None, 50)
                    if entry.id not in before
                ]
            told = [(each.kind, each.points) for each in views if each.points is not None]
            assert sorted(told) == sorted(wanted)


async def test_what_is_owed_is_repaid_first(service: Services) -> None:
    async with purse(service, START, programme(**OWED)) as own:
        phone, holder = await own.person()
        first = await own.earn(phone, 100)
        assert await own.spend(holder, 100)
        await own.reverse(first)
        assert (await own.books(holder))["owed"] == 100
        # Two of one group: the first repays all of itself, the second what is left.
        await asyncio.gather(own.earn(phone, 70), own.earn(phone, 70))
        books = await own.books(holder)
        assert (books["points"], books["owed"]) == (40, 0)
        assert books["moved"]["REPAYMENT PROGRAMME>HOLDER_OWED"] == 100
        assert books["lots"] == {"2027-01-01": 40}
        await own.earn(phone, 5)
        assert (await own.books(holder))["points"] == 45
        assert await own.breaches() == []


async def test_a_credit_that_repaid_is_reversed_too(service: Services) -> None:
    """What it repaid is owed again, however often it goes round."""
    async with purse(service, START, programme(**OWED)) as own:
        phone, holder = await own.person()
        first = await own.earn(phone, 100)
        assert await own.spend(holder, 100)
        await own.reverse(first)
        whole = await own.earn(phone, 60)  # repays and leaves nothing
        part = await own.earn(phone, 60)  # repays 40 and leaves 20
        assert (await own.books(holder))["points"] == 20
        await own.reverse(part)
        books = await own.books(holder)
        assert (books["points"], books["owed"]) == (0, 40)
        await own.reverse(whole)
        books = await own.books(holder)
        assert (books["points"], books["owed"]) == (0, 100)
        own.local(2026, 11, 17, 12, 0)
        await own.earn(phone, 300)
        books = await own.books(holder)
        assert (books["points"], books["owed"]) == (200, 0)
        assert await own.breaches() == []


async def test_points_that_are_owed_of_one_programme_are_not_paid_with_another(service: Services) -> None:
    city = programme(region="420100", name={"zh": "武汉", "en": "Wuhan"})
    async with purse(service, START, programme(**OWED), city) as own:
        phone, holder = await own.person()
        first = await own.earn(phone, 100)
        assert await own.spend(holder, 100)
        await own.reverse(first)
        bag = {"scene": "green.own_bag", "region": "420100", "mass_g": None, "count": 1}
        result = await own.report(phone, 0, **bag)
        assert (result.outcome, result.points) == ("credited", 5)
        books = await own.books(holder)
        assert (books["points"], books["owed"]) == (5, 100)
        await own.earn(phone, 30)
        books = await own.books(holder)
        assert (books["points"], books["owed"]) == (5, 70)
        assert await own.breaches() == []


async def test_a_credit_that_is_collected_repays(service: Services, tmp_path: Any) -> None:
    async with purse(service, START, programme(**OWED)) as own:
        known = own.intake.preparer.rules
        county = await county_preparer(service, tmp_path)
        own.intake.preparer.rules = Rules(county.rules.catalogue, known.programmes, county.rules._ids)
        phone, holder = await own.person()
        first = await own.earn(phone, 100)
        assert await own.spend(holder, 100)
        await own.reverse(first)
        start = own.now - datetime.timedelta(hours=2)
        result = await own.report(
            phone,
            0,
            scene="trip.walk",
            region="422800",
            mass_g=None,
            occurred_at=None,
            order_no=None,
            started_at=start.isoformat(),
            ended_at=(start + datetime.timedelta(minutes=30)).isoformat(),
        )
        assert (result.outcome, result.points) == ("pending", 105)
        assert result.activity_id is not None
        assert (await own.books(holder))["owed"] == 100
        principal = own.principal()
        async with service.database.transaction() as session:
            activity = await queries.visible_activity(session, principal, result.activity_id)
            await collect(session, own.intake.preparer.rules, activity, own.now)
        books = await own.books(holder)
        assert (books["points"], books["owed"]) == (5, 0)
        assert await own.breaches() == []


async def test_fifty_reversals_and_spenders_at_once(service: Services) -> None:
    """Whoever comes first: no balance and no lot below zero, and all points accounted for."""
    async with purse(service, START, programme(**OTHERS)) as own:
        phone, holder = await own.person()
        acts = []
        for day in range(16, 26):
            own.local(2026, 11, day, 12, 0)
            acts.append(await own.earn(phone, 10))
        spent = await asyncio.gather(
            *(own.spend(holder, 5) for _ in range(40)), *(own.reverse(act) for act in acts)
        )
        books = await own.books(holder)
        gone = 5 * sum(parts is not None for parts in spent[:40])
        # All credits are reversed: what was spent is what is owed.
        assert (books["points"], books["owed"]) == (0, gone)
        assert await own.breaches() == []


async def test_who_owes_nothing_is_asked_nothing(service: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    async with purse(service, START, programme(**OWED)) as own:
        sent: list[str] = []
        fetch, execute = asyncpg.Connection.fetch, asyncpg.Connection.execute

        async def fetching(self: Any, query: str, *args: Any) -> Any:
            sent.append(query)
            return await fetch(self, query, *args)

        async def executing(self: Any, query: str, *args: Any) -> Any:
            sent.append(query)
            return await execute(self, query, *args)

        phone, holder = await own.person()
        first = await own.earn(phone, 10)
        monkeypatch.setattr(asyncpg.Connection, "fetch", fetching)
        monkeypatch.setattr(asyncpg.Connection, "execute", executing)
        await own.earn(phone, 10)
        free = list(sent)
        assert await own.spend(holder, 20)
        await own.reverse(first)
        sent.clear()
        await own.earn(phone, 5)
        assert free
        assert not any("receivables" in each for each in free)
        assert sum("receivables" in each for each in sent) == 2  # what is owed, and that less of it is
