"""Alerts of a meter from its readings to their closing."""

import asyncio
import datetime as dt
import json
from typing import Any

import pytest_asyncio
from alerts.plant_load import QUARTERS, load
from enterprises.plant import Plant, made_plant
from helpers import City

from accounts.alerts.service import learn_some
from app.alerts.job import look_at_meters

MONDAY = dt.datetime(2026, 3, 2, tzinfo=dt.timezone(dt.timedelta(hours=8)))
DAYS = 56
QUARTER = dt.timedelta(minutes=15)
AMOUNTS = load(DAYS + 3)
BEGIN = MONDAY + dt.timedelta(days=DAYS)


async def send(plant: Plant, first: int, amounts: list[int]) -> None:
    """Readings of quarter-hours from number `first` on."""
    items = [
        {"meter": "E-L1", "at": (MONDAY + (first + place + 1) * QUARTER).isoformat(), "energy_wh": amount}
        for place, amount in enumerate(amounts)
    ]
    answer = await plant.client.post("/v1/enterprises/readings/batch", json=items)
    assert answer.status_code == 200, answer.text
    assert {each["outcome"] for each in answer.json()["items"]} == {"stored"}


async def learn(city: City, now: dt.datetime) -> None:
    async with city.service.database.driver_transaction() as driver:
        await learn_some(driver, now, 10_000)


async def look(city: City, quarter: int) -> None:
    """Look when so many quarter-hours are over, and a few minutes more."""
    await look_at_meters(city.service.database, MONDAY + quarter * QUARTER + dt.timedelta(minutes=6))


async def alerts(plant: Plant, **params: str) -> list[dict[str, Any]]:
    answer = await plant.client.get("/v1/enterprises/alerts", params=params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plant(city: City) -> Plant:
    """Its line's meter has eight weeks of readings, and is learnt."""
    made = await made_plant(city, meters=({"number": "E-L1", "flow": "use", "on_line": True},))
    await send(made, 0, AMOUNTS[: DAYS * QUARTERS])
    await learn(city, BEGIN)
    return made


async def test_what_a_meter_is_expected_to_use(plant: Plant, city: City) -> None:
    path = f"/v1/enterprises/meters/{plant.meters['E-L1']}/expected-use"
    working = (await plant.client.get(path, params={"day": "2026-04-27"})).json()
    resting = (await plant.client.get(path, params={"day": "2026-04-26"})).json()
    assert (working["working_day"], resting["working_day"]) == (True, False)
    assert len(working["expected"]) == QUARTERS
    assert max(resting["expected"]) < 6_000
    assert max(working["expected"]) > 90_000
    other = await made_plant(city, meters=())
    assert (await other.client.get(path, params={"day": "2026-04-27"})).status_code == 404


async def test_an_episode_is_one_alert_from_its_opening_to_its_closing(plant: Plant, city: City) -> None:
    first = DAYS * QUARTERS
    hook = {"url": "http://127.0.0.1:9/alerts", "event_types": ["alert.opened"]}
    webhook = (await plant.client.post("/v1/webhooks", json=hook)).json()["webhook_id"]
    day = AMOUNTS[first : first + QUARTERS]
    await look(city, first)
    await send(plant, first, [*day[:8], *([day[8]] * 8)])
    await look(city, first + 10)
    assert await alerts(plant) == []
    # What is looked at by two at once is looked at once.
    await asyncio.gather(*(look(city, first + 15) for _ in range(3)))
    (found,) = await alerts(plant, state="open")
    assert (found["kind"], found["state"], found["unit_field"]) == ("stuck", "open", "energy_wh")
    assert found["starts_at"] == "2026-04-26T18:00:00Z"
    await look(city, first + 16)
    (again,) = await alerts(plant)
    assert (again["alert_id"], again["ended_at"]) == (found["alert_id"], None)
    assert again["last_at"] > found["last_at"]
    # It is told once, to the enterprise, whoever of it looks; nobody else sees the endpoint.
    member = await plant.member("energy_manager")
    for who in (plant.client, member.speaker):
        (told,) = (await who.get(f"/v1/webhooks/{webhook}/deliveries")).json()["items"]
        assert told["type"] == "alert.opened"
    async with city.service.database.statement() as driver:
        data = json.loads(await driver.fetchval("SELECT data FROM webhook_deliveries"))
    names = ("alert_id", "kind", "meter_id", "meter_number", "unit_field", "amount", "expected")
    assert {name: data[name] for name in names} == {name: found[name] for name in names}
    stranger = await made_plant(city, meters=())
    assert (await stranger.client.get(f"/v1/webhooks/{webhook}")).status_code == 404
    assert (await (await plant.speaker("viewer")).get("/v1/webhooks")).status_code == 403
    refused = await plant.client.post("/v1/webhooks", json=hook | {"event_types": ["label.fallen"]})
    assert refused.status_code == 422

    path = f"/v1/enterprises/alerts/{found['alert_id']}"
    viewer, manager = await plant.speaker("viewer"), await plant.speaker("energy_manager")
    assert (await viewer.get(path)).json() == again
    assert (await viewer.post(path + "/acknowledgement")).status_code == 403
    seen = (await manager.post(path + "/acknowledgement")).json()
    assert seen["state"] == "acknowledged"
    assert (await manager.post(path + "/acknowledgement")).json() == seen
    other = await made_plant(city, meters=())
    assert (await other.client.get(path)).status_code == 404
    assert (await other.client.post(path + "/closure", json={"verdict": "fault"})).status_code == 404

    await send(plant, first + 16, day[16:32])
    await look(city, first + 32)
    assert (await viewer.get(path)).json()["ended_at"] is not None
    closed = (await manager.post(path + "/closure", json={"verdict": "fault", "note": "阀"})).json()
    assert (closed["state"], closed["verdict"], closed["note"]) == ("closed", "fault", "阀")
    answer = await manager.post(path + "/closure", json={"verdict": "known"})
    assert (answer.status_code, answer.json()["code"]) == (409, "alert.closed")
    assert (await alerts(plant, state="open"), len(await alerts(plant, state="closed"))) == ([], 1)


async def test_a_gap_is_told_and_ends_when_readings_come_again(plant: Plant, city: City) -> None:
    first = (DAYS + 1) * QUARTERS
    before = AMOUNTS[first - 64 : first]
    await send(plant, first - 64, before)
    await look(city, first)
    known = {each["alert_id"] for each in await alerts(plant)}
    await look(city, first + 3)
    assert {each["alert_id"] for each in await alerts(plant)} == known
    await look(city, first + 6)
    (gap,) = [each for each in await alerts(plant) if each["alert_id"] not in known]
    assert (gap["kind"], gap["amount"], gap["expected"]) == ("gap", None, None)
    assert gap["starts_at"] == "2026-04-27T16:00:00Z"
    await send(plant, first, AMOUNTS[first : first + 24])
    await look(city, first + 24)
    assert (await plant.client.get(f"/v1/enterprises/alerts/{gap['alert_id']}")).json()[
        "ended_at"
    ] is not None


async def test_what_was_a_fault_is_not_learnt(plant: Plant, city: City) -> None:
    """Closed as a fault, the stuck hours do not make the meter's own past more patient."""
    first = (DAYS + 2) * QUARTERS
    await send(plant, first - 72, AMOUNTS[first - 72 : first + 8])
    await learn(city, BEGIN + dt.timedelta(days=8))
    await look(city, first + 8)
    known = {each["alert_id"] for each in await alerts(plant)}
    await send(plant, first + 8, [4_444] * 8)
    await look(city, first + 16)
    (stuck,) = [each for each in await alerts(plant) if each["alert_id"] not in known]
    assert stuck["kind"] == "stuck"
