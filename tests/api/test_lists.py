"""Pages, and writes that may be sent twice."""

import asyncio
import itertools
import uuid
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from api.stage import Stage, kept
from helpers import Caller, metro

ENTRIES = "/v1/me/entries"


async def pages(who: Any, path: str, limit: int, **filters: str) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = []
    cursor = None
    while True:
        query = {"limit": str(limit), **filters} | ({} if cursor is None else {"cursor": cursor})
        answer = await who.get(path, params=query)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert set(told) == {"items", "next_cursor"}
        found.append(told["items"])
        cursor = told["next_cursor"]
        if cursor is None:
            return found
        assert len(found) < 500


async def trips(source: Caller, phone: str, start: int, count: int) -> list[dict[str, Any]]:
    """Credits of one batch share a moment; some are reversed."""
    reports = [
        metro(
            uuid.uuid4().hex,
            phone,
            started_at=f"2026-{1 + day // 28:02d}-{1 + day % 28:02d}T08:00:00+08:00",
            ended_at=f"2026-{1 + day // 28:02d}-{1 + day % 28:02d}T08:20:00+08:00",
        )
        for day in range(start, start + count)
    ]
    items: list[dict[str, Any]] = (await source.post("/v1/activities/batch", json=reports)).json()["items"]
    assert {item["outcome"] for item in items} <= {"credited", "capped"}, items
    return items


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def booked(stage: Stage) -> set[str]:
    """The activities of the stage's person."""
    first = await trips(stage.source, stage.phone, 0, 17)
    second = await trips(stage.source, stage.phone, 17, 6)
    for item in (*first[3:6], second[0]):
        path = f"/v1/activities/{item['activity_id']}/reversal"
        assert (await stage.source.post(path, json={"reason": "x"})).status_code == 200
    return {item["activity_id"] for item in first + second}


@pytest.mark.parametrize("limit", [1, 2, 7, 53, 54, 55, 200])
async def test_pages_are_complete_and_repeat_nothing(
    stage: Stage, booked: set[str], owner: asyncpg.Connection, limit: int
) -> None:
    holder = uuid.UUID(stage.holder.removeprefix("hld_"))
    count = await owner.fetchval("SELECT count(*) FROM entries WHERE holder_id = $1", holder)
    assert count == (23 + 4) * 2
    found = await pages(stage.resident, ENTRIES, limit)
    assert all(len(page) == limit for page in found[:-1])
    assert 0 < len(found[-1]) <= limit
    items = [item for page in found for item in page]
    ids = [item["entry_id"] for item in items]
    assert len(ids) == len(set(ids)) == count
    assert ids == sorted(ids, reverse=True)
    assert {item["activity_id"] for item in items} == booked
    assert all(item["scene"] == "trip.metro" for item in items)
    # A list is the account, told piece by piece.
    account = (await stage.resident.get("/v1/me/account")).json()
    assert sum(item["points"] or 0 for item in items) == account["points"]
    assert sum(int(item["co2e_g"] or 0) for item in items) == int(account["open_co2e_g"])
    for item in items:
        amount = int(item["co2e_g"] or item["points"])
        assert (amount > 0) is (item["kind"] == "credit")


async def test_what_is_booked_meanwhile_moves_no_page(stage: Stage, phones: Any) -> None:
    phone = phones()
    holder = await stage.city.holder(stage.operator, phone, stage.source)
    resident = await stage.city.resident(stage.operator, holder)
    await trips(stage.source, phone, 0, 10)
    seen = [item["entry_id"] for page in await pages(resident, ENTRIES, 200) for item in page]
    first = (await resident.get(ENTRIES, params={"limit": 7})).json()
    await trips(stage.source, phone, 10, 5)
    collected, cursor = [item["entry_id"] for item in first["items"]], first["next_cursor"]
    while cursor is not None:
        page = (await resident.get(ENTRIES, params={"limit": 7, "cursor": cursor})).json()
        collected += [item["entry_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert collected == seen
    assert len((await resident.get(ENTRIES)).json()["items"]) == 30


async def test_another_holders_cursor_shows_nothing_of_theirs(
    stage: Stage, booked: set[str], phones: Any
) -> None:
    phone = phones()
    holder = await stage.city.holder(stage.operator, phone, stage.source)
    mine = await stage.city.resident(stage.operator, holder)
    assert (await mine.get(ENTRIES)).json() == {"items": [], "next_cursor": None}
    cursor = (await stage.resident.get(ENTRIES, params={"limit": 1})).json()["next_cursor"]
    assert (await mine.get(ENTRIES, params={"cursor": cursor})).json() == {"items": [], "next_cursor": None}
    own = {item["activity_id"] for item in await trips(stage.source, phone, 0, 3)}
    told = (await mine.get(ENTRIES, params={"cursor": "ent_" + "f" * 32})).json()["items"]
    assert {item["activity_id"] for item in told} == own
    nothing = (await mine.get(ENTRIES, params={"cursor": "ent_" + "0" * 32})).json()
    assert nothing == {"items": [], "next_cursor": None}


async def test_bounds_of_a_page(stage: Stage, booked: set[str]) -> None:
    assert len((await stage.resident.get(ENTRIES)).json()["items"]) == 50
    for limit in (0, -1, 201, 10**30):
        answer = await stage.resident.get(ENTRIES, params={"limit": str(limit)})
        assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    for cursor in (
        "",
        "x",
        "ent_",
        "act_" + "0" * 32,
        "ent_" + "G" * 32,
        "ent_" + "0" * 33,
        "\u0000",
        "x" * 5000,
    ):
        answer = await stage.resident.get(ENTRIES, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/cursor"), cursor


@pytest.mark.parametrize("limit", [1, 3, 200])
async def test_methodologies_page_by_page(stage: Stage, limit: int) -> None:
    http = stage.city.http
    known = stage.city.service.catalogue.methodologies
    items = [item for page in await pages(http, "/v1/methodologies", limit) for item in page]
    assert sorted(item["content_hash"] for item in items) == sorted(m.content_hash for m in known)
    order = [(item["region"], item["scene"], item["in_force_from"]) for item in items]
    assert order == sorted(order)
    region = items[0]["region"]
    some = [item for page in await pages(http, "/v1/methodologies", limit, region=region) for item in page]
    assert some == [item for item in items if item["region"] == region]
    both = await pages(http, "/v1/methodologies", limit, region="440300", scene="trip.metro")
    assert [item["scene"] for page in both for item in page] == ["trip.metro"] * len(
        [m for m in known if (m.region, m.scene) == ("440300", "trip.metro")]
    )
    assert await pages(http, "/v1/methodologies", limit, scene="nothing.such") == [[]]


# --- Idempotency-Key -----------------------------------------------------------------------------------


def newcomer(phone: str) -> dict[str, Any]:
    return {"holders": [{"region": "440300", "identities": [{"scheme": "phone", "value": phone}]}]}


BATCH = "/v1/operator/holders/batch"
_reversible = itertools.count()


async def test_the_same_key_and_body_gives_the_first_answer_again(
    stage: Stage, owner: asyncpg.Connection, phones: Any
) -> None:
    phone, key = phones(), uuid.uuid4().hex
    first = await stage.operator.post(BATCH, json=newcomer(phone), headers={"Idempotency-Key": key})
    assert first.json()["items"][0]["created"] is True
    assert "idempotent-replayed" not in first.headers
    before = await kept(owner)
    for _ in range(3):
        again = await stage.operator.post(BATCH, json=newcomer(phone), headers={"Idempotency-Key": key})
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["content-type"] == first.headers["content-type"]
    # Without the key it is a request of its own, and says what is so now.
    plain = await stage.operator.post(BATCH, json=newcomer(phone))
    assert plain.json()["items"][0] == first.json()["items"][0] | {"created": False}
    assert "idempotent-replayed" not in plain.headers
    assert await kept(owner) == before


async def test_another_body_is_a_conflict_and_does_nothing(
    stage: Stage, owner: asyncpg.Connection, phones: Any
) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    assert (await stage.operator.post(BATCH, json=newcomer(phones()), headers=key)).status_code == 200
    before = await kept(owner)
    other = phones()
    answer = await stage.operator.post(BATCH, json=newcomer(other), headers=key)
    assert (answer.status_code, answer.json()["code"]) == (409, "request.idempotency_conflict")
    assert other not in answer.text
    assert await kept(owner) == before


async def test_a_key_counts_for_its_caller_and_address(stage: Stage, phones: Any) -> None:
    key, body = {"Idempotency-Key": "the-same"}, newcomer(phones())
    mine = await stage.operator.post(BATCH, json=body, headers=key)
    platform = await stage.source.post(BATCH, json=body, headers=key)
    assert (platform.status_code, platform.json()["items"][0]["holder_id"]) == (200, None)
    assert "idempotent-replayed" not in platform.headers
    other = await stage.city.client("operator", "440000")
    theirs = await other.post(BATCH, json=newcomer(phones()), headers=key)
    assert theirs.status_code == 200
    holder = mine.json()["items"][0]["holder_id"]
    path = f"/v1/operator/holders/{holder}/consents/withdrawal"
    assert (await stage.operator.post(path, json={}, headers=key)).json() == {"withdrawn": 0}


async def test_one_key_at_once_runs_once(stage: Stage, owner: asyncpg.Connection, phones: Any) -> None:
    phone = phones()
    await stage.city.holder(stage.operator, phone, stage.source)
    (item,) = await trips(stage.source, phone, 0, 1)
    path = f"/v1/activities/{item['activity_id']}/reversal"
    before = await kept(owner)
    key = {"Idempotency-Key": uuid.uuid4().hex}
    answers = await asyncio.gather(
        *(stage.source.post(path, json={"reason": "refund"}, headers=key) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert (await kept(owner))["entries"] == before["entries"] + 2
    assert (await stage.source.post(path, json={"reason": "refund"})).status_code == 409


async def test_what_failed_is_not_kept(stage: Stage, phones: Any) -> None:
    """A refusal changes nothing, so the same key may try again once the reason has gone."""
    key = {"Idempotency-Key": uuid.uuid4().hex}
    path = f"/v1/operator/holders/{'hld_' + '1' * 32}/consents/withdrawal"
    for _ in range(2):
        answer = await stage.operator.post(path, json={}, headers=key)
        assert answer.status_code == 404
        assert "idempotent-replayed" not in answer.headers
    answer = await stage.operator.post(BATCH, json={"holders": 5}, headers=key)
    assert answer.status_code == 422
    assert (await stage.operator.post(BATCH, json=newcomer(phones()), headers=key)).status_code == 200


@pytest.mark.parametrize("key", [b"", b"x" * 256, "ключ".encode(), b"a\tb", b"\xff"])
async def test_a_key_that_is_none(stage: Stage, owner: asyncpg.Connection, phones: Any, key: bytes) -> None:
    before = await kept(owner)
    headers: Any = {"Idempotency-Key": key}
    answer = await stage.operator.post(BATCH, json=newcomer(phones()), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert await kept(owner) == before
