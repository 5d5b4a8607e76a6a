"""From two operators' decision to a resident's explained score, with conduct recorded and withdrawn; over HTTP."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from disputes.quarrel import trip
from helpers import Caller, City

from app.application import create_app
from app.scoring.counting import BEHIND, count_deeds
from app.scoring.snapshots import snapshot_all
from app.wiring import Services, utc_now
from dedup.periods import LOCAL

TODAY = utc_now().astimezone(LOCAL).date()
CARDS = [{"card": "resident", "version": "1"}, {"card": "wendeng", "version": "2023-04"}]


def month(ago: int) -> dt.date:
    number = TODAY.year * 12 + TODAY.month - 1 - ago
    return dt.date(number // 12, number % 12 + 1, 1)


AS_OF = month(0) - dt.timedelta(days=1)


@dataclass
class Town:
    city: City
    operators: list[Caller]
    platform: Caller
    phone: str
    holder_id: str
    resident: Caller
    acts: list[str]


async def put_in_force(service: Services, operators: list[Caller], cards: list[dict[str, str]]) -> str:
    """Drafted and approved over HTTP, a day ahead; the test then has it begun long ago, as the owner could."""
    tomorrow = (TODAY + dt.timedelta(days=2)).isoformat()
    drafted = await operators[0].post(
        "/v1/operator/score-cards", json={"region": "440300", "from": tomorrow, "cards": cards}
    )
    assert drafted.status_code == 200, drafted.text
    set_id = str(drafted.json()["id"])
    approval: dict[str, Any] = {"json": {"reason": "council"}, "headers": {"If-Match": "1"}}
    own = await operators[0].post(f"/v1/operator/score-cards/{set_id}/approval", **approval)
    assert own.status_code == 403, own.text
    approved = await operators[1].post(f"/v1/operator/score-cards/{set_id}/approval", **approval)
    assert approved.status_code == 200, approved.text
    assert approved.json()["state"] == "approved"
    return set_id


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def doors(service: Services) -> AsyncIterator[City]:
    """The doors of the very process that learns of the cards."""
    transport = httpx.ASGITransport(create_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield City(http, service)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(doors: City, service: Services, database_urls: tuple[str, str]) -> Town:

    city = doors
    operators = [await city.client("operator", "440000") for _ in range(2)]
    platform = await city.client("platform")
    phone = "13800990001"
    holder_id = await city.holder(operators[0], phone, platform)
    acts = []
    for ago in (2, 1):
        for day in (3, 5, 9):
            date = month(ago).replace(day=day).isoformat()
            body = trip(
                phone,
                started_at=f"{date}T08:00:00+08:00",
                ended_at=f"{date}T08:25:00+08:00",
            )
            answer = await platform.post("/v1/activities", json=body)
            assert answer.json()["outcome"] == "credited", answer.text
            acts.append(answer.json()["activity_id"])
    set_id = await put_in_force(service, operators, CARDS)
    owner = await asyncpg.connect(database_urls[1])
    await owner.execute("ALTER TABLE points_texts DISABLE TRIGGER points_texts_guard")
    await owner.execute(
        'UPDATE points_texts SET content = (content::jsonb || \'{"from": "2025-01-01"}\')::text,'
        " counts_from = '2024-12-31T16:00:00Z' WHERE id = $1",
        uuid.UUID(hex=set_id.removeprefix("ppt_")),
    )
    await owner.execute("ALTER TABLE points_texts ENABLE TRIGGER points_texts_guard")
    await owner.close()
    service.live._points._built.clear()
    service.live._known = None
    await service.live.refresh()
    await count_deeds(service.database, utc_now() + BEHIND)
    assert await snapshot_all(service.database, service.live.score_cards(), AS_OF, utc_now)
    resident = await city.resident(operators[0], holder_id)
    return Town(city, operators, platform, phone, holder_id, resident, acts)


async def scores(town: Town) -> dict[str, Any]:
    answer = await town.resident.get("/v1/me/scores")
    assert answer.status_code == 200, answer.text
    return {each["card"]: each for each in answer.json()["items"]}


async def test_the_resident_sees_the_score_its_reasons_and_its_data(town: Town) -> None:
    found = await scores(town)
    assert found.keys() == {"resident", "wendeng"}
    mine = found["resident"]
    assert (mine["as_of"], mine["enough"], mine["basis"]["acts"]) == (AS_OF.isoformat(), True, 6)
    assert mine["points"] == sum(reason["points"] for reason in mine["reasons"]) > 0
    assert {reason["code"] for reason in mine["reasons"]} == {
        *("volume", "diversity", "persistence", "data_quality")
    }
    assert mine["raises"]
    assert mine["raises"][0]["text"]["zh"]
    # 6 trips of 467 g; the metro is none of the seven items of the other card.
    assert not found["wendeng"]["enough"]
    answer = await town.resident.get("/v1/me/scores/resident", params={"as_of": AS_OF.isoformat()})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert {name: told[name] for name in mine if name != "basis"} == {
        name: mine[name] for name in mine if name != "basis"
    }
    assert [(each["month"], each["scene"], each["evidence"], each["acts"]) for each in told["deeds"]] == [
        (f"{month(2):%Y-%m}", "trip.metro", "platform", 3),
        (f"{month(1):%Y-%m}", "trip.metro", "platform", 3),
    ]


async def test_on_demand_has_the_running_month_as_it_is(town: Town) -> None:
    before = (await town.resident.get("/v1/me/scores/resident")).json()
    began = utc_now().astimezone(LOCAL) - dt.timedelta(minutes=30)
    body = trip(
        town.phone,
        started_at=began.isoformat(),
        ended_at=(began + dt.timedelta(minutes=25)).isoformat(),
    )
    reported = (await town.platform.post("/v1/activities", json=body)).json()
    assert reported["outcome"] == "credited"
    after = (await town.resident.get("/v1/me/scores/resident")).json()
    assert after["basis"]["acts"] == before["basis"]["acts"] + 1
    assert after["points"] > before["points"]
    reversal = f"/v1/activities/{reported['activity_id']}/reversal"
    assert (await town.platform.post(reversal, json={"reason": "x"})).status_code == 200
    again = (await town.resident.get("/v1/me/scores/resident")).json()
    assert {name: again[name] for name in again if name != "basis"} == {
        name: before[name] for name in before if name != "basis"
    }


async def test_a_reversal_in_a_past_month_takes_back_its_part_with_the_next_count(
    town: Town, service: Services
) -> None:
    before = (await town.resident.get("/v1/me/scores/resident")).json()
    reversal = f"/v1/activities/{town.acts[0]}/reversal"
    assert (await town.platform.post(reversal, json={"reason": "x"})).status_code == 200
    await count_deeds(service.database, utc_now() + BEHIND)
    after = (await town.resident.get("/v1/me/scores/resident")).json()
    assert after["basis"]["acts"] == before["basis"]["acts"] - 1
    assert after["points"] < before["points"]
    # What was given as of then stays what it was.
    assert (await scores(town))["resident"]["basis"]["acts"] == 6


async def test_a_conduct_is_deducted_until_it_is_withdrawn(town: Town, service: Services) -> None:
    before = (await town.resident.get("/v1/me/scores/resident")).json()
    happened = (TODAY - dt.timedelta(days=3)).isoformat()
    body = {"holder_id": town.holder_id, "kind": "refuted_act", "happened_on": happened, "reason": "seen"}
    writer, approver = town.operators
    recorded = await writer.post("/v1/operator/conduct-records", json=body)
    assert recorded.status_code == 200, recorded.text
    record_id = recorded.json()["record_id"]
    after = (await town.resident.get("/v1/me/scores/resident")).json()
    (reason,) = [each for each in after["reasons"] if each["dimension"] == "conduct"]
    assert (reason["code"], reason["points"], reason["on"]) == ("refuted_act", -80, happened)
    assert after["points"] == max(0, before["points"] - 80)
    assert after["conduct"] == [{"record_id": record_id, "kind": "refuted_act", "happened_on": happened}]
    listed = await writer.get("/v1/operator/conduct-records", params={"holder_id": town.holder_id})
    assert [each["record_id"] for each in listed.json()["items"]] == [record_id]
    foreign = await town.city.client("operator", "310000")
    withdrawal = f"/v1/operator/conduct-records/{record_id}/withdrawal"
    assert (await foreign.post(withdrawal, json={"reason": "x"})).status_code == 404
    assert (await foreign.get("/v1/operator/conduct-records")).json()["items"] == []
    assert (await approver.post(withdrawal, json={"reason": "a mix-up"})).status_code == 200
    twice = await approver.post(withdrawal, json={"reason": "a mix-up"})
    assert (twice.status_code, twice.json()["code"]) == (409, "score.conduct_withdrawn")
    again = (await town.resident.get("/v1/me/scores/resident")).json()
    assert again["points"] == before["points"]
    audit = (await writer.get("/v1/operator/audit", params={"action": "conduct.recorded"})).json()["items"]
    assert audit[0]["target_id"] == record_id


@pytest.mark.parametrize(
    ("over", "status"),
    [
        ({"kind": "too_old_for_a_loan"}, 422),
        ({"happened_on": "2199-01-01"}, 422),
        ({"holder_id": "hld_" + "0" * 32}, 404),
    ],
)
async def test_what_no_card_knows_is_not_recorded(town: Town, over: dict[str, str], status: int) -> None:
    body = {"holder_id": town.holder_id, "kind": "refuted_act", "happened_on": "2026-01-01", "reason": "x"}
    answer = await town.operators[0].post("/v1/operator/conduct-records", json=body | over)
    assert answer.status_code == status, answer.text


async def test_cards_are_public_and_only_known_ones_come_into_force(town: Town) -> None:
    listed = (await town.city.http.get("/v1/score-cards")).json()["items"]
    known = {(each["card"], each["version"]): each for each in listed}
    assert known.keys() >= {("resident", "1"), ("wendeng", "2023-04"), ("enterprise", "1")}
    assert known["wendeng", "2023-04"]["reads"] == ["co2e_mg", "month", "scene"]
    body = {"region": "440300", "from": "2030-01-01", "cards": [{"card": "resident", "version": "99"}]}
    answer = await town.operators[0].post("/v1/operator/score-cards", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "score.card_not_found")


async def test_no_card_where_none_is_in_force(town: Town, phone: str) -> None:
    elsewhere = await town.city.client("operator", "310000")
    holder_id = await town.city.holder(elsewhere, phone, town.platform, region="310100")
    resident = await town.city.resident(elsewhere, holder_id)
    assert (await resident.get("/v1/me/scores")).json() == {"items": []}
    assert (await resident.get("/v1/me/scores/resident")).json()["code"] == "score.card_not_found"
    assert (await town.resident.get("/v1/me/scores/enterprise")).json()["code"] == "score.card_not_found"
    tomorrow = (TODAY + dt.timedelta(days=1)).isoformat()
    answer = await town.resident.get("/v1/me/scores/resident", params={"as_of": tomorrow})
    assert answer.status_code == 422
