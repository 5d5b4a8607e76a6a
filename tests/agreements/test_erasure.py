"""Erasure: what leads to the person is destroyed, the books stay, the same act cannot come back."""

import asyncio
import datetime
import uuid
from typing import Any

import asyncpg
import pytest
from agreements.people import Resident, breaches, signed_in, wish
from crediting.desk import clothes
from helpers import Caller, City, metro
from sqlalchemy import text

from accounts.ids import parse_public_id, public_id
from app.my_data import erasure
from app.problems import RequestError
from app.wiring import Services, utc_now

WAIT = datetime.timedelta(days=7)


class Scene:
    """A person with everything that a person may have."""

    def __init__(self, operator: Caller, source: Caller, person: Resident) -> None:
        self.operator, self.source, self.person = operator, source, person
        self.holder = parse_public_id("hld", person.holder_id)
        self.report = metro("left-" + uuid.uuid4().hex, person.phone)


@pytest.fixture
async def scene(city: City, phone: str) -> Scene:
    operator, source = await city.client("operator", "440000"), await city.client("platform")
    holder = await city.holder(operator, phone, source)
    made = Scene(operator, source, signed_in(city, holder, phone))
    person = made.person
    assert (await source.post("/v1/activities", json=made.report)).json()["outcome"] == "credited"
    bags = clothes(phone, "left-" + phone)
    assert (await source.post("/v1/activities", json=bags)).json()["outcome"] == "credited"
    started = (await person.post("/v1/me/bindings", json=wish(source, "trip"))).json()
    redeemed = {"link_token": started["link_token"], "user_id": "left-" + phone}
    assert (await source.post("/v1/bindings", json=redeemed)).status_code == 200
    assert (await person.post("/v1/me/bindings", json=wish(source))).status_code == 200
    terms = await source.post(
        "/v1/mandate-terms", json={"version": "1", "holder_percent": 60, "text_zh": "x", "text_en": "x"}
    )
    mandate = {"terms_id": terms.json()["terms_id"]}
    assert (await person.post("/v1/me/mandates", json=mandate)).status_code == 200
    assert (await person.post("/v1/me/exports")).status_code == 200
    correction = {"subject": "region", "region": "440100", "explanation": "I moved to Nanjing Road"}
    assert (await person.post("/v1/me/corrections", json=correction)).status_code == 200
    return made


async def run_job(service: Services, now: datetime.datetime) -> None:
    """What the job does, with its lease."""
    async with service.database.transaction() as session:
        await session.exec(  # type: ignore[call-overload]
            text("SELECT 1 FROM jobs WHERE name = 'erase_holders' FOR UPDATE")
        )
        await erasure.erase_due(service, session, now)


async def books(owner: asyncpg.Connection, scene: Scene) -> Any:
    return await owner.fetchrow(
        "SELECT status, open_mg, points FROM balances WHERE holder_id = $1", scene.holder
    )


async def test_a_person_is_forgotten_and_the_books_stay(
    city: City, service: Services, scene: Scene, owner: asyncpg.Connection
) -> None:
    person = scene.person
    _, grams, points = await books(owner, scene)
    key = await owner.fetchval("SELECT person_key FROM holders WHERE id = $1", scene.holder)
    asked = await person.post("/v1/me/erasure")
    due = datetime.datetime.fromisoformat(asked.json()["due_at"])
    assert abs(due - utc_now() - WAIT) < datetime.timedelta(minutes=1)
    assert "not anonymous" in asked.json()["notice"]["en"]
    assert "假名化" in asked.json()["notice"]["zh"]

    # Until it is due, everything goes on.
    await run_job(service, due - datetime.timedelta(seconds=1))
    assert (await books(owner, scene))[0] == 1
    assert (await person.get("/v1/me/erasure")).json() == asked.json()

    entries = await owner.fetchval("SELECT count(*) FROM entries WHERE holder_id = $1", scene.holder)
    await run_job(service, due)
    assert tuple(await books(owner, scene)) == (2, grams, 0)
    assert await owner.fetchval("SELECT count(*) FROM identities WHERE holder_id = $1", scene.holder) == 0
    tombstone = await owner.fetchval("SELECT person_key FROM holders WHERE id = $1", scene.holder)
    assert tombstone != key
    assert len(tombstone) == 32
    expired = await owner.fetch(
        "SELECT e.amount, e.debit, e.credit FROM entries e WHERE holder_id = $1 AND kind = 7", scene.holder
    )
    assert sum(row["amount"] for row in expired) == points
    assert {(row["debit"], row["credit"]) for row in expired} == {(20, 5)}
    assert await owner.fetchval(
        "SELECT count(*) FROM entries WHERE holder_id = $1", scene.holder
    ) == entries + len(expired)
    for query in (
        "SELECT count(*) FROM consents WHERE holder_id = $1 AND withdrawn_at IS NULL",
        "SELECT count(*) FROM bindings WHERE holder_id = $1 AND ended_at IS NULL",
        "SELECT count(*) FROM corrections WHERE holder_id = $1 AND explanation <> ''",
        "SELECT count(*) FROM exports WHERE holder_id = $1 AND state <> 'gone'",
        """
        SELECT count(*) FROM mandates m WHERE holder_id = $1
          AND NOT EXISTS (SELECT FROM mandate_withdrawals w WHERE w.mandate_id = m.id)
        """,
    ):
        assert await owner.fetchval(query, scene.holder) == 0, query
    # The record says that it happened, and nothing of the person.
    record = await owner.fetchrow(
        "SELECT * FROM audit_records WHERE action = 'holder.erased' AND target_id = $1", person.holder_id
    )
    assert record["actor_name"] == "system"
    assert not any(person.phone in str(value) for value in record.values())

    # What is out of a token can change nothing, and no platform's report counts.
    for path, body in (
        ("/v1/me/consents", wish(scene.source, "trip")),
        ("/v1/me/exports", None),
        ("/v1/me/erasure", None),
    ):
        answer = await person.post(path, json=body)
        assert answer.json()["code"] == "account.closed", path
    again = await scene.source.post("/v1/activities", json=metro(uuid.uuid4().hex, person.phone))
    assert again.json()["reason"] == "no_consent"
    user = {"scheme": "source_user", "value": "left-" + person.phone}
    again = await scene.source.post(
        "/v1/activities", json=metro(uuid.uuid4().hex, person.phone, subject=user)
    )
    assert again.json()["reason"] == "no_consent"
    assert await breaches(city) == []


async def test_who_comes_back_is_somebody_new_and_the_same_act_is_not(
    city: City, service: Services, scene: Scene, owner: asyncpg.Connection
) -> None:
    person = scene.person
    due = datetime.datetime.fromisoformat((await person.post("/v1/me/erasure")).json()["due_at"])
    await run_job(service, due)
    anew = await city.holder(scene.operator, person.phone, scene.source)
    assert anew != person.holder_id
    # The very report is known; the same trip under another event is claimed; a bag of the same order too.
    known = (await scene.source.post("/v1/activities", json=scene.report)).json()
    assert (known["outcome"], known["replayed"]) == ("credited", True)
    for report, reason in (
        (scene.report | {"event_id": uuid.uuid4().hex}, "claimed_body"),
        (clothes(person.phone, "left-" + person.phone), "claimed_order"),
    ):
        answer = (await scene.source.post("/v1/activities", json=report)).json()
        assert (answer["outcome"], answer["reason"]) == ("duplicate", reason)
    fresh = signed_in(city, anew, person.phone)
    account = (await fresh.get("/v1/me/account")).json()
    assert (account["open_co2e_g"], account["points"]) == ("0", 0)
    for path in ("consents", "receipts", "mandates", "bindings", "exports", "corrections", "access-log"):
        items = (await fresh.get(f"/v1/me/{path}")).json()["items"]
        assert len(items) == (6 if path == "consents" else 0), path
    # The trip of tomorrow counts as anybody's.
    other = metro(
        uuid.uuid4().hex,
        person.phone,
        started_at="2026-11-12T08:00:00+08:00",
        ended_at="2026-11-12T08:25:00+08:00",
    )
    assert (await scene.source.post("/v1/activities", json=other)).json()["outcome"] == "credited"
    assert await breaches(city) == []


async def test_a_wish_can_be_taken_back(city: City, service: Services, scene: Scene) -> None:
    person = scene.person
    assert (await person.get("/v1/me/erasure")).json()["code"] == "erasure.not_found"
    assert (await person.post("/v1/me/erasure/cancellation")).json()["code"] == "erasure.not_found"
    first = (await person.post("/v1/me/erasure")).json()
    assert (await person.post("/v1/me/erasure")).json() == first
    assert (await person.post("/v1/me/erasure/cancellation")).json() == {"cancelled": True}
    await run_job(service, datetime.datetime.fromisoformat(first["due_at"]))
    assert (await person.get("/v1/me/erasure")).status_code == 404
    assert (await person.get("/v1/me/consents")).json()["items"][0]["withdrawn_at"] is None
    # Once more, it waits anew.
    second = (await person.post("/v1/me/erasure")).json()
    assert second["erasure_id"] != first["erasure_id"]


async def test_cancelling_and_erasing_at_once_do_one_of_the_two(
    city: City, service: Services, scene: Scene, owner: asyncpg.Connection
) -> None:
    person = scene.person
    asked = (await person.post("/v1/me/erasure")).json()
    found = parse_public_id("ers", asked["erasure_id"])
    assert found is not None
    assert scene.holder is not None
    holder = scene.holder

    async def erase() -> bool:
        async with service.database.transaction() as session:
            return await erasure.erase(service, session, holder, found, utc_now())

    results = await asyncio.gather(
        *(erase() for _ in range(5)), *(person.post("/v1/me/erasure/cancellation") for _ in range(20))
    )
    erased = sum(result is True for result in results)
    cancelled = sum(not isinstance(result, bool) and result.status_code == 200 for result in results)
    assert erased + cancelled == 1
    assert (await books(owner, scene))[0] == (2 if erased else 1)
    assert await breaches(city) == []


async def test_reports_against_an_erasure(
    city: City, service: Services, scene: Scene, owner: asyncpg.Connection
) -> None:
    """Credits that come in meanwhile are booked before it or refused after it; the books agree."""
    person = scene.person
    asked = (await person.post("/v1/me/erasure")).json()
    due = datetime.datetime.fromisoformat(asked["due_at"])
    reports = [
        scene.source.post("/v1/activities", json=clothes(person.phone, f"{person.phone}-{n}"))
        for n in range(30)
    ]
    answers = await asyncio.gather(*reports[:15], run_job(service, due), *reports[15:])
    outcomes = {(a.json()["outcome"], a.json()["reason"]) for a in answers if a is not None}
    assert outcomes <= {("credited", None), ("rejected", "no_consent"), ("rejected", "cap_reached")}
    assert tuple(await books(owner, scene))[::2] == (2, 0)
    assert await breaches(city) == []


async def test_onboarding_that_waits_for_an_erasure_makes_somebody_new(
    city: City, service: Services, scene: Scene, owner: asyncpg.Connection
) -> None:
    """It saw the person before the erasure committed, and goes on after it."""
    asked = (await scene.person.post("/v1/me/erasure")).json()
    wished = parse_public_id("ers", asked["erasure_id"])
    assert wished is not None
    assert scene.holder is not None
    key = await owner.fetchval("SELECT person_key FROM holders WHERE id = $1", scene.holder)
    async with service.database.transaction() as session:
        assert await erasure.erase(service, session, scene.holder, wished, utc_now())
        onboarding = asyncio.create_task(city.holder(scene.operator, scene.person.phone, scene.source))
        async with asyncio.timeout(10):
            while not await owner.fetchval(  # noqa: ASYNC110 - the server's state
                "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
            ):
                await asyncio.sleep(0.005)
    anew = parse_public_id("hld", await onboarding)
    assert anew != scene.holder
    # The same person has the same key, so that what was claimed stays claimed.
    assert await owner.fetchval("SELECT person_key FROM holders WHERE id = $1", anew) == key
    assert await breaches(city) == []


async def test_points_on_hold_are_waited_for(
    service: Services, scene: Scene, owner: asyncpg.Connection
) -> None:
    due = datetime.datetime.fromisoformat((await scene.person.post("/v1/me/erasure")).json()["due_at"])
    change = "UPDATE balances SET points = points {0} 5, held_points = held_points {1} 5 WHERE holder_id = $1"
    await owner.execute(change.format("-", "+"), scene.holder)
    await run_job(service, due)
    assert (await books(owner, scene))[0] == 1
    await owner.execute(change.format("+", "-"), scene.holder)
    await run_job(service, due)
    assert (await books(owner, scene))[0] == 2


async def test_whoever_is_erased_is_signed_out_in_the_same_commit(
    city: City, service: Services, scene: Scene, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await city.signed_in(public_id("hld", scene.holder))
    due = datetime.datetime.fromisoformat((await scene.person.post("/v1/me/erasure")).json()["due_at"])

    async def failing(*_: Any) -> None:
        raise OSError("not yet")

    with monkeypatch.context() as patched:
        patched.setattr(erasure.resident_repository, "next_epoch", failing)
        with pytest.raises(OSError, match="not yet"):
            await run_job(service, due)
    assert (await books(owner, scene))[0] == 1
    assert await owner.fetchval("SELECT count(*) FROM identities WHERE holder_id = $1", scene.holder)
    await run_job(service, due)
    assert (await books(owner, scene))[0] == 2
    ended = "SELECT count(*) FROM resident_sessions WHERE holder_id = $1 AND ended_at IS NOT NULL"
    assert await owner.fetchval(ended, scene.holder) == 1
    now = datetime.datetime.now(datetime.UTC)
    async with service.database.reading() as session:
        await service.tokens.keys.refresh(session, now)
    with pytest.raises(RequestError):
        service.tokens.verify(person.token, now)


async def test_one_that_fails_keeps_nobody_waiting(
    city: City,
    service: Services,
    scene: Scene,
    phones: Any,
    owner: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = signed_in(city, await city.holder(scene.operator, phones()))
    for person in (scene.person, other):
        due = datetime.datetime.fromisoformat((await person.post("/v1/me/erasure")).json()["due_at"])

    async def failing(session: Any, holder_id: Any, now: datetime.datetime) -> None:
        if holder_id == scene.holder:
            raise OSError("not this one")

    monkeypatch.setattr(erasure.resident_repository, "next_epoch", failing)
    with pytest.raises(OSError, match="not this one"):
        await run_job(service, due)
    statuses = [
        await owner.fetchval(
            "SELECT status FROM balances WHERE holder_id = $1", parse_public_id("hld", person.holder_id)
        )
        for person in (scene.person, other)
    ]
    assert statuses == [1, 2]
