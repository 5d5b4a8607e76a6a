"""Consents that residents give and withdraw themselves: by the text, at once, with a receipt that proves it."""

import asyncio
import datetime
import json
import uuid

import asyncpg
import jwt
import pytest
from agreements.people import VERSION, breaches, resident, signed_in, wish
from crediting.desk import Desk
from crediting.desk import metro as trip
from helpers import City, metro

from accounts import consents
from accounts.consent_texts import ConsentTexts, content_hash, load_consent_texts
from accounts.ids import parse_public_id
from app.wiring import Services, utc_now


def now_trip(phone: str, minutes_ago: int = 0) -> dict[str, object]:
    """A metro trip that ends about now: consents given today cover nothing earlier."""
    end = utc_now() - datetime.timedelta(minutes=minutes_ago)
    start = end - datetime.timedelta(minutes=20)
    return metro(
        uuid.uuid4().hex,
        phone,
        started_at=start.isoformat(),
        ended_at=end.isoformat(),
    )


HASHES = {
    ("scenes", "2026-11"): "09885a3552f3c970f0fbec687cfb323ab4dfc4031c2674468eeaaab7cd0bb73b",
    ("movement", "2026-11"): "1ff6fdcb86c4ccb92ed581369feee5cc360bef9a6add0acde506ee59b37f0fb1",
    ("banks", "2026-11"): "3f3e90308a045ea299b9cb13a977612d9b162ff151ada233a542f239e5fa1f6d",
    ("aggregation", "2026-11"): "5119d16c9e8a017159c8bb2ae8fcc606d0c5abe1f21da46ffda5ea8a6632a7c8",
}


def test_published_texts_never_change() -> None:
    """People agreed to these very words: a correction is a new version."""
    assert {(t.covers, t.version): t.content_hash for t in load_consent_texts().texts} == HASHES


def test_the_newest_text_that_has_begun_is_offered() -> None:
    texts = load_consent_texts().texts
    newer = [
        t.model_copy(update={"version": "2027-1", "first_day": datetime.date(2027, 1, 1)})
        for t in texts
        if t.covers == "movement"
    ]
    both = ConsentTexts((*texts, *newer))
    for day, version in ((datetime.date(2026, 12, 31), "2026-11"), (datetime.date(2027, 1, 1), "2027-1")):
        offered = both.offered("movement", day)
        assert offered is not None
        assert offered.version == version
    assert both.offered("movement", datetime.date(2026, 10, 31)) is None
    of_trips = both.offered("trip", datetime.date(2027, 1, 1))
    assert of_trips is not None
    assert of_trips.covers == "scenes"
    with pytest.raises(ValueError, match="version of its own"):
        ConsentTexts((*texts, texts[0]))


async def test_texts_are_public_and_hashed(city: City) -> None:
    first = (await city.http.get("/v1/consent-texts", params={"limit": 2})).json()
    rest = (await city.http.get("/v1/consent-texts", params={"cursor": first["next_cursor"]})).json()
    items = first["items"] + rest["items"]
    assert [item["covers"] for item in items] == ["aggregation", "banks", "movement", "scenes"]
    assert rest["next_cursor"] is None
    for item in items:
        told = {name: item[name] for name in ("covers", "version", "title", "text")}
        assert content_hash(told) == item["sha256"]
        assert set(item["text"]) == {"zh", "en"}
        assert item["offered"]
    assert (await city.http.get("/v1/consent-texts", params={"cursor": "x"})).status_code == 422


async def test_a_trip_needs_the_group_and_movement_apart(city: City, phone: str) -> None:
    person, source = await resident(city, phone), await city.client("platform")

    async def outcome() -> str:
        answer = (await source.post("/v1/activities", json=now_trip(phone, -4))).json()
        return str(answer["reason"] or answer["outcome"])

    assert await outcome() == "no_consent"
    assert await person.agree(source, "trip")
    assert await outcome() == "no_consent"
    assert await person.agree(source, "movement")
    # An act before the consent stays without credit; one that began after it counts.
    assert await outcome() == "no_consent"
    start = utc_now()
    report = metro(
        uuid.uuid4().hex,
        phone,
        started_at=start.isoformat(),
        ended_at=(start + datetime.timedelta(minutes=4)).isoformat(),
        distance_m=2_000,
    )
    assert (await source.post("/v1/activities", json=report)).json()["outcome"] == "credited"
    done = await person.post("/v1/me/consents/withdrawal", json={"scene_group": "movement"})
    assert done.json()["withdrawn"] == 1
    report = report | {"event_id": uuid.uuid4().hex}
    assert (await source.post("/v1/activities", json=report)).json()["reason"] == "no_consent"
    listed = (await person.get("/v1/me/consents")).json()["items"]
    assert {item["scene_group"]: item["withdrawn_at"] is None for item in listed} == {
        "trip": True,
        "movement": False,
    }
    assert await breaches(city) == []


async def test_consents_are_told_page_by_page(city: City, phone: str) -> None:
    person = await resident(city, phone)
    sources = [await city.client("platform") for _ in range(3)]
    for source in sources:
        await person.agree(source, "trip", "movement", "aggregation", "green")
    found, cursor = [], None
    while True:
        params = {"limit": 5} | ({"cursor": cursor} if cursor else {})
        page = (await person.get("/v1/me/consents", params=params)).json()
        found += [(item["source_id"], item["scene_group"]) for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found)) == 12
    assert found == sorted(found)
    for wrong in ("x", "é", "e30", "MA"):
        assert (await person.get("/v1/me/consents", params={"cursor": wrong})).status_code == 422


async def test_what_cannot_be_agreed_to(city: City, phone: str) -> None:
    person, source = await resident(city, phone), await city.client("platform")
    bank = await city.client("bank")
    for body, code in (
        (
            wish(source, "trip") | {"consents": [{"scene_group": "trip", "text_version": "1"}]},
            "consent.text_unknown",
        ),
        (wish(source, "never"), "consent.text_unknown"),
        (wish(bank, "trip"), "consent.source_unknown"),
        (wish(source, "trip") | {"source_id": "org_" + "1" * 32}, "consent.source_unknown"),
        (wish(source), "request.invalid"),
    ):
        answer = await person.post("/v1/me/consents", json=body)
        assert answer.json()["code"] == code, answer.text
    assert (await person.get("/v1/me/consents")).json()["items"] == []
    assert (await person.get("/v1/me/receipts")).json()["items"] == []


async def test_a_receipt_proves_what_was_agreed(city: City, phone: str, phones) -> None:
    person, source = await resident(city, phone), await city.client("platform")
    number = await person.agree(source, "trip", "movement")
    assert await person.agree(source, "trip") is None  # is live already
    receipt = (await person.get(f"/v1/me/receipts/{number}")).json()
    keys = (await city.http.get("/v1/consent-texts/keys")).json()
    claims = jwt.decode(
        receipt["signed"],
        jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(receipt["signed"])["kid"]].key,
        algorithms=["EdDSA"],
        audience="tanpuhui-receipt",
    )
    assert (claims["jti"], claims["sub"], claims["kind"]) == (number, person.holder_id, "consent_granted")
    texts = {t["covers"]: t for t in (await city.http.get("/v1/consent-texts")).json()["items"]}
    assert claims["content"]["source_id"] == source.organisation_id
    assert [
        (c["scene_group"], c["text_version"], c["text_sha256"]) for c in claims["content"]["consents"]
    ] == [
        ("trip", VERSION, texts["scenes"]["sha256"]),
        ("movement", VERSION, texts["movement"]["sha256"]),
    ]
    assert phone not in json.dumps(claims)
    withdrawn = (await person.post("/v1/me/consents/withdrawal", json={})).json()
    assert withdrawn["withdrawn"] == 2
    both = (await person.get("/v1/me/receipts")).json()["items"]
    assert [(r["receipt_id"], r["kind"]) for r in both] == [
        (withdrawn["receipt_id"], "consent_withdrawn"),
        (number, "consent_granted"),
    ]
    # A receipt opens no door, and is nobody else's.
    answer = await city.http.get("/v1/me/account", headers={"Authorization": f"Bearer {receipt['signed']}"})
    assert answer.status_code == 401
    stranger = await resident(city, phones())
    assert (await stranger.get(f"/v1/me/receipts/{number}")).status_code == 404


async def test_receipts_verify_after_the_keys_rotated(city: City, service: Services, phone: str) -> None:
    person, source = await resident(city, phone), await city.client("platform")
    number = await person.agree(source, "trip")
    signed = (await person.get(f"/v1/me/receipts/{number}")).json()["signed"]
    kid = jwt.get_unverified_header(signed)["kid"]
    later = utc_now() + datetime.timedelta(days=90)
    keys = service.tokens.keys
    async with service.database.transaction() as session:
        await keys.rotate(session, later, force=True)
    published = (await city.http.get("/v1/consent-texts/keys")).json()
    assert len(published["keys"]) >= 2
    key = jwt.PyJWKSet.from_dict(published)[kid].key
    assert jwt.decode(signed, key, algorithms=["EdDSA"], audience="tanpuhui-receipt")["jti"] == number


async def test_consent_again_after_a_withdrawal_in_the_same_instant(
    service: Services, owner: asyncpg.Connection
) -> None:
    desk = Desk(service)
    source = await desk.source()
    _, holder = await desk.person()
    texts = service.consent_texts
    moment = utc_now()
    wishes = [consents.Wish("trip", VERSION)]
    pairs = list(zip(wishes, consents.checked(texts, {"trip"}, wishes, moment), strict=True))
    async with service.database.driver_transaction() as driver:
        await consents.lock_active(driver, holder)
        for _ in range(2):
            assert await consents.grant(driver, lambda _: "x", holder, (source, "s"), pairs, moment)
            assert (await consents.withdraw(driver, lambda _: "x", holder, source, None, moment))[0] == 1
        assert await consents.grant(driver, lambda _: "x", holder, (source, "s"), pairs, moment)
    rows = await owner.fetch(
        "SELECT withdrawn_at IS NULL FROM consents WHERE holder_id = $1 ORDER BY granted_at", holder
    )
    assert [row[0] for row in rows] == [False, False, True]


async def test_a_report_that_waits_for_a_withdrawal_is_not_credited(
    city: City, service: Services, owner: asyncpg.Connection
) -> None:
    """The withdrawal holds the lock; the report was there before it committed, and loses."""
    desk = Desk(service)
    source = await desk.source()
    phone, holder = await desk.person(source)
    async with service.database.driver_transaction() as withdrawing:
        await consents.lock_active(withdrawing, holder)
        ended, _ = await consents.withdraw(withdrawing, lambda _: "x", holder, source, None, utc_now())
        assert ended == 6
        reporting = asyncio.create_task(service.intake.report(desk.prepare(source, trip(phone))))
        async with asyncio.timeout(10):
            while not await owner.fetchval(  # noqa: ASYNC110 - the server's state
                "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
            ):
                await asyncio.sleep(0.005)
    result = await reporting
    assert (result.outcome, result.reason) == ("rejected", "no_consent")
    assert await breaches(city) == []


async def test_fifty_reports_against_a_withdrawal(city: City, phone: str, owner: asyncpg.Connection) -> None:
    """Whatever commits first counts: nothing is booked after the withdrawal committed."""
    operator, source = await city.client("operator", "440000"), await city.client("platform")
    person = signed_in(city, await city.holder(operator, phone, source), phone)
    reports = [
        source.post(
            "/v1/activities",
            json={
                "event_id": uuid.uuid4().hex,
                "scene": "green.own_bag",
                "region": "420100",
                "subject": {"scheme": "phone", "value": phone},
                "occurred_at": f"2026-11-{1 + number % 18:02d}T10:00:00+08:00",
                "count": 1,
                "order_no": f"race-{number}",
                "issuer": "supermarket",
            },
        )
        for number in range(50)
    ]
    withdrawal = person.post("/v1/me/consents/withdrawal", json={"source_id": source.organisation_id})
    answers = await asyncio.gather(*reports[:25], withdrawal, *reports[25:])
    outcomes = [answer.json() for answer in answers]
    withdrawn = outcomes.pop(25)
    assert withdrawn["withdrawn"] == 6
    credited = [o for o in outcomes if o["outcome"] == "credited"]
    assert {o["reason"] for o in outcomes if o["outcome"] != "credited"} <= {"no_consent", "cap_reached"}
    again = await source.post("/v1/activities", json=json.loads(answers[0].request.content))
    if outcomes[0]["outcome"] != "credited":
        assert again.json()["reason"] in ("no_consent", "cap_reached")
    holder = parse_public_id("hld", person.holder_id)
    entries = await owner.fetchval(
        "SELECT count(DISTINCT cause_id) FROM entries WHERE holder_id = $1", holder
    )
    assert entries == len(credited)
    later = await source.post(
        "/v1/activities",
        json=json.loads(answers[0].request.content) | {"event_id": uuid.uuid4().hex, "order_no": "later"},
    )
    assert later.json()["reason"] == "no_consent"
    assert await breaches(city) == []


async def test_idempotency_is_each_residents_own(city: City, phone: str, phones) -> None:
    first, second = await resident(city, phone), await resident(city, phones())
    source = await city.client("platform")
    headers = {"Idempotency-Key": "same"}
    answers = [
        await person.post("/v1/me/consents", json=wish(source, "trip"), headers=headers)
        for person in (first, second, first)
    ]
    numbers = [answer.json()["receipt_id"] for answer in answers]
    assert numbers[0] == numbers[2] != numbers[1]
    assert answers[2].headers["Idempotent-Replayed"] == "true"
