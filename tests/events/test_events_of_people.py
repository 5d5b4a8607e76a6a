"""What a resident's export has of events, what an erasure leaves of them, and what goes along with an account."""

import asyncpg
from events.conftest import Fair

from app.events import repository
from app.my_data.sections import SECTIONS

OF_EVENTS = ("events", "event_orders", "event_shares")


async def exported(fair: Fair, holder_id: object) -> dict[str, list[dict[str, object]]]:
    """Section → its rows, as an export has them."""
    found: dict[str, list[dict[str, object]]] = {}
    async with fair.service.database.driver_transaction() as driver:
        for section in SECTIONS:
            if section.name in OF_EVENTS:
                found[section.name] = [dict(row) async for row in section.rows(driver, holder_id)]  # type: ignore[arg-type]
    return found


async def test_an_export_has_them_and_an_erasure_leaves_sums_without_a_person(
    fair: Fair, owner: asyncpg.Connection
) -> None:
    pool, person, guest = await fair.pool(10), await fair.resident(), await fair.resident()
    covered = await fair.event(person, participants=2, department="x")
    await fair.event(person, title="never ordered")
    share = await person.post("/v1/me/event-shares", json={"code": covered["code"]})
    theirs = await fair.event(guest)
    unpaid = await person.post("/v1/me/event-shares", json={"code": theirs["code"]})
    order = (await fair.order(person, covered["event_id"], pool_id=pool)).json()["order_id"]
    await fair.paid(person, order)
    found = await exported(fair, person.holder_id)
    assert {name: len(rows) for name, rows in found.items()} == {
        "events": 2,
        "event_orders": 1,
        "event_shares": 2,
    }
    assert [row["title"] for row in found["events"]] == ["江西平台算例", "never ordered"]
    assert found["events"][0]["lines"]
    assert {row["id"] for row in found["event_shares"]} == {
        share.json()["share_id"],
        unpaid.json()["share_id"],
    }
    async with fair.service.database.driver_transaction() as driver:
        await repository.forget(driver, person.holder_id)
    rows = await owner.fetch(
        "SELECT title, department, lines::text AS lines, paid_kg FROM neutral_events WHERE organiser_id = $1",
        person.holder_id,
    )
    assert [tuple(row) for row in rows] == [("", "", "[]", 2)]
    assert not (await exported(fair, person.holder_id))["event_shares"]
    assert not await fair.market.breaches()


async def test_an_account_that_is_absorbed_brings_its_events(fair: Fair) -> None:
    pool, person, former = await fair.pool(10), await fair.resident(), await fair.resident()
    event = await fair.event(former)
    for who in (person, former):
        await who.post("/v1/me/event-shares", json={"code": event["code"]})
    await fair.order(former, event["event_id"], pool_id=pool)
    async with fair.service.database.driver_transaction() as driver:
        await repository.move(driver, person.holder_id, former.holder_id)
    found = await exported(fair, person.holder_id)
    assert [len(found[name]) for name in OF_EVENTS] == [1, 1, 1]
    assert not await fair.market.breaches()
