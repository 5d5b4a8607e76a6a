"""Each step of a redemption, at chosen moments: holds, time-outs, payments, refunds, lapses, black-out days."""

import datetime
import uuid
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from helpers import Caller, City
from redeeming.market import Clockwork, Market, uuid_of

from app.wiring import utc_now
from points.redemption_states import Act, Order, Place, Redemption, Step

MINUTE = datetime.timedelta(minutes=1)
DAY = datetime.timedelta(days=1)


@pytest.fixture
def clockwork(city: City) -> Clockwork:
    return Clockwork(city.service)


@pytest.fixture
def now() -> datetime.datetime:
    return utc_now()


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def _nothing_left_over(clockwork: Clockwork, now: datetime.datetime) -> None:
    """What earlier tests left open is over, so that the job returns this test's own."""
    while await clockwork.returned(now + 40 * DAY):
        pass


async def ordered(
    clockwork: Clockwork, holder: Any, offer: Any, at: datetime.datetime, **over: Any
) -> Redemption:
    found = await clockwork.one(at, Order(holder, offer, **over))
    assert isinstance(found, Redemption), found
    return found


async def stock(owner: asyncpg.Connection, offer: Any) -> int:
    return int(await owner.fetchval("SELECT remaining FROM offer_stock WHERE offer_id = $1", offer))


async def owed(owner: asyncpg.Connection, redemption: Redemption) -> int:
    """What the programme owes the merchant for a redemption, fen."""
    return int(
        await owner.fetchval(
            """
            SELECT coalesce(sum(CASE WHEN credit = 4 THEN amount ELSE -amount END), 0) FROM entries e
            JOIN assets a ON a.id = e.asset_id WHERE a.kind = 'money' AND cause_id = $1 AND party_id = $2
            """,
            redemption.id,
            redemption.merchant_id,
        )
    )


async def test_a_hold_takes_the_earliest_lots_and_gives_back_to_them(
    market: Market, merchant: Caller, operator: Caller, clockwork: Clockwork, now: Any, owner: Any
) -> None:
    offer = uuid_of("ofr", await market.offer(merchant, operator, price_points=120, stock=5, per_person=2))
    (holder,) = await market.holders(1, lots={200: 100, 10: 100, 20: 10})
    held = await ordered(clockwork, holder, offer, now)
    assert await clockwork.books(holder) == (90, 120, {10: 0, 20: 0, 200: 90})
    assert await stock(owner, offer) == 4
    assert (await clockwork.one(now, Step(Act.CANCEL, held.id, holder))).state == "cancelled"
    assert await clockwork.books(holder) == (210, 0, {10: 100, 20: 10, 200: 100})
    assert await stock(owner, offer) == 5
    assert await clockwork.one(now, Step(Act.CANCEL, held.id, holder)) == "redemption.wrong_state"
    assert await clockwork.one(now, Step(Act.CONFIRM, held.id, holder)) == "redemption.wrong_state"
    # What was cancelled counts toward no limit.
    for _ in range(1):
        await ordered(clockwork, holder, offer, now)
    assert await market.breaches() == []


async def test_a_group_decides_in_order_as_if_one_came_after_the_other(
    market: Market, merchant: Caller, operator: Caller, clockwork: Clockwork, now: Any
) -> None:
    offer = uuid_of("ofr", await market.offer(merchant, operator, stock=2, per_person=1))
    one, two = await market.holders(2, lots={300: 150})
    first = await ordered(clockwork, one, offer, now)
    answers = await clockwork.do(
        now,
        Order(two, offer),
        Order(two, offer),
        Step(Act.CANCEL, first.id, one),
        Order(one, offer, confirm=True),
        Order(one, offer),
        Step(Act.CONFIRM, first.id, one),
        Step(Act.CONFIRM, uuid.uuid4(), one),
        # Somebody else's, though the group has read it.
        Step(Act.CONFIRM, first.id, two),
    )
    assert [getattr(a, "state", a) for a in answers] == [
        "held",
        "offer.limit_reached",
        "cancelled",
        "confirmed",
        "offer.limit_reached",
        "redemption.wrong_state",
        "redemption.not_found",
        "redemption.not_found",
    ]
    assert await market.breaches() == []


async def test_a_hold_that_ran_out_is_over_before_and_after_the_job(
    market: Market, merchant: Caller, operator: Caller, clockwork: Clockwork, now: Any, owner: Any
) -> None:
    offer = uuid_of("ofr", await market.offer(merchant, operator, stock=1))
    (holder,) = await market.holders(1, lots={300: 100})
    held = await ordered(clockwork, holder, offer, now)
    late = now + 15 * MINUTE
    assert held.state_at(late) == "timed_out"
    assert held.state_at(late - MINUTE) == "held"
    assert await clockwork.one(late, Step(Act.CONFIRM, held.id, holder)) == "redemption.timed_out"
    assert await clockwork.one(now, Step(Act.TIME_OUT, held.id, holder)) == "redemption.wrong_state"
    assert await clockwork.books(holder) == (0, 100, {300: 0})
    assert await clockwork.returned(late - MINUTE) == 0
    assert await clockwork.returned(late) == 1
    assert await clockwork.returned(late) == 0
    assert await clockwork.books(holder) == (100, 0, {300: 100})
    assert await stock(owner, offer) == 1
    assert await clockwork.one(late, Step(Act.CONFIRM, held.id, holder)) == "redemption.timed_out"
    assert await clockwork.one(now, Step(Act.CANCEL, held.id, holder)) == "redemption.timed_out"
    assert await market.breaches() == []


async def test_points_and_money(
    market: Market, merchant: Caller, operator: Caller, clockwork: Clockwork, now: Any, owner: Any
) -> None:
    offer = uuid_of("ofr", await market.offer(merchant, operator, price_fen=990, stock=9))
    (holder,) = await market.holders(1, lots={300: 500})
    waits = await ordered(clockwork, holder, offer, now, confirm=True)
    assert (waits.state, waits.fen) == ("awaiting_payment", 990)
    assert await clockwork.one(now, Step(Act.CONFIRM, waits.id, holder)) == "redemption.payment_due"
    paid = await clockwork.paid(now + MINUTE, waits.id, "pay-1")
    assert (paid.state, paid.payment_ref) == ("confirmed", "pay-1")
    assert (await clockwork.paid(now + MINUTE, waits.id, "pay-1")).state == "confirmed"
    assert await clockwork.paid(now + MINUTE, waits.id, "pay-2") == "redemption.wrong_state"
    assert await clockwork.paid(now, uuid.uuid4(), "pay-3") == "redemption.not_found"

    # Paid in time and told of late; paid late; never paid.
    in_time, late, never = [await ordered(clockwork, holder, offer, now) for _ in range(3)]
    told = now + 18 * MINUTE
    assert await clockwork.returned(told) == 0
    assert in_time.state_at(told) == "awaiting_payment"
    assert (await clockwork.paid(told, in_time.id, "pay-4", now + 14 * MINUTE)).state == "confirmed"
    assert await clockwork.paid(told, late.id, "pay-5", now + 15 * MINUTE) == "redemption.timed_out"
    assert await clockwork.returned(now + 20 * MINUTE) == 2
    assert await clockwork.paid(now + 21 * MINUTE, never.id, "pay-6", now) == "redemption.timed_out"
    assert await clockwork.books(holder) == (300, 0, {300: 300})
    assert await stock(owner, offer) == 7
    assert await market.breaches() == []


@pytest.mark.parametrize(("restored_days", "left"), [(30, {5: 0, 30: 60, 300: 50}), (0, {5: 0, 300: 50})])
async def test_a_refund_returns_points_to_their_lots(
    market: Market,
    merchant: Caller,
    operator: Caller,
    clockwork: Clockwork,
    now: Any,
    owner: Any,
    restored_days: int,
    left: dict[int, int],
) -> None:
    offer = uuid_of("ofr", await market.offer(merchant, operator, stock=3, settle_fen=700))
    (holder,) = await market.holders(1, lots={300: 50, 5: 60})
    redemption = await ordered(clockwork, holder, offer, now, confirm=True)
    taken = await clockwork.one(now, Step(Act.VERIFY, redemption.id, merchant_id=redemption.merchant_id))
    assert taken.state == "fulfilled"
    assert await owed(owner, redemption) == 700
    assert await stock(owner, offer) == 2
    clockwork.restored_days = restored_days
    later = now + 20 * DAY
    refund = Step(Act.REFUND, redemption.id, merchant_id=uuid.uuid4())
    assert await clockwork.one(later, refund) == "redemption.not_found"
    refund.merchant_id = redemption.merchant_id
    assert (await clockwork.one(later, refund)).state == "refunded"
    assert await clockwork.one(later, refund) == "redemption.wrong_state"
    points, held, lots = await clockwork.books(holder)
    expected = {days + (20 if days == 30 else 0): amount for days, amount in left.items()}
    assert (points, held, lots) == (sum(left.values()), 0, expected)
    assert await owed(owner, redemption) == 0
    # What was handed over is not in stock again.
    assert await stock(owner, offer) == 2
    assert await market.breaches() == []


async def test_a_code_that_nobody_took(
    market: Market, merchant: Caller, operator: Caller, clockwork: Clockwork, now: Any, owner: Any
) -> None:
    ways = [{"refund_lapsed": True}, {"refund_lapsed": False}]
    offers = [uuid_of("ofr", await market.offer(merchant, operator, stock=1, code_days=2, **w)) for w in ways]
    (holder,) = await market.holders(1, lots={300: 200})
    codes = [await ordered(clockwork, holder, offer, now, confirm=True) for offer in offers]
    late = now + 2 * DAY
    verify = Step(Act.VERIFY, codes[0].id, merchant_id=codes[0].merchant_id)
    assert await clockwork.one(late, verify) == "redemption.code_lapsed"
    assert await clockwork.returned(late) == 2
    assert await clockwork.one(late, verify) == "redemption.code_lapsed"
    assert (await clockwork.books(holder))[:2] == (100, 0)
    assert [await stock(owner, offer) for offer in offers] == [1, 0]
    breakage = await owner.fetchval(
        "SELECT sum(amount) FROM entries WHERE cause_id = $1 AND credit = 5", codes[1].id
    )
    assert breakage == 100
    assert await market.breaches() == []


async def test_a_public_good_is_fulfilled_at_once(
    market: Market, merchant: Caller, operator: Caller, clockwork: Clockwork, now: Any, owner: Any
) -> None:
    offer = uuid_of("ofr", await market.offer(merchant, operator, kind="public_good", settle_fen=50))
    (holder,) = await market.holders(1, lots={300: 500})
    trees = await ordered(clockwork, holder, offer, now, quantity=3, confirm=True)
    assert (trees.state, trees.points) == ("fulfilled", 300)
    assert await owed(owner, trees) == 150
    held = await ordered(clockwork, holder, offer, now)
    assert (await clockwork.one(now, Step(Act.CONFIRM, held.id, holder))).state == "fulfilled"
    assert await market.breaches() == []


async def test_the_days_on_which_an_offer_rests(
    market: Market, merchant: Caller, operator: Caller, clockwork: Clockwork, now: Any
) -> None:
    local = datetime.timezone(datetime.timedelta(hours=8))
    rest = now.astimezone(local).date() + DAY
    offer = uuid_of("ofr", await market.offer(merchant, operator, blackout_days=[rest.isoformat()]))
    (holder,) = await market.holders(1, lots={300: 500})
    code = await ordered(clockwork, holder, offer, now, confirm=True)
    noon = datetime.datetime.combine(rest, datetime.time(12), local)
    verify = Step(Act.VERIFY, code.id, merchant_id=code.merchant_id)
    assert await clockwork.one(noon, Order(holder, offer)) == "offer.not_available"
    assert await clockwork.one(noon, verify) == "offer.not_available"
    assert (await clockwork.one(noon + DAY, verify)).state == "fulfilled"
    assert await clockwork.one(now - 2 * DAY, Order(holder, offer)) == "offer.not_available"
    assert await clockwork.one(now + 31 * DAY, Order(holder, offer)) == "offer.not_available"
    assert await market.breaches() == []


async def test_points_of_another_programme_are_another_currency(
    market: Market, merchant: Caller, operator: Caller, clockwork: Clockwork, now: Any
) -> None:
    offer = uuid_of("ofr", await market.offer(merchant, operator))
    (holder,) = await market.holders(1, lots={300: 99})
    await market.earn(holder, 1000, programme="510500")
    assert await clockwork.one(now, Order(holder, offer)) == "redemption.points_short"
    await market.earn(holder, 1)
    assert (await clockwork.one(now, Order(holder, offer))).state == "held"


async def test_points_that_expire_today_buy_nothing(
    market: Market, merchant: Caller, operator: Caller, clockwork: Clockwork, now: Any
) -> None:
    offer = uuid_of("ofr", await market.offer(merchant, operator))
    (holder,) = await market.holders(1, lots={2: 100})
    assert await clockwork.one(now + 3 * DAY, Order(holder, offer)) == "redemption.points_short"


async def test_a_closed_account_orders_nothing(
    market: Market, merchant: Caller, operator: Caller, clockwork: Clockwork, now: Any, owner: Any
) -> None:
    offer = uuid_of("ofr", await market.offer(merchant, operator))
    (holder,) = await market.holders(1, lots={300: 100})
    await owner.execute("UPDATE balances SET status = 2 WHERE holder_id = $1", holder)
    assert await clockwork.one(now, Order(holder, offer)) == "redemption.holder_not_active"


async def test_a_bound_code_lapses_when_its_till_has_had_time_to_tell(
    market: Market, merchant: Caller, operator: Caller, clockwork: Clockwork, now: Any
) -> None:
    offer = uuid_of("ofr", await market.offer(merchant, operator, code_days=1))
    till = await market.till(merchant)
    place = Place(uuid_of("shp", till["shop_id"]), uuid_of("til", till["till_id"]))
    (holder,) = await market.holders(1, lots={300: 200})
    told, silent = [await ordered(clockwork, holder, offer, now, confirm=True) for _ in range(2)]
    for code in (told, silent):
        bound = await clockwork.one(now, Step(Act.BIND, code.id, holder, place=place))
        assert bound.bound_until == now + 5 * MINUTE
        code.binding_nonce = bound.binding_nonce
    assert await clockwork.returned(now + 2 * DAY) == 0
    assert await clockwork.one(now + 6 * DAY, Step(Act.REFUND, told.id)) == "redemption.wrong_state"
    upload = Step(
        Act.VERIFY,
        told.id,
        merchant_id=told.merchant_id,
        place=place,
        nonce=told.binding_nonce,
        taken_at=now + 4 * MINUTE,
    )
    assert (await clockwork.one(now + 3 * DAY, upload)).state == "fulfilled"
    assert (await clockwork.one(now + 4 * DAY, upload)).state == "fulfilled"
    assert await clockwork.returned(now + 8 * DAY) == 1
    assert (await clockwork.books(holder))[:2] == (100, 0)
    assert await market.breaches() == []
