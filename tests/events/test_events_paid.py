"""Events from calculator to retirement: paid once, with stock that is never exceeded, undone where nobody pays."""

import asyncio
import datetime
import time
from typing import Any

import asyncpg
import pytest_asyncio
from enterprises.plant import Plant, made_plant
from events.conftest import CASE, Fair
from helpers import City

from accounts.ids import parse_public_id
from accounts.units.serials import parse_serial

LATER = datetime.timedelta(hours=1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plant(city: City) -> Plant:
    return await made_plant(city)


async def retired(owner: asyncpg.Connection, order: str) -> int:
    """Kg retired for an order."""
    return int(
        await owner.fetchval(
            """
            SELECT coalesce(sum(upper(h.units) - lower(h.units)), 0)::bigint FROM unit_retirements r
            JOIN unit_holdings h ON h.begun_by = r.id AND h.status = 'retired'
            WHERE r.subject_id = $1 AND r.purpose = 'event'
            """,
            parse_public_id("nvo", order),
        )
    )


async def certificate(fair: Fair, number: str) -> dict[str, Any]:
    """What anybody can read of a certificate."""
    answer = await fair.market.city.http.get(f"/v1/public/certificates/{number}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def kg_of(serials: list[str]) -> int:
    """Units of serials."""
    return sum(parse_serial(each).units.quantity_kg for each in serials)


async def test_the_jiangxi_case_from_calculator_to_retirement(fair: Fair, owner: asyncpg.Connection) -> None:
    began = time.monotonic()
    footprint = {name: CASE[name] for name in ("kind", "region", "day", "lines")}
    computed = (await fair.market.city.http.post("/v1/public/event-footprints", json=footprint)).json()
    assert (computed["co2e_g"], computed["kg"]) == ("1990", 2)
    pool, organiser = await fair.pool(1_000), await fair.resident()
    event = await fair.event(organiser)
    assert (event["kg"], event["neutral"], event["footprint"]["co2e_g"]) == (2, False, "1990")
    ordered = (await fair.order(organiser, event["event_id"], pool_id=pool)).json()
    assert (ordered["kg"], ordered["amount_fen"], ordered["state"]) == (2, 10, "awaiting_payment")
    assert await fair.stock(pool) == 998
    await fair.paid(organiser, ordered["order_id"])
    shown = await fair.shown(organiser, event["event_id"])
    assert shown["neutral"]
    assert await fair.stock(pool) == 998
    assert await retired(owner, ordered["order_id"]) == 2
    certified = await certificate(fair, shown["certificate_number"])
    assert (certified["kind"], certified["state"]) == ("neutral_event", "valid")
    said = certified["certificate"]
    assert (said["quantity_kg"], kg_of(said["serials"])) == (2, 2)
    assert CASE["title"] not in str(said)
    assert time.monotonic() - began < 60
    assert not await fair.market.breaches()


async def test_fifty_buyers_never_exceed_the_stock(fair: Fair) -> None:
    pool, buyers = await fair.pool(33), [await fair.resident() for _ in range(50)]
    events = [await fair.event(buyer) for buyer in buyers]
    answers = await asyncio.gather(
        *(
            fair.order(buyer, event["event_id"], pool_id=pool)
            for buyer, event in zip(buyers, events, strict=True)
        )
    )
    won = [answer for answer in answers if answer.status_code == 200]
    assert {answer.json()["code"] for answer in answers if answer.status_code != 200} == {
        "event_pool.stock_too_small"
    }
    # 33 kg are 16 orders of 2 kg.
    assert (len(won), await fair.stock(pool)) == (16, 1)
    assert not await fair.market.breaches()


async def test_fifty_orders_for_one_event_cover_it_once(fair: Fair) -> None:
    pool, organiser = await fair.pool(1_000), await fair.resident()
    event = await fair.event(organiser)
    answers = await asyncio.gather(
        *(fair.order(organiser, event["event_id"], pool_id=pool, kg=1) for _ in range(50))
    )
    assert sum(answer.status_code == 200 for answer in answers) == 2
    assert {answer.json()["code"] for answer in answers if answer.status_code != 200} == {"event.covered"}
    assert await fair.stock(pool) == 998


async def test_told_fifty_times_it_is_retired_once(fair: Fair, owner: asyncpg.Connection) -> None:
    pool, organiser = await fair.pool(10), await fair.resident()
    event = await fair.event(organiser)
    order = (await fair.order(organiser, event["event_id"], pool_id=pool)).json()["order_id"]
    number = await fair.begin(organiser, order)
    fair.wechat.pay(number)
    answers = await asyncio.gather(*(fair.told(number) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert await retired(owner, order) == 2
    assert (await organiser.post(f"/v1/me/event-orders/{order}/cancellation")).json()[
        "code"
    ] == "event_order.over"
    assert not await fair.market.breaches()


async def test_what_nobody_pays_is_released_and_paid_too_late_goes_back(fair: Fair) -> None:
    pool, organiser = await fair.pool(10), await fair.resident()
    event = await fair.event(organiser)
    order = (await fair.order(organiser, event["event_id"], pool_id=pool)).json()["order_id"]
    number = await fair.begin(organiser, order)
    assert await fair.stock(pool) == 8
    await fair.later(LATER)
    assert await fair.stock(pool) == 10
    shown = await fair.shown(organiser, event["event_id"])
    assert (shown["ordered_kg"], shown["orders"][0]["state"]) == (0, "expired")
    fair.wechat.trades[number]["trade_state"] = "NOTPAY"
    fair.wechat.pay(number)
    assert (await fair.told(number)).status_code == 200
    await fair.later(datetime.timedelta(0))
    assert fair.wechat.trades[number]["trade_state"] == "REFUND"
    assert await fair.stock(pool) == 10
    # The event can be covered again.
    again = (await fair.order(organiser, event["event_id"], pool_id=pool)).json()
    await fair.paid(organiser, again["order_id"])
    assert (await fair.shown(organiser, event["event_id"]))["neutral"]
    assert not await fair.market.breaches()


async def test_a_cancelled_order_gives_its_units_back(fair: Fair) -> None:
    pool, organiser, other = await fair.pool(10), await fair.resident(), await fair.resident()
    event = await fair.event(organiser)
    order = (await fair.order(organiser, event["event_id"], pool_id=pool)).json()["order_id"]
    path = f"/v1/me/event-orders/{order}/cancellation"
    assert (await other.post(path)).status_code == 404
    for _ in range(2):
        assert (await organiser.post(path)).json()["state"] == "cancelled"
    assert await fair.stock(pool) == 10
    assert not await fair.market.breaches()


async def test_participants_take_and_pay_their_shares_and_the_organiser_pays_for_others(
    fair: Fair, owner: asyncpg.Connection
) -> None:
    pool, organiser = await fair.pool(100), await fair.resident()
    lines = [{"item": "combined.jiangxi_car_and_paper", "quantity": 10, "unit": "set"}]
    event = await fair.event(organiser, participants=4, lines=lines)
    guests = [await fair.resident() for _ in range(5)]
    code = {"code": event["code"]}
    taken = [(await guest.post("/v1/me/event-shares", json=code)) for guest in guests]
    assert [answer.status_code for answer in taken] == [200] * 4 + [409]
    shares = [answer.json() for answer in taken[:4]]
    assert {(share["co2e_g"], share["kg"], share["state"]) for share in shares} == {("4975", 5, "open")}
    # Taken again, it is the same one.
    again = (await guests[0].post("/v1/me/event-shares", json=code)).json()
    assert again["share_id"] == shares[0]["share_id"]
    # One pays the own share; another's is not there.
    body, path = {"pool_id": pool}, f"/v1/me/event-shares/{shares[0]['share_id']}/orders"
    assert (await guests[1].post(path, json=body)).status_code == 404
    own = (await guests[0].post(path, json=body)).json()
    assert (own["kg"], own["amount_fen"]) == (5, 25)
    assert (await guests[0].post(path, json=body)).json()["code"] == "event_share.ordered"
    await fair.paid(guests[0], own["order_id"])
    # The organiser pays for the rest at once.
    rest = [share["share_id"] for share in shares[1:]]
    group = (await fair.order(organiser, event["event_id"], pool_id=pool, share_ids=rest)).json()
    assert (group["kg"], group["amount_fen"]) == (15, 75)
    await fair.paid(organiser, group["order_id"])
    assert (await fair.shown(organiser, event["event_id"]))["neutral"]
    listed = (await organiser.get(f"/v1/me/events/{event['event_id']}/shares")).json()["items"]
    assert {share["state"] for share in listed} == {"paid"}
    # Each share has a certificate of units of its own, and the event one of all of them.
    papers = [(await certificate(fair, share["certificate_number"]))["certificate"] for share in listed]
    assert (
        [kg_of(paper["serials"]) for paper in papers] == [paper["quantity_kg"] for paper in papers] == [5] * 4
    )
    assert len({serial for paper in papers for serial in paper["serials"]}) == 4
    number = (await fair.shown(organiser, event["event_id"]))["certificate_number"]
    assert kg_of((await certificate(fair, number))["certificate"]["serials"]) == 20
    assert await retired(owner, own["order_id"]) + await retired(owner, group["order_id"]) == 20
    assert not await fair.market.breaches()


async def test_an_enterprises_departments_tell_how_far_they_cover(fair: Fair, plant: Plant) -> None:
    start, pool = "/v1/enterprises", await fair.pool(100)
    made = [
        await fair.event(plant.client, start, department=department)
        for department in ("市场部", "市场部", "研发部")
    ]
    for event in made[1:]:
        order = (await fair.order(plant.client, event["event_id"], start, pool_id=pool)).json()["order_id"]
        await fair.paid(plant.client, order, start)
    days = {"from": "2026-11-01", "to": "2026-11-30"}
    found = (await plant.client.get(start + "/event-coverage", params=days)).json()["items"]
    assert [(each["department"], each["events"], each["neutral"], each["covered"]) for each in found] == [
        ("市场部", 2, 1, "50.00"),
        ("研发部", 1, 1, "100.00"),
    ]
    region = (await fair.operator.get("/v1/operator/event-coverage", params=days)).json()["items"]
    assert {each["department"] for each in region} >= {"市场部", "研发部"}
    # Residents' doors are not the enterprise's, and the other way round.
    assert (await plant.client.get("/v1/me/events")).status_code == 403
    assert not await fair.market.breaches()


async def test_a_closed_pool_sells_no_more_but_what_is_ordered_is_paid(fair: Fair) -> None:
    pool, organiser = await fair.pool(10), await fair.resident()
    event = await fair.event(organiser)
    order = (await fair.order(organiser, event["event_id"], pool_id=pool, kg=1)).json()["order_id"]
    assert (await fair.operator.post(f"/v1/operator/event-pools/{pool}/closure")).status_code == 200
    answer = await fair.order(organiser, event["event_id"], pool_id=pool)
    assert answer.json()["code"] == "event_pool.not_found"
    await fair.paid(organiser, order)
    shown = await fair.shown(organiser, event["event_id"])
    assert (shown["paid_kg"], shown["neutral"], shown["certificate_number"]) == (1, False, None)
    # A part of an event has a certificate of its retirement.
    paper = await certificate(fair, shown["orders"][0]["certificate_number"])
    assert (paper["kind"], paper["certificate"]["quantity_kg"]) == ("retirement", 1)
