"""Fifty callers for what may happen only so often: exactly the allowed number succeed, and all books agree."""

import asyncio
import datetime
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest_asyncio
from helpers import Caller
from redeeming.market import Market, code_of, confirmed, order, step, uuid_of, verified

from accounts.errors import DomainError
from app.database import Database, engine_for
from app.redeeming.desk import Ask, RedemptionDesk
from app.wiring import Services, utc_now
from points.redemption_schemas import own_view
from points.redemption_states import Act, Command, Order, Step

CALLERS = 50


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desks(service: Services, database_urls: tuple[str, str]) -> AsyncIterator[list[RedemptionDesk]]:
    """Desks with one connection each, as separate processes have."""
    databases = [Database(engine_for(database_urls[0], pool_size=1)) for _ in range(8)]
    made = [
        RedemptionDesk(
            database,
            service.preparer,
            utc_now,
            hold=datetime.timedelta(minutes=15),
            committers=1,
            group_max=10,
        )
        for database in databases
    ]
    yield made
    for desk in made:
        await desk.close()
    for database in databases:
        await database.close()


async def at_once(
    desks: Sequence[RedemptionDesk], commands: Sequence[Command], keys: Any = None
) -> list[Any]:
    """What each of the commands is answered, all sent at the same time over all desks."""

    async def one(index: int, command: Command) -> Any:
        try:
            return await desks[index % len(desks)].ask(Ask(command, own_view, keys and keys[index]))
        except DomainError as refused:
            return refused.code

    async with asyncio.timeout(60):
        return await asyncio.gather(*(one(index, command) for index, command in enumerate(commands)))


def refusals(answers: Sequence[Any]) -> Counter[str]:
    return Counter(answer for answer in answers if isinstance(answer, str))


async def test_a_stock_of_three(
    market: Market, merchant: Caller, operator: Caller, desks: list[RedemptionDesk], owner: asyncpg.Connection
) -> None:
    for confirm in (False, True):
        offer = uuid_of("ofr", await market.offer(merchant, operator, stock=3))
        crowd = await market.holders(CALLERS, lots={300: 100})
        answers = await at_once(desks, [Order(holder, offer, confirm=confirm) for holder in crowd])
        assert refusals(answers) == {"offer.out_of_stock": CALLERS - 3}
        assert await owner.fetchval("SELECT remaining FROM offer_stock WHERE offer_id = $1", offer) == 0
        assert await owner.fetchval("SELECT count(*) FROM redemptions WHERE offer_id = $1", offer) == 3
        poorer = await owner.fetchval(
            "SELECT count(*) FROM balances WHERE holder_id = ANY($1) AND points = 0", crowd
        )
        assert poorer == 3
    assert await market.breaches() == []


async def test_one_persons_last_points(
    market: Market, merchant: Caller, operator: Caller, desks: list[RedemptionDesk], owner: asyncpg.Connection
) -> None:
    offers = [uuid_of("ofr", await market.offer(merchant, operator)) for _ in range(2)]
    (holder,) = await market.holders(1, lots={10: 150, 300: 199})
    answers = await at_once(desks, [Order(holder, offers[i % 2], confirm=i % 3 == 0) for i in range(CALLERS)])
    assert refusals(answers) == {"redemption.points_short": CALLERS - 3}
    row = await owner.fetchrow("SELECT points, held_points FROM balances WHERE holder_id = $1", holder)
    assert row["points"] == 49
    lots = await owner.fetch("SELECT remaining FROM lots WHERE holder_id = $1 ORDER BY expires_on", holder)
    assert [lot[0] for lot in lots] == [0, 49]
    assert await market.breaches() == []


async def test_a_persons_limit(
    market: Market, merchant: Caller, operator: Caller, desks: list[RedemptionDesk]
) -> None:
    offer = uuid_of("ofr", await market.offer(merchant, operator, per_person_day=2, per_person=5))
    (holder,) = await market.holders(1, lots={300: 100_000})
    answers = await at_once(desks, [Order(holder, offer) for _ in range(CALLERS)])
    assert refusals(answers) == {"offer.limit_reached": CALLERS - 2}
    assert await market.breaches() == []


async def test_the_codes_of_a_pool(
    market: Market, merchant: Caller, operator: Caller, desks: list[RedemptionDesk], owner: asyncpg.Connection
) -> None:
    codes = [f"{uuid.uuid4().hex[:10]}-{n}" for n in range(7)]
    text = await market.offer(merchant, operator, codes, kind="voucher", delivery="pool")
    offer = uuid_of("ofr", text)
    crowd = await market.holders(CALLERS, lots={300: 100})
    answers = await at_once(
        desks, [Order(holder, offer, confirm=i % 2 == 0) for i, holder in enumerate(crowd)]
    )
    assert refusals(answers) == {"offer.out_of_stock": CALLERS - 7}
    held = await owner.fetch(
        "SELECT id, holder_id FROM redemptions WHERE offer_id = $1 AND state = 'held'", offer
    )
    confirmations: list[Command] = [Step(Act.CONFIRM, row[0], row[1]) for row in held for _ in range(3)]
    again = await at_once(desks, confirmations)
    assert refusals(again) == Counter({"redemption.wrong_state": 2 * len(held)}) - Counter()
    given = await owner.fetch(
        "SELECT code FROM offer_codes WHERE offer_id = $1 AND redemption_id IS NOT NULL", offer
    )
    assert sorted(row[0] for row in given) == sorted(codes)
    assert await market.breaches() == []


async def test_the_same_key_fifty_times(
    market: Market, merchant: Caller, operator: Caller, desks: list[RedemptionDesk], owner: asyncpg.Connection
) -> None:
    offer = uuid_of("ofr", await market.offer(merchant, operator))
    (holder,) = await market.holders(1, lots={300: 100_000})
    keys = [(b"k" * 16, b"m" * 16)] * CALLERS
    answers = await at_once(desks, [Order(holder, offer) for _ in range(CALLERS)], keys)
    assert len({answer.body for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert await owner.fetchval("SELECT count(*) FROM redemptions WHERE holder_id = $1", holder) == 1


async def test_the_same_key_over_http_and_another_body(
    market: Market, merchant: Caller, operator: Caller
) -> None:
    offer, other = await market.offer(merchant, operator), await market.offer(merchant, operator)
    resident = await market.resident(points=100_000)
    answers = await asyncio.gather(*(order(resident, offer, key="k") for _ in range(CALLERS)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == CALLERS - 1
    assert (await order(resident, other, key="k")).json()["code"] == "request.idempotency_conflict"
    # A key is the person's own: somebody else's is another one, though both tokens came from one app.
    assert (await order(await market.resident(), other, key="k")).status_code == 200
    redemption = answers[0].json()["redemption_id"]
    cancelled = await asyncio.gather(
        *(step(resident, redemption, "cancellation", "c") for _ in range(CALLERS))
    )
    assert {answer.status_code for answer in cancelled} == {200}
    assert await resident.points() == 100_000


async def test_different_bodies_under_one_key_at_the_same_time(
    market: Market, merchant: Caller, operator: Caller, desks: list[RedemptionDesk], owner: asyncpg.Connection
) -> None:
    """A merchant's key is not behind one holder's lock: the database itself lets one of them in."""
    offer = uuid_of("ofr", await market.offer(merchant, operator))
    crowd = await market.holders(CALLERS, lots={300: 100})
    keys = [(b"o" * 16, bytes([i]) * 16) for i in range(CALLERS)]
    answers = await at_once(desks, [Order(holder, offer) for holder in crowd], keys)
    assert refusals(answers) == {"request.idempotency_conflict": CALLERS - 1}
    assert await owner.fetchval("SELECT count(*) FROM redemptions WHERE offer_id = $1", offer) == 1
    assert await market.breaches() == []


async def test_one_code_at_two_tills(market: Market, merchant: Caller, operator: Caller) -> None:
    offer = await market.offer(merchant, operator)
    tills = [(await market.till(merchant))["till_id"] for _ in range(2)]
    resident = await market.resident()
    redemption = await confirmed(resident, offer)
    code = await code_of(resident, redemption)
    answers = await asyncio.gather(*(verified(merchant, code, tills[i % 2]) for i in range(CALLERS)))
    codes = Counter(answer.json().get("code", "taken") for answer in answers)
    assert codes["taken"] == 1, codes
    assert codes["redemption.already_fulfilled"] == CALLERS - 1
    assert await market.breaches() == []


async def test_confirm_cancel_and_time_out_at_the_same_time(
    market: Market, merchant: Caller, operator: Caller, desks: list[RedemptionDesk], owner: asyncpg.Connection
) -> None:
    offer = uuid_of("ofr", await market.offer(merchant, operator, stock=10))
    crowd = await market.holders(10, lots={300: 100})
    await at_once(desks, [Order(holder, offer) for holder in crowd])
    rows = await owner.fetch("SELECT id, holder_id FROM redemptions WHERE offer_id = $1", offer)
    commands: list[Command] = [
        Step(act, row[0], row[1]) for row in rows for act in (Act.CONFIRM, Act.CANCEL, Act.REFUND)
    ]
    await at_once(desks, commands)
    ends: dict[UUID, str] = dict(
        await owner.fetch("SELECT holder_id, state FROM redemptions WHERE offer_id = $1", offer)
    )
    for holder, state in ends.items():
        points = await owner.fetchval("SELECT points FROM balances WHERE holder_id = $1", holder)
        assert points == (0 if state == "confirmed" else 100), state
    assert await market.breaches() == []


async def test_what_the_database_refuses_hits_its_own_order_only(
    market: Market, merchant: Caller, operator: Caller, service: Services, owner: asyncpg.Connection
) -> None:
    offer = uuid_of("ofr", await market.offer(merchant, operator, stock=100))
    crowd = await market.holders(30, lots={300: 1000})
    await owner.execute(
        """
        CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
            BEGIN RAISE EXCEPTION 'poison'; END $$;
        CREATE TRIGGER poison BEFORE INSERT ON redemptions FOR EACH ROW WHEN (NEW.quantity = 7)
            EXECUTE FUNCTION poison();
        """
    )
    try:
        answers = await at_once(
            [service.redemptions],
            [Order(holder, offer, 7 if i == 13 else 1) for i, holder in enumerate(crowd)],
        )
    finally:
        await owner.execute("DROP TRIGGER poison ON redemptions; DROP FUNCTION poison()")
    assert answers[13] == "redemption.unprocessable"
    assert refusals(answers) == {"redemption.unprocessable": 1}
    assert await owner.fetchval("SELECT remaining FROM offer_stock WHERE offer_id = $1", offer) == 71
    assert await market.breaches() == []
