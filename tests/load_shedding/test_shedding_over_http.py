"""Load shedding from what lines can do to an accepted plan."""

import asyncio
import datetime as dt
from typing import Any

import pytest_asyncio
from enterprises.plant import Plant, made_plant
from helpers import City

LINES = "/v1/enterprises/load-shedding/lines"
PLANS = "/v1/enterprises/load-shedding/plans"
FURNACE = {"value_fen_per_kwh": 50, "can_stop": False, "load_w": 800_000, "least_w": 300_000}
MILL = {"value_fen_per_kwh": 120, "can_stop": True, "load_w": 500_000}
PRESS = {"value_fen_per_kwh": 300, "can_stop": True, "load_w": 900_000, "ramp_w_per_minute": 90_000}


def soon(minutes: int) -> str:
    now = dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)
    return (now + dt.timedelta(minutes=minutes)).isoformat()


def asked(cut_kw: int, **over: Any) -> dict[str, Any]:
    return {"cut_kw": cut_kw, "starts_at": soon(60), "ends_at": soon(120), **over}


async def another_line(plant: Plant, name: str) -> str:
    body = {"site_id": plant.site_id, "name": name}
    found: str = (await plant.client.post("/v1/enterprises/lines", json=body)).json()["line_id"]
    return found


async def enter(plant: Plant, line_id: str, body: dict[str, Any], version: int = 0) -> Any:
    return await plant.client.request(
        "PUT", f"{LINES}/{line_id}", json=body, headers={"If-Match": f'"{version}"'}
    )


async def plan(plant: Plant, body: dict[str, Any]) -> dict[str, Any]:
    answer = await plant.client.post(PLANS, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lines(city: City) -> tuple[Plant, str, str, str]:
    """A furnace, a mill and a press."""
    plant = await made_plant(city)
    ids = (plant.line_id, await another_line(plant, "轧机"), await another_line(plant, "压机"))
    for line_id, body in zip(ids, (FURNACE, MILL, PRESS), strict=True):
        assert (await enter(plant, line_id, body)).status_code == 200
    return plant, *ids


Lines = tuple[Plant, str, str, str]


async def test_the_cheapest_way_comes_first_and_others_spare_a_line(lines: Lines) -> None:
    plant, furnace, mill, press = lines
    made = await plan(plant, asked(1_000))
    first, *others = made["options"]
    assert {(step["line_id"], step["action"], step["cut_kw"]) for step in first["steps"]} == {
        (furnace, "lower", 500),
        (mill, "stop", 500),
    }
    assert (first["cut_kw"], first["short_kw"], first["cost_fen"]) == (1_000, 0, 500 * 50 + 500 * 120)
    assert len(others) == 2
    for other in others:
        assert press in {step["line_id"] for step in other["steps"]}
        assert other["cost_fen"] > first["cost_fen"]
    (pressed,) = [step for step in others[0]["steps"] if step["line_id"] == press]
    lead = dt.datetime.fromisoformat(made["starts_at"]) - dt.datetime.fromisoformat(pressed["begin_at"])
    assert lead == dt.timedelta(minutes=10)


async def test_what_cannot_be_reached_is_told(lines: Lines) -> None:
    plant, *_ = lines
    made = await plan(plant, asked(5_000))
    assert made["options"][0]["cut_kw"] == 500 + 500 + 900
    assert made["options"][0]["short_kw"] == 5_000 - 1_900


async def test_a_plan_is_decided_once(lines: Lines, city: City) -> None:
    plant, *_ = lines
    made = await plan(plant, asked(100))
    path = f"{PLANS}/{made['plan_id']}"
    viewer = await plant.speaker("viewer")
    other = await made_plant(city, meters=())
    assert (await viewer.get(path)).json() == made
    assert (await viewer.post(path + "/drop")).status_code == 403
    assert (await other.client.get(path)).status_code == 404
    assert (await other.client.post(path + "/drop")).status_code == 404
    answer = await plant.client.post(path + "/acceptance", json={"option": 40})
    assert (answer.status_code, answer.json()["code"]) == (422, "load_shedding.option")
    answers = await asyncio.gather(
        *(plant.client.post(path + "/acceptance", json={"option": 0}) for _ in range(5)),
        *(plant.client.post(path + "/drop") for _ in range(5)),
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    decided = (await viewer.get(path)).json()
    assert decided["state"] in ("accepted", "dropped")
    listed = (await viewer.get(PLANS, params={"state": decided["state"]})).json()["items"]
    assert decided in listed


async def test_the_same_key_makes_one_plan(lines: Lines) -> None:
    plant, *_ = lines
    body = asked(200)
    first, second = [
        await plant.client.post(PLANS, json=body, headers={"Idempotency-Key": "shed-1"}) for _ in range(2)
    ]
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"


async def test_data_of_lines_has_versions(lines: Lines) -> None:
    plant, furnace, mill, _ = lines
    answer = await enter(plant, mill, MILL)
    assert (answer.status_code, answer.json()["code"]) == (412, "enterprise.edited_meanwhile")
    answer = await plant.client.request("PUT", f"{LINES}/{mill}", json=MILL)
    assert (answer.status_code, answer.json()["code"]) == (428, "enterprise.if_match_missing")
    # The furnace feeds the mill, and a mill that feeds the furnace would make a circle.
    fed = await enter(plant, furnace, {**FURNACE, "can_stop": True, "feeds_line_id": mill}, 1)
    assert (fed.status_code, fed.json()["version"]) == (200, 2)
    answer = await enter(plant, mill, {**MILL, "feeds_line_id": furnace}, 1)
    assert (answer.status_code, answer.json()["code"]) == (422, "load_shedding.feeds")
    items = (await plant.client.get(LINES)).json()["items"]
    assert {item["line_id"]: item["version"] for item in items}[furnace] == 2
    made = await plan(plant, asked(800))
    for option in made["options"]:
        stopped = {step["line_id"] for step in option["steps"] if step["action"] == "stop"}
        assert furnace not in stopped or mill in stopped


async def test_own_sun_goes_first_as_far_as_it_is_sure(city: City) -> None:
    plant = await made_plant(city)
    assert (await enter(plant, plant.line_id, FURNACE)).status_code == 200
    now = dt.datetime.now(dt.timezone(dt.timedelta(hours=8)))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(days=14)
    items = [
        {
            "meter": "E-PV",
            "at": (midnight + dt.timedelta(minutes=15 * (place + 1))).isoformat(),
            # The worst of the last days gives 40 kW all day long.
            "energy_wh": 10_000 if place // 96 == 5 else 30_000,
        }
        for place in range(14 * 96)
    ]
    await plant.client.post("/v1/enterprises/readings/batch", json=items)
    made = await plan(plant, asked(140))
    assert (made["solar_kw"], made["options"][0]["cut_kw"]) == (40, 500)
    assert (await plan(plant, asked(40)))["options"] == [
        {"cut_kw": 0, "short_kw": 0, "cost_fen": 0, "steps": []}
    ]
    assert (await plan(plant, asked(140, use_solar=False)))["solar_kw"] == 0


async def test_what_is_refused(lines: Lines, city: City) -> None:
    plant, *_ = lines
    over = asked(1, starts_at=soon(-120), ends_at=soon(-60))
    for body in (
        over,
        asked(1, ends_at=soon(60 * 30)),
        asked(1, starts_at=soon(20_000), ends_at=soon(20_060)),
    ):
        answer = await plant.client.post(PLANS, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "load_shedding.period")
    other = await made_plant(city, meters=())
    answer = await other.client.post(PLANS, json=asked(1))
    assert (answer.status_code, answer.json()["code"]) == (422, "load_shedding.no_lines")
    answer = await other.client.post(PLANS, json=asked(1, site_id=plant.site_id))
    assert (answer.status_code, answer.json()["code"]) == (404, "enterprise.site_not_found")
    answer = await enter(other, plant.line_id, MILL)
    assert (answer.status_code, answer.json()["code"]) == (404, "enterprise.line_not_found")
