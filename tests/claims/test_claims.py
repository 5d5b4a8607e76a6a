"""Claims of platforms with their own accounts: they and the intake meet, are idempotent, and free what they held."""

import asyncio
from typing import Any

import asyncpg
import orjson
import pytest
import pytest_asyncio
from claims.made import asked, at, person_key, ride
from helpers import Caller, City, metro

from accounts.ids import parse_public_id
from app.verification import verify
from app.wiring import Services

BATCH, QUERY = "/v1/claims/batch", "/v1/claims/query"
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def operator(city: City) -> Caller:
    return await city.client("operator", "440000")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def one(city: City) -> Caller:
    return await city.client("platform")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two(city: City) -> Caller:
    return await city.client("platform")


async def claim(platform: Caller, *claims: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await platform.post(BATCH, json=list(claims))
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    assert len(items) == len(claims)
    return items


async def query(platform: Caller, *acts: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await platform.post(QUERY, json=list(acts))
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def sound(service: Services) -> None:
    async with service.database.snapshot() as driver:
        assert not [each async for each in verify(driver) if each.breach is not None]


async def test_a_ride_that_the_intake_credited_is_claimed_for_the_platform(
    city: City, operator: Caller, one: Caller, two: Caller, service: Services, phone: str
):
    await city.holder(operator, phone, one)
    credited = (await one.post("/v1/activities", json=metro("i1", phone, order_no="O-i1"))).json()
    assert credited["outcome"] == "credited"
    key = person_key(service, phone)
    overlapping = ride("i1", key, **at("08:10", "08:40"))
    by_number = ride("i2", key, order_no="O-i1", issuer=one.organisation_id[4:], **at("12:00", "12:20"))
    lost, also = await claim(two, overlapping, by_number)
    assert lost == {
        "claim_id": "i1",
        "id": lost["id"],
        "outcome": "duplicate",
        "reason": "claimed_body",
        "winner_id": credited["activity_id"],
        "winner": None,
        "released_at": None,
        "replayed": False,
        "errors": [],
    }
    assert (also["reason"], also["winner_id"]) == ("claimed_order", credited["activity_id"])
    (told,) = await query(two, asked(overlapping))
    assert told == {
        "claimed": True,
        "own": False,
        "reason": "claimed_body",
        "winner_id": credited["activity_id"],
        "winner": None,
        "errors": [],
    }
    assert (await query(one, asked(overlapping)))[0]["own"]
    reversed_ = await one.post(f"/v1/activities/{credited['activity_id']}/reversal", json={"reason": "x"})
    assert reversed_.status_code == 200
    assert (await claim(two, overlapping | {"claim_id": "i1-again"}))[0]["outcome"] == "claimed"
    await sound(service)


async def test_a_ride_that_a_platform_claimed_is_a_duplicate_for_the_intake(
    city: City, operator: Caller, one: Caller, two: Caller, service: Services, phone: str
):
    await city.holder(operator, phone, one)
    (won,) = await claim(two, ride("p1", person_key(service, phone), order_no="O-p1"))
    assert (won["outcome"], won["id"][:4], won["winner_id"]) == ("claimed", "clm_", None)
    lost = (await one.post("/v1/activities", json=metro("p1", phone, order_no="O-other"))).json()
    assert (lost["outcome"], lost["reason"], lost["winner_id"]) == ("duplicate", "claimed_body", won["id"])
    seen = (await one.get(f"/v1/activities/{lost['activity_id']}")).json()
    assert seen["winner_id"] == won["id"]
    # The winner's id leads nowhere but for its own platform.
    assert (await one.get(f"/v1/claims/{won['id']}")).status_code == 404
    assert (await two.get(f"/v1/claims/{won['id']}")).json()["outcome"] == "claimed"
    assert (await one.post(f"/v1/claims/{won['id']}/release", json={"reason": "x"})).status_code == 404

    released = await two.post(f"/v1/claims/{won['id']}/release", json={"reason": "refunded"})
    assert (released.status_code, released.json()["released_at"] is None) == (200, False)
    credited = (await one.post("/v1/activities", json=metro("p2", phone, order_no="O-p1"))).json()
    assert credited["outcome"] == "credited"
    await sound(service)


async def test_released_once_and_claimed_again(
    one: Caller, two: Caller, operator: Caller, service: Services, phone: str, owner: asyncpg.Connection
):
    body = ride("r1", person_key(service, phone), order_no="O-r1", **at("23:40", "23:59"))
    body["ended_at"] = "2026-11-17T00:20:00+08:00"  # past midnight: a claim on each day
    (won,) = await claim(one, body)
    (lost,) = await claim(two, body)
    assert lost["winner_id"] == won["id"]
    path = f"/v1/claims/{won['id']}/release"
    key = {"Idempotency-Key": "rel-1"}
    first = await one.post(path, json={"reason": "refunded"}, headers=key)
    again = await one.post(path, json={"reason": "refunded"}, headers=key)
    assert first.json() == again.json()
    assert (await one.post(path, json={"reason": "x"})).json()["code"] == "claim.already_released"
    refused = await two.post(f"/v1/claims/{lost['id']}/release", json={"reason": "x"})
    assert refused.json()["code"] == "claim.not_held"
    # The same claim again tells how it stands; another one may have the act now.
    (replayed,) = await claim(one, body)
    assert (replayed["outcome"], replayed["replayed"]) == ("claimed", True)
    assert replayed["released_at"] is not None
    assert (await claim(two, body | {"claim_id": "r2"}))[0]["outcome"] == "claimed"
    assert (await claim(one, body | {"claim_id": "r3"}))[0]["outcome"] == "duplicate"
    kept = await owner.fetchrow("SELECT * FROM audit_records WHERE target_id = $1", won["id"])
    assert (kept["action"], kept["reason"]) == ("claim.released", "refunded")
    await sound(service)


async def test_the_same_claim_is_answered_as_before_and_another_body_is_a_conflict(
    one: Caller, two: Caller, service: Services, phone: str
):
    body = ride("s1", person_key(service, phone))
    first, again, other = await claim(one, body, body, body | at("10:00", "10:10"))
    assert (first["outcome"], first["replayed"]) == ("claimed", False)
    assert again == first | {"replayed": True}
    assert (other["outcome"], other["reason"], other["id"]) == ("rejected", "claim_id_conflict", None)
    later, conflict = await claim(one, body, body | {"order_no": "X"})
    assert later == first | {"replayed": True}
    assert conflict["reason"] == "claim_id_conflict"
    # Claim ids count for each platform alone.
    assert (await claim(two, body | at("14:00", "14:20")))[0]["outcome"] == "claimed"


async def test_within_a_batch_the_first_wins_and_each_loser_names_it(
    one: Caller, service: Services, phones: Any
):
    key, other = person_key(service, phones()), person_key(service, phones())
    a, b, c, d, e = await claim(
        one,
        ride("w1", key, order_no="W-1"),
        ride("w2", key, order_no="W-2"),  # overlaps w1
        ride("w3", other, order_no="W-1"),  # the number of w1
        ride("w4", other, order_no="W-2"),  # free, since w2 lost
        ride("w5", key, **at("08:30", "08:50")),
    )
    assert [x["outcome"] for x in (a, b, c, d, e)] == [
        "claimed",
        "duplicate",
        "duplicate",
        "claimed",
        "claimed",
    ]
    assert (b["winner_id"], b["reason"]) == (a["id"], "claimed_body")
    assert (c["winner_id"], c["reason"]) == (a["id"], "claimed_order")
    await sound(service)


async def test_acts_in_a_row_pass(one: Caller, service: Services, phone: str):
    key = person_key(service, phone)
    answers = await claim(
        one, ride("a1", key, **at("08:00", "08:30")), ride("a2", key, **at("08:29", "08:50"))
    )
    assert [each["outcome"] for each in answers] == ["claimed", "claimed"]


async def test_under_several_person_keys_whoever_has_one_of_them_meets(
    one: Caller, two: Caller, service: Services, phones: Any
):
    """As while a key rotates, or where one platform knows the identity number and another the phone."""
    old, new = person_key(service, phones()), person_key(service, phones())
    both = ride("k1", old, person_keys=[old, new], order_no="K-1")
    (won,) = await claim(one, both)
    for number, key in enumerate((old, new)):
        (lost,) = await claim(two, ride(f"k-{number}", key, **at("08:05", "08:20")))
        assert (lost["reason"], lost["winner_id"]) == ("claimed_body", won["id"])
    await one.post(f"/v1/claims/{won['id']}/release", json={"reason": "x"})
    told = await query(two, asked(ride("", old)), asked(ride("", new)))
    assert [each["claimed"] for each in told] == [False, False]
    await sound(service)


async def test_what_can_claim_nothing_is_told_why_and_leaves_nothing(
    one: Caller, service: Services, phone: str, owner: asyncpg.Connection
):
    key = person_key(service, phone)
    wrong = [
        (ride("n1", key, scene="trip.unknown"), "no_methodology"),
        (ride("n2", key, started_at="2036-01-01T08:00:00Z", ended_at="2036-01-01T08:10:00Z"), "in_future"),
        (ride("n3", key, started_at="2026-11-01T08:00:00Z"), "implausible_duration"),
        (
            ride("n4", key, started_at=None, ended_at=None, occurred_at="2026-11-16T08:00:00+08:00"),
            "missing_period",
        ),
        (ride("n5", "x"), "invalid"),
        (ride("n6", key, person_keys=[]), "invalid"),
        (ride("n7", key, person_keys=[key] * 5), "invalid"),
        (ride("n8", key, subject={"scheme": "phone", "value": phone}), "invalid"),
        (ride("n9", key, ended_at=None), "invalid"),
    ]
    answers = await claim(one, *(body for body, _ in wrong))
    assert [(each["outcome"], each["reason"]) for each in answers] == [
        ("rejected", reason) for _, reason in wrong
    ]
    assert [each["claim_id"] for each in answers] == [body["claim_id"] for body, _ in wrong]
    assert phone not in str(answers)
    told = await query(one, asked(wrong[0][0]), asked(wrong[4][0]))
    assert [(each["claimed"], each["reason"]) for each in told] == [
        (None, "no_methodology"),
        (None, "invalid"),
    ]
    organisation = parse_public_id("org", one.organisation_id)
    kept = await owner.fetchval(
        "SELECT count(*) FROM platform_claims WHERE organisation_id = $1 AND scene = 'trip.unknown'",
        organisation,
    )
    assert kept == 0
    assert (await claim(one, ride("n3", key)))[0]["outcome"] == "claimed"


async def test_only_a_bad_envelope_fails_the_request(one: Caller):
    for content, status in ((b"{", 400), (b"{}", 422), (b"[" + b"{}," * 5_000 + b"{}]", 422)):
        headers = {"Content-Type": "application/json"}
        assert (await one.post(BATCH, content=content, headers=headers)).status_code == status
    assert (await one.post(BATCH, content=b"x", headers={"Content-Type": "text/csv"})).status_code == 415
    assert (await one.post(BATCH, json=[])).json() == {"items": []}


async def test_platforms_that_both_agreed_are_told_whose_claim_won(city: City, service: Services, phone: str):
    one, two, third = [await city.client("platform", name=f"Agreed {n} {phone}") for n in range(3)]
    key = person_key(service, phone)
    await claim(one, ride("d", key))

    async def told(platform: Caller) -> Any:
        (answer,) = await query(platform, asked(ride("d", key)))
        assert answer["winner_id"] is not None
        return answer["winner"]

    async def agree(platform: Caller, agreed: bool) -> None:
        answer = await platform.request("PUT", "/v1/claims/disclosure", json={"discloses_wins": agreed})
        assert answer.json() == {"discloses_wins": agreed}

    assert await told(two) is None
    await agree(one, True)
    assert await told(two) is None
    await agree(two, True)
    assert await told(two) == {"organisation_id": one.organisation_id, "name": f"Agreed 0 {phone}"}
    assert (await claim(two, ride("d", key)))[0]["winner"] == await told(two)
    assert await told(third) is None
    await agree(one, False)
    assert await told(two) is None


async def test_a_stream_is_answered_line_by_line_in_order(one: Caller, service: Services, phones: Any):
    key = person_key(service, phones())
    count = 12_000
    lines = [
        orjson.dumps(ride(f"st-{n}", key, order_no=f"st-{n // 2}", **at("06:00", "06:05")))
        for n in range(count)
    ]
    lines[3] = b"{"
    lines[5_000] = b'{"claim_id": "long", "x": "' + b"x" * 70_000 + b'"}'
    answer = await one.post(BATCH, content=b"\n".join(lines), headers=NDJSON)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    found = [orjson.loads(line) for line in answer.text.splitlines()]
    assert [each["claim_id"] for each in found] == [
        {3: None, 5_000: None}.get(n, f"st-{n}") for n in range(count)
    ]
    assert [found[n]["reason"] for n in (3, 5_000)] == ["invalid", "invalid"]
    assert found[3]["errors"][0]["pointer"] == "/3"
    claimed = [each for each in found if each["outcome"] == "claimed"]
    assert len(claimed) == 1  # one person, one time
    assert {each["winner_id"] for each in found if each["outcome"] == "duplicate"} == {claimed[0]["id"]}
    again = await one.post(BATCH, content=b"\n".join(lines[:100]) + b"\n\n", headers=NDJSON)
    assert len(again.text.splitlines()) == 100
    told = await one.post(
        QUERY, content=b"\n".join(orjson.dumps(asked(ride("", key))) for _ in range(10)), headers=NDJSON
    )
    assert [orjson.loads(line)["claimed"] for line in told.text.splitlines()] == [False] * 10


async def test_quotas_of_claims_and_queries(
    city: City, service: Services, owner: asyncpg.Connection, phone: str
):
    platform = await city.client("platform")
    organisation = parse_public_id("org", platform.organisation_id)
    key = person_key(service, phone)
    await claim(platform, ride("q1", key), ride("q2", key))
    await query(platform, asked(ride("q1", key)))
    used = await owner.fetch(
        "SELECT kind, used FROM quota_days WHERE organisation_id = $1 ORDER BY 1", organisation
    )
    assert [tuple(row) for row in used] == [("claims", 2), ("queries", 1)]
    await owner.execute(
        "UPDATE quota_days SET used = allowed - 5100 WHERE organisation_id = $1", organisation
    )
    lines = b"\n".join(orjson.dumps(ride(f"q-{n}", key)) for n in range(5_200))
    answer = await platform.post(BATCH, content=lines, headers=NDJSON)
    reasons = [orjson.loads(line)["reason"] for line in answer.text.splitlines()]
    assert len(reasons) == 5_200
    assert set(reasons[5_000:]) == {"exhausted"}
    await owner.execute("UPDATE quota_days SET used = allowed WHERE organisation_id = $1", organisation)
    for path, body in ((BATCH, ride("q3", key)), (QUERY, asked(ride("q3", key)))):
        refused = await platform.post(path, json=[body])
        assert (refused.status_code, refused.json()["code"]) == (429, "quota.exhausted")
        refused = await platform.post(path, content=orjson.dumps(body), headers=NDJSON)
        assert refused.status_code == 429


@pytest.mark.parametrize("twice", range(3))
async def test_the_same_claims_sent_twice_at_once_are_answered_alike(
    city: City, service: Services, phones: Any, twice: int
):
    platform = await city.client("platform")
    bodies = [
        ride(f"t-{twice}-{n}", person_key(service, phones()), order_no=f"t-{twice}-{n}") for n in range(40)
    ]
    answers = await asyncio.gather(*(claim(platform, *bodies) for _ in range(8)))
    for each in zip(*answers, strict=True):
        assert {one["outcome"] for one in each} == {"claimed"}
        assert [one["replayed"] for one in each].count(False) == 1
    await sound(service)
