"""Readings over HTTP: three formats, one answer each, and what is read back."""

import asyncio
import datetime as dt
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from enterprises.plant import Plant, made_plant
from helpers import City

BATCH = "/v1/enterprises/readings/batch"
METERS = (
    {"number": "E-IN", "carrier": "electricity", "flow": "import"},
    {"number": "G-1", "carrier": "gas", "flow": "use", "reading": "cumulative", "register_max": 1_000_000},
)
DAY = dt.date(2026, 3, 1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plant(city: City) -> Plant:
    return await made_plant(city, meters=METERS)


def at(hour: int, minute: int = 0, day: dt.date = DAY) -> str:
    return f"{day}T{hour:02}:{minute:02}:00+08:00"


async def send(plant: Plant, *items: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await plant.client.post(BATCH, json=list(items))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def uses(plant: Plant, number: str, step: str, since: str, until: str, **more: Any) -> dict[str, Any]:
    answer = await plant.client.get(
        f"/v1/enterprises/meters/{plant.meters[number]}/uses",
        params={"step": step, "from": since, "to": until, **more},
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_each_item_has_its_answer_in_order(plant: Plant) -> None:
    soon = (
        dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0) + dt.timedelta(hours=2)
    ).isoformat()
    items = [
        {"meter": "E-IN", "at": at(0, 15), "energy_wh": 10},
        {"meter": plant.meters["E-IN"], "at": at(0, 30), "energy_wh": 11},
        {"meter": "nobody's", "at": at(0, 15), "energy_wh": 10},
        {"meter": "E-IN", "at": at(0, 45), "volume_l": 10},
        {"meter": "E-IN", "at": at(0, 45)},
        {"meter": "E-IN", "at": at(0, 45), "energy_wh": 1, "mass_g": 1},
        {"meter": "E-IN", "at": at(0, 50), "energy_wh": 10},
        {"meter": "E-IN", "at": soon, "energy_wh": 10},
        {"meter": "E-IN", "at": "2017-12-31T23:45:00+08:00", "energy_wh": 10},
        {"meter": "E-IN", "at": "yesterday", "energy_wh": 10},
        {"meter": "E-IN", "at": at(0, 45), "energy_wh": -1},
        {"meter": "E-IN", "at": at(0, 45), "energy_wh": 1.5},
        {"meter": "E-IN", "at": at(0, 15), "energy_wh": 10},
        {"meter": "E-IN", "at": at(0, 15), "energy_wh": 12},
        {"meter": "E-IN", "at": at(0, 15), "energy_wh": 12, "revision": 2},
    ]
    answers = await send(plant, *items)
    assert [(answer["outcome"], answer["reason"]) for answer in answers] == [
        ("stored", None),
        ("stored", None),
        ("refused", "unknown_meter"),
        ("refused", "wrong_unit"),
        ("refused", "wrong_unit"),
        ("refused", "wrong_unit"),
        ("refused", "off_quarter"),
        ("refused", "in_future"),
        ("refused", "not_installed"),
        ("refused", "invalid"),
        ("refused", "invalid"),
        ("refused", "invalid"),
        ("known", None),
        ("refused", "revision_known"),
        ("corrected", None),
    ]
    assert [answer["meter"] for answer in answers] == [item["meter"] for item in items]
    assert answers[10]["errors"][0]["pointer"] == "/10/energy_wh"
    again = await send(plant, *items)
    assert [answer["outcome"] for answer in again].count("stored") == 0
    path = f"/v1/enterprises/meters/{plant.meters['E-IN']}/readings"
    found = await plant.client.get(path, params={"from": str(DAY), "to": "2026-03-02", "limit": 1})
    (first,) = found.json()["items"]
    assert (first["at"], first["energy_wh"], first["revision"], first["estimated"]) == (
        at(0, 15),
        12,
        2,
        False,
    )
    (old,) = first["revisions"]
    assert (old["energy_wh"], old["revision"], old["replaced_by"]) == (10, 1, plant.client.client_id)
    rest = await plant.client.get(
        path, params={"from": str(DAY), "to": "2026-03-02", "cursor": found.json()["next_cursor"]}
    )
    assert [each["at"] for each in rest.json()["items"]] == [at(0, 30)]
    assert rest.json()["next_cursor"] is None


async def test_lines_and_tables_are_read_alike(plant: Plant) -> None:
    day = DAY + dt.timedelta(days=1)
    lines = [
        {"meter": "E-IN", "at": at(1, 0, day), "energy_wh": 7},
        {"meter": "E-IN", "at": at(1, 15, day), "energy_wh": 8, "estimated": True},
    ]
    body = b"\n".join(orjson.dumps(line) for line in lines) + b"\nno json\n\n"
    answer = await plant.client.post(BATCH, content=body, headers={"content-type": "application/x-ndjson"})
    outcomes = [orjson.loads(line)["outcome"] for line in answer.content.splitlines()]
    assert outcomes == ["stored", "stored", "refused"]
    table = (
        "meter,at,energy_wh,volume_l,revision,estimated\r\n"
        f"E-IN,{at(1, 15, day)},9,,,\r\n"
        f"E-IN,{at(1, 30, day)},3,,2,true\r\n"
        f"G-1,{at(1, 30, day)},,4,,\r\n"
        f"E-IN,{at(1, 30, day)},3.5,,,\r\n"
        f"E-IN,{at(1, 30, day)},1,,,,,\r\n"
        "E-IN\r\n"
    )
    answer = await plant.client.post(BATCH, content=table.encode(), headers={"content-type": "text/csv"})
    assert [each["outcome"] for each in answer.json()["items"]] == ["corrected", "stored", "stored"] + [
        "refused"
    ] * 3
    hour = await uses(plant, "E-IN", "hour", at(1, 0, day), at(2, 0, day))
    assert hour["items"] == [
        {"starts_at": at(1, 0, day), "energy_wh": 12, "measured": 1, "estimated": 1, "missing": 2}
    ]
    for body, kind, status in (
        (b"meter\nE-IN", "text/csv", 422),
        (b"\xff", "text/csv", 400),
        (b"meter,at,password\n", "text/csv", 422),
        (b"[]", "text/plain", 415),
        (b"{}", "application/json", 422),
        (b"[", "application/json", 400),
    ):
        answer = await plant.client.post(BATCH, content=body, headers={"content-type": kind})
        assert answer.status_code == status, (body, answer.text)


async def test_too_many_are_refused_as_a_whole(plant: Plant) -> None:
    item = {"meter": "E-IN", "at": at(9), "energy_wh": 1}
    assert (await plant.client.post(BATCH, json=[item] * 10_001)).status_code == 422
    body = (orjson.dumps(item) + b"\n") * 10_001
    answer = await plant.client.post(BATCH, content=body, headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 422
    answers = await send(plant, *[item] * 10_000)
    assert [answer["outcome"] for answer in answers] == ["stored"] + ["known"] * 9_999


async def test_a_cumulative_meter_rolls_over_and_is_exchanged(plant: Plant) -> None:
    day = dt.date(2026, 4, 1)
    registers = [(1, 0, 999_900), (1, 15, 999_990), (1, 30, 60), (1, 45, 100), (2, 0, 530)]
    await send(plant, *({"meter": "G-1", "at": at(h, m, day), "volume_l": v} for h, m, v in registers))
    path = f"/v1/enterprises/meters/{plant.meters['G-1']}/exchanges"
    body = {"at": at(1, 45, day), "last_register": 104, "first_register": 500}
    answer = await plant.client.post(path, json=body, headers={"idempotency-key": "x1"})
    assert answer.status_code == 200, answer.text
    assert (
        await plant.client.post(path, json=body, headers={"idempotency-key": "x1"})
    ).json() == answer.json()
    assert (await plant.client.post(path, json=body)).status_code == 200
    assert (await plant.client.post(path, json=body | {"first_register": 9})).status_code == 409
    assert (await plant.client.post(path, json=body | {"at": at(1, 44, day)})).status_code == 422
    assert len((await plant.client.get(path)).json()["items"]) == 1
    found = await uses(plant, "G-1", "quarter", at(0, 45, day), at(2, 0, day))
    assert [each["volume_l"] for each in found["items"]] == [999_896, 90, 70, 40, 34]
    # The first closes the gap since the reading of a month before.
    assert [each["missing"] for each in found["items"]] == [1, 0, 0, 0, 0]
    electricity = f"/v1/enterprises/meters/{plant.meters['E-IN']}/exchanges"
    assert (await plant.client.post(electricity, json=body)).status_code == 409


async def test_gaps_end_where_readings_do_and_at_the_present(plant: Plant) -> None:
    path = f"/v1/enterprises/meters/{plant.meters['E-IN']}/gaps"
    found = (await plant.client.get(path, params={"from": str(DAY), "to": at(1, 30, DAY)})).json()
    assert found == {
        "items": [{"starts_at": at(0, 30), "ends_at": at(1, 30), "quarters": 4}],
        "next_cursor": None,
    }
    now = dt.datetime.now(dt.UTC)
    ahead = (now + dt.timedelta(days=9)).date()
    since = (now - dt.timedelta(days=2)).date()
    (gap,) = (await plant.client.get(path, params={"from": str(since), "to": str(ahead)})).json()["items"]
    assert dt.timedelta(0) <= now - dt.datetime.fromisoformat(gap["ends_at"]) < dt.timedelta(minutes=16)


async def test_pages_and_bounds_of_uses(plant: Plant) -> None:
    months = await uses(plant, "E-IN", "month", "2026-01-01", "2027-01-01", limit=5)
    assert len(months["items"]) == 5
    rest = await uses(plant, "E-IN", "month", "2026-01-01", "2027-01-01", cursor=months["next_cursor"])
    assert [each["starts_at"][:7] for each in months["items"] + rest["items"]] == [
        f"2026-{month:02}" for month in range(1, 13)
    ]
    assert rest["next_cursor"] is None
    for step, since, until in (
        ("hour", at(1, 15), at(3)),
        ("day", at(1), "2026-03-05"),
        ("month", "2026-03-02", "2026-04-01"),
        ("quarter", "soon", "2026-03-05"),
    ):
        answer = await plant.client.get(
            f"/v1/enterprises/meters/{plant.meters['E-IN']}/uses",
            params={"step": step, "from": since, "to": until},
        )
        assert answer.status_code == 422, (step, since)


async def test_others_and_viewers(city: City, plant: Plant) -> None:
    other = await made_plant(city, meters=METERS[:1])
    path = f"/v1/enterprises/meters/{plant.meters['G-1']}/uses"
    query = {"from": "2026-03-01", "to": "2026-03-02"}
    assert (await other.client.get(path, params=query)).status_code == 404
    stranger = await send(other, {"meter": plant.meters["G-1"], "at": at(1), "volume_l": 1})
    assert stranger[0]["reason"] == "unknown_meter"
    # The same number is another meter.
    assert (await send(other, {"meter": "E-IN", "at": at(0, 15), "energy_wh": 77}))[0]["outcome"] == "stored"
    viewer = await plant.speaker("viewer")
    assert (await viewer.get(path, params=query)).status_code == 200
    answer = await viewer.post(BATCH, json=[{"meter": "E-IN", "at": at(1), "energy_wh": 1}])
    assert answer.status_code == 403


async def test_a_meter_entered_now_is_known_now(plant: Plant) -> None:
    made = await plant.meter(number="S-9", carrier="steam")
    (answer,) = await send(plant, {"meter": "S-9", "at": at(1), "heat_kj": 5})
    assert answer["outcome"] == "stored"
    assert made["number"] == "S-9"


@pytest.mark.parametrize("at_once", [8])
async def test_one_interval_at_once_is_stored_once(plant: Plant, at_once: int) -> None:
    async def one(value: int) -> httpx.Response:
        return await plant.client.post(
            BATCH, json=[{"meter": "E-IN", "at": at(12, 15, dt.date(2026, 5, 1)), "energy_wh": value}]
        )

    answers = await asyncio.gather(*(one(value) for value in range(at_once)))
    outcomes = sorted(answer.json()["items"][0]["outcome"] for answer in answers)
    assert outcomes == ["refused"] * (at_once - 1) + ["stored"]
