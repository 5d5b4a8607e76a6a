"""Holders: onboarding, consents, and that nobody can read or ask who they are."""

import asyncio
import hashlib
import itertools
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from api.stage import Stage, kept
from helpers import Caller, City, metro

from app.auth import scopes
from app.wiring import Services

BATCH = "/v1/operator/holders/batch"
_days = itertools.count(1)


def person(
    *identities: tuple[str, str], consents: list[dict[str, Any]] | None = None, **over: Any
) -> dict[str, Any]:
    named = [{"scheme": scheme, "value": value} for scheme, value in identities]
    return {"region": "440300", "identities": named, "consents": consents or []} | over


def consent(
    source: Caller | None, *groups: str, at: str = "2020-01-01T00:00:00+08:00", **over: Any
) -> dict[str, Any]:
    named = {} if source is None else {"source_id": source.organisation_id}
    given = {"scene_groups": list(groups), "text_version": "t1", "receipt_id": "r1", "granted_at": at}
    return named | given | over


def trip(phone: str, day: int | None = None, **over: Any) -> dict[str, Any]:
    """A trip on a day of its own in 2026."""
    day = next(_days) if day is None else day
    month, number = 1 + day // 28, 1 + day % 28
    date = f"2026-{month:02d}-{number:02d}"
    times = {"started_at": f"{date}T08:00:00+08:00", "ended_at": f"{date}T08:25:00+08:00"}
    return metro(uuid.uuid4().hex, phone, **(times | over))


async def onboard(who: Caller, *holders: dict[str, Any], **kwargs: Any) -> list[dict[str, Any]]:
    answer = await who.post(BATCH, json={"holders": list(holders)}, **kwargs)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    assert len(items) == len(holders)
    return items


async def report(who: Caller, body: dict[str, Any]) -> dict[str, Any]:
    answer = await who.post("/v1/activities", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_the_same_holder_again_is_the_same_holder(
    stage: Stage, owner: asyncpg.Connection, phones: Any
) -> None:
    batch = [
        person(("phone", phones()), consents=[consent(stage.source, "trip", "movement")]) for _ in range(30)
    ]
    first = await onboard(stage.operator, *batch)
    assert all(item["created"] and item["holder_id"] and item["error"] is None for item in first)
    assert len({item["holder_id"] for item in first}) == 30
    rows = await kept(owner)
    again = await onboard(stage.operator, *reversed(batch))
    assert [item["holder_id"] for item in again] == [item["holder_id"] for item in reversed(first)]
    assert not any(item["created"] for item in again)
    assert await kept(owner) == rows
    # Spelled otherwise, it is the same number.
    number = batch[0]["identities"][0]["value"]
    for spelling in (f"+86 {number}", f"86-{number}", f"{number[:3]} {number[3:7]} {number[7:]}"):
        assert (await onboard(stage.operator, person(("phone", spelling))))[0]["holder_id"] == first[0][
            "holder_id"
        ]
    assert await kept(owner) == rows


async def test_a_batch_is_a_handful_of_statements(stage: Stage, service: Services, phones: Any) -> None:
    # Its cost is measured in time: five thousand one by one would need thirty thousand round trips.
    batch = [
        person(("phone", phones()), consents=[consent(stage.source, "trip", "movement")]) for _ in range(2000)
    ]
    began = time.perf_counter()
    items = await onboard(stage.operator, *batch)
    assert all(item["created"] for item in items)
    assert time.perf_counter() - began < 6


async def test_the_same_person_twice_in_a_batch(stage: Stage, owner: asyncpg.Connection, phones: Any) -> None:
    number, other = phones(), phones()
    before = await kept(owner)
    items = await onboard(
        stage.operator,
        person(("phone", number)),
        person(
            ("phone", "+86" + number), consents=[consent(stage.source, "trip"), consent(stage.source, "trip")]
        ),
        person(("wechat", "w-" + number), ("phone", number)),
        person(("wechat", "w-" + number)),
        person(("phone", other)),
    )
    assert [item["created"] for item in items] == [True, False, False, False, True]
    assert len({item["holder_id"] for item in items}) == 2
    after = await kept(owner)
    grown = {table: after[table] - before[table] for table in ("holders", "identities", "consents")}
    assert grown == {"holders": 2, "identities": 3, "consents": 1}


async def test_identities_of_two_people_conflict_and_change_nothing(
    stage: Stage, owner: asyncpg.Connection, phones: Any
) -> None:
    one, two, three = phones(), phones(), phones()
    first, second = await onboard(stage.operator, person(("phone", one)), person(("phone", two)))
    before = await kept(owner)
    items = await onboard(
        stage.operator,
        person(
            ("phone", one), ("phone", two), ("wechat", "new-" + one), consents=[consent(stage.source, "trip")]
        ),
        person(("phone", one)),
        person(("phone", "123")),
        person(("phone", three), region="310000"),
        person(("source_user", "u"), consents=[]),
        person(("phone", three), consents=[consent(stage.operator, "trip")]),
        person(("phone", three), consents=[consent(None, "trip")]),
        person(("phone", three), consents=[consent(stage.source, "trip", source_id="org_" + "1" * 32)]),
    )
    assert [item["error"] for item in items] == [
        "identity_conflict",
        None,
        "phone_invalid",
        "out_of_region",
        "source_invalid",
        "source_invalid",
        "source_invalid",
        "source_invalid",
    ]
    assert items[1]["holder_id"] == first["holder_id"] != second["holder_id"]
    assert all(item["holder_id"] is None and item["created"] is None for item in items if item["error"])
    assert await kept(owner) == before


async def test_batches_at_once_make_one_holder(
    city: City, stage: Stage, owner: asyncpg.Connection, phones: Any
) -> None:
    shared = [phones() for _ in range(20)]
    before = await kept(owner)
    callers = [stage.operator, await city.client("operator", "100000"), stage.source, stage.other]

    async def one(index: int) -> list[dict[str, Any]]:
        order = shared if index % 2 else shared[::-1]
        items = await onboard(callers[index % 4], *(person(("phone", number)) for number in order))
        return items if index % 2 else items[::-1]

    answers = await asyncio.gather(*(one(index) for index in range(12)))
    after = await kept(owner)
    assert after["holders"] - before["holders"] == 20
    assert after["identities"] - before["identities"] == 20
    told = [[item["holder_id"] for item in items] for index, items in enumerate(answers) if index % 4 < 2]
    assert all(ids == told[0] for ids in told)
    assert await owner.fetchval("SELECT count(*) FROM balances") == after["holders"]


async def test_a_platforms_own_names_are_its_own(stage: Stage, phones: Any) -> None:
    name = "user-7-" + uuid.uuid4().hex
    one, two = phones(), phones()
    for source, number in ((stage.source, one), (stage.other, two)):
        own = [consent(None, "trip", "movement")]
        items = await onboard(source, person(("source_user", name), ("phone", number), consents=own))
        assert items == [{"holder_id": None, "created": None, "error": None}]
    known = await onboard(stage.operator, person(("phone", one)), person(("phone", two)))
    assert known[0]["holder_id"] != known[1]["holder_id"]
    subject = {"scheme": "source_user", "value": name}
    for source, number, holder in (
        (stage.source, one, known[0]["holder_id"]),
        (stage.other, two, known[1]["holder_id"]),
    ):
        body = trip(number)
        credited = await report(source, body | {"subject": subject})
        assert credited["outcome"] == "credited"
        resident = await stage.city.resident(stage.operator, holder)
        account = (await resident.get("/v1/me/account")).json()
        assert account["open_co2e_g"] == "467"
    # An operator says whose name it is.
    named = person(("phone", phones()))
    named["identities"] = [
        {"scheme": "source_user", "value": name, "source_id": stage.source.organisation_id}
    ]
    assert (await onboard(stage.operator, named))[0]["holder_id"] == known[0]["holder_id"]
    named["identities"] = [{"scheme": "phone", "value": one, "source_id": stage.source.organisation_id}]
    assert (await onboard(stage.operator, named))[0]["error"] == "source_unexpected"


async def test_a_platform_onboards_for_itself_only(
    stage: Stage, owner: asyncpg.Connection, phones: Any
) -> None:
    number = phones()
    foreign = person(("phone", number))
    foreign["identities"] = [
        {"scheme": "source_user", "value": "x", "source_id": stage.other.organisation_id}
    ]
    before = await kept(owner)
    items = await onboard(
        stage.source,
        person(("phone", number), consents=[consent(stage.other, "trip")]),
        person(("phone", number), consents=[consent(None, "trip"), consent(stage.other, "trip")]),
        foreign,
    )
    assert [item["error"] for item in items] == ["source_invalid"] * 3
    assert await kept(owner) == before


async def test_a_platform_learns_nothing_of_who_takes_part(stage: Stage, phones: Any) -> None:
    """Known, unknown, known elsewhere, and in conflict with somebody known: one answer."""
    known, free, far, elsewhere = phones(), phones(), phones(), phones()
    nation = await stage.city.client("operator", "100000")
    await onboard(nation, person(("phone", known)), person(("phone", elsewhere), region="310000"))
    mine = "mine-" + uuid.uuid4().hex
    await onboard(stage.source, person(("source_user", mine)))
    answers = {
        name: (await stage.source.post(BATCH, json={"holders": [person(*identities)]})).content
        for name, identities in {
            "known": [("phone", known)],
            "unknown": [("phone", free)],
            "known elsewhere": [("phone", elsewhere)],
            "mine and nobody's": [("source_user", mine), ("phone", far)],
            "mine and somebody's": [("source_user", mine), ("phone", known)],
        }.items()
    }
    assert len(set(answers.values())) == 1, answers


async def test_unknown_and_unconsented_read_alike(
    stage: Stage, owner: asyncpg.Connection, phones: Any
) -> None:
    consented_to_other, without, withdrawn, no_movement, unknown = (phones() for _ in range(5))
    items = await onboard(
        stage.operator,
        person(("phone", consented_to_other), consents=[consent(stage.other, "trip", "movement")]),
        person(("phone", without)),
        person(("phone", withdrawn), consents=[consent(stage.source, "trip", "movement")]),
        person(("phone", no_movement), consents=[consent(stage.source, "trip")]),
    )
    answer = await stage.operator.post(
        f"/v1/operator/holders/{items[2]['holder_id']}/consents/withdrawal", json={}
    )
    assert answer.json() == {"withdrawn": 2}
    before = await kept(owner)
    bodies = {
        "unknown": trip(unknown),
        "malformed": trip("not a number"),
        "other source": trip(consented_to_other),
        "no consent": trip(without),
        "withdrawn": trip(withdrawn),
        "no movement": trip(no_movement),
        "unknown scheme": trip("x", subject={"scheme": "star_sign", "value": "x"}),
        "unknown user": trip("x", subject={"scheme": "source_user", "value": "x"}),
    }
    single, batch = {}, {}
    for name, body in bodies.items():
        body["event_id"] = "same"
        answer = await stage.source.post("/v1/activities", json=body)
        headers = {key: value for key, value in answer.headers.items() if key != "date"}
        single[name] = (answer.status_code, answer.content, tuple(sorted(headers.items())))
        answer = await stage.source.post("/v1/activities/batch", json=[body])
        batch[name] = (answer.status_code, answer.content)
    assert len(set(single.values())) == 1, single
    assert len(set(batch.values())) == 1, batch
    assert b'"reason":"no_consent"' in single["unknown"][1]
    assert await kept(owner) == before


async def test_no_consent_is_not_final(stage: Stage, phones: Any, owner: asyncpg.Connection) -> None:
    number = phones()
    body = trip(number)
    for _ in range(2):
        assert (await report(stage.source, body))["reason"] == "no_consent"
    # Other words under the same id are no conflict either: nothing was kept.
    assert (await report(stage.source, body | {"distance_m": 5_000}))["reason"] == "no_consent"
    await onboard(stage.operator, person(("phone", number)))
    assert (await report(stage.source, body))["reason"] == "no_consent"
    await onboard(stage.source, person(("phone", number), consents=[consent(None, "trip", "movement")]))
    credited = await report(stage.source, body)
    assert (credited["outcome"], credited["co2e_g"], credited["replayed"]) == ("credited", "467", False)
    assert (await report(stage.source, body)) == credited | {"replayed": True}


async def test_a_consent_is_live_at_the_act_and_at_booking(stage: Stage, phones: Any) -> None:
    number = phones()
    (item,) = await onboard(
        stage.operator,
        person(
            ("phone", number),
            consents=[consent(stage.source, "trip", "movement", at="2026-03-10T08:00:00+08:00")],
        ),
    )
    times = [
        ("2026-03-09T08:00:00+08:00", "2026-03-09T08:25:00+08:00", "no_consent"),
        ("2026-03-10T07:59:00+08:00", "2026-03-10T08:24:00+08:00", "no_consent"),
        ("2026-03-10T08:00:00+08:00", "2026-03-10T08:25:00+08:00", None),
        ("2026-03-11T08:00:00+08:00", "2026-03-11T08:25:00+08:00", None),
    ]
    for start, end, reason in times:
        told = await report(stage.source, trip(number, started_at=start, ended_at=end))
        assert told["reason"] == reason, (start, told)
    late = trip(number, started_at="2026-03-12T08:00:00+08:00", ended_at="2026-03-12T08:25:00+08:00")
    path = f"/v1/operator/holders/{item['holder_id']}/consents/withdrawal"
    # Ending one of the two groups that a trip needs is enough; another's consents are not touched.
    await onboard(
        stage.operator, person(("phone", number), consents=[consent(stage.other, "trip", "movement")])
    )
    ended = await stage.operator.post(
        path, json={"source_id": stage.source.organisation_id, "scene_group": "movement"}
    )
    assert ended.json() == {"withdrawn": 1}
    assert (await report(stage.source, late))["reason"] == "no_consent"
    assert (await report(stage.other, late))["outcome"] == "credited"
    assert (await stage.operator.post(path, json={"scene_group": "movement"})).json() == {"withdrawn": 1}
    assert (await stage.operator.post(path, json={"scene_group": "movement"})).json() == {"withdrawn": 0}
    assert (await stage.operator.post(path, json={})).json() == {"withdrawn": 2}
    # The consent that was withdrawn does not come to life when it is sent again; a new one does.
    old = consent(stage.source, "trip", "movement", at="2026-03-10T08:00:00+08:00")
    await onboard(stage.operator, person(("phone", number), consents=[old]))
    assert (await report(stage.source, late))["reason"] == "no_consent"
    now = datetime.now(UTC)
    new = consent(stage.source, "trip", "movement", at=now.isoformat())
    await onboard(stage.operator, person(("phone", number), consents=[new]))
    assert (await report(stage.source, late))["reason"] == "no_consent"
    ended_at = now + timedelta(minutes=4)
    after = trip(
        number,
        started_at=(now + timedelta(seconds=1)).isoformat(),
        ended_at=ended_at.isoformat(),
        distance_m=2000,
    )
    assert (await report(stage.source, after))["outcome"] == "credited"


async def test_a_withdrawal_and_reports_at_once(stage: Stage, phones: Any, owner: asyncpg.Connection) -> None:
    """Whatever the order, nothing is credited after the withdrawal was answered."""
    number = phones()
    (item,) = await onboard(
        stage.operator, person(("phone", number), consents=[consent(stage.source, "trip", "movement")])
    )
    path = f"/v1/operator/holders/{item['holder_id']}/consents/withdrawal"
    done = asyncio.Event()

    async def withdraw() -> None:
        await asyncio.sleep(0.02)
        assert (await stage.operator.post(path, json={})).json() == {"withdrawn": 2}
        done.set()

    async def ask(day: int) -> None:
        await asyncio.sleep(0.002 * day)
        ended = done.is_set()
        told = await report(stage.source, trip(number, day=120 + day))
        if ended:
            assert told["reason"] == "no_consent"

    await asyncio.gather(withdraw(), *(ask(day) for day in range(40)))
    holder = uuid.UUID(item["holder_id"].removeprefix("hld_"))
    withdrawn_at = await owner.fetchval("SELECT max(withdrawn_at) FROM consents WHERE holder_id = $1", holder)
    booked = await owner.fetchval("SELECT max(booked_at) FROM entries WHERE holder_id = $1", holder)
    assert booked is None or booked <= withdrawn_at


async def test_organisations_earn_like_people(stage: Stage, owner: asyncpg.Connection) -> None:
    code, wrong = "91440300708461136T", "91440300708461136X"
    items = await onboard(
        stage.operator,
        person(("uscc", code), kind="organisation", consents=[consent(stage.source, "trip", "movement")]),
        person(("uscc", code.lower()), kind="organisation"),
        person(("uscc", wrong), kind="organisation"),
    )
    assert items[0]["created"], items
    assert items[1] == {"holder_id": items[0]["holder_id"], "created": False, "error": None}
    assert items[2]["error"] == "uscc_check"
    told = await report(stage.source, trip("x", subject={"scheme": "uscc", "value": code}))
    assert (told["outcome"], told["co2e_g"]) == ("credited", "467")
    account = (await stage.operator.get(f"/v1/operator/holders/{items[0]['holder_id']}")).json()
    assert (account["kind"], account["open_co2e_g"]) == ("organisation", "467")


def traces(identifier: str) -> set[str]:
    """How an identifier could be found: in the clear, as bytes, backwards, or as a hash that anybody can compute."""
    raw = identifier.encode()
    hashed = {
        name: hashlib.new(name, raw).hexdigest()
        for name in ("md5", "sha1", "sha256", "sha512", "blake2b", "blake2s")
    }
    short = hashlib.blake2b(raw, digest_size=16).hexdigest()
    return {
        identifier,
        identifier[::-1],
        raw.hex(),
        short,
        *hashed.values(),
        *(h[:32] for h in hashed.values()),
    }


async def test_nothing_is_kept_in_the_clear(
    city: City, stage: Stage, service: Services, owner: asyncpg.Connection, phones: Any, capfd: Any
) -> None:
    number, order, user, id_no = phones(), "order-Qx9vTT81", "user-Zk44Lw", "11010519491231002X"
    longitude, latitude = "113.98765432", "22.54321098"
    key = "key-" + uuid.uuid4().hex
    everyone = person(
        ("phone", number),
        ("id_no", id_no),
        ("source_user", user),
        consents=[consent(None, "trip", "movement")],
    )
    capfd.readouterr()
    await onboard(stage.source, everyone, headers={"Idempotency-Key": key})
    await onboard(stage.operator, person(("phone", number)), headers={"Idempotency-Key": key})
    place = {"lng": float(longitude), "lat": float(latitude)}
    body = trip(number, order_no=order, start=place, end=place)
    credited = await report(stage.source, body)
    assert credited["outcome"] == "credited"
    assert (await stage.source.post("/v1/activities/batch", json=[body])).status_code == 200
    assert (await stage.source.post("/v1/activities", json=body | {"distance_m": 1})).status_code == 409
    assert (await stage.other.post("/v1/activities", json=body)).json()["reason"] == "no_consent"
    undone = await stage.source.post(
        f"/v1/activities/{credited['activity_id']}/reversal", json={"reason": "refund"}
    )
    assert undone.status_code == 200
    out, err = capfd.readouterr()

    places = [
        (row[0], row[1])
        for row in await owner.fetch(
            "SELECT table_name, column_name FROM information_schema.columns c JOIN information_schema.tables t"
            " USING (table_schema, table_name) WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'"
            " AND table_name <> 'alembic_version'"
        )
    ]
    assert {"idempotent_answers", "activities", "receipts", "audit_records"} <= {table for table, _ in places}
    assert len(places) > 100
    kept_text = {}
    for table in {table for table, _ in places}:
        kept_text[table] = "\n".join(row[0] for row in await owner.fetch(f"SELECT t::text FROM {table} t"))
    cached = []
    async for name in service.redis.scan_iter(match="*"):
        cached += [str(name), str(await service.redis.get(name))]
    # The search itself works: what may be kept is found.
    assert credited["activity_id"].removeprefix("act_") in kept_text["activities"].replace("-", "")
    for identifier in (number, order, user, id_no, longitude, latitude, key, stage.phone, body["event_id"]):
        for trace in (found.replace("-", "") for found in traces(identifier)):
            for table, text in kept_text.items():
                assert trace not in text.replace("-", ""), (table, identifier)
            assert trace not in "\n".join(cached).replace("-", ""), identifier
            assert trace not in (out + err).replace("-", ""), identifier


async def test_the_scope_for_onboarding_is_asked(
    stage: Stage, phones: Any, owner: asyncpg.Connection
) -> None:
    reporter = await stage.city.client("platform", scopes=(scopes.ACTIVITIES_WRITE,))
    before = await kept(owner)
    answer = await reporter.post(BATCH, json={"holders": [person(("phone", phones()))]})
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.scope")
    assert await kept(owner) == before


@pytest.mark.parametrize("size", [0, 1])
async def test_a_small_batch(stage: Stage, phones: Any, size: int) -> None:
    assert len(await onboard(stage.operator, *(person(("phone", phones())) for _ in range(size)))) == size


async def test_a_late_report_of_an_older_consent_stays_withdrawn(city: City, phone: str) -> None:
    operator = await city.client("operator", "440000")
    source = await city.client("platform")
    holder = await city.holder(operator, phone, source)
    withdrawn = await operator.post(f"/v1/operator/holders/{holder}/consents/withdrawal", json={})
    assert withdrawn.json()["withdrawn"] > 0
    await city.holder(operator, phone, source, granted_at="2021-06-01T00:00:00+08:00")
    refused = (await source.post("/v1/activities", json=metro("late", phone))).json()
    assert refused["reason"] == "no_consent"
