"""Held acts: nothing is booked, everything is claimed, and one decision counts, whoever makes it."""

import asyncio
import datetime
import uuid
from collections import Counter
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from crediting.desk import bag
from review.watch import HOLD, Office, Street, operator, ride, watch

from accounts import repository as ledger
from accounts.errors import DomainError
from app.review.service import decide_due
from app.wiring import utc_now

GRAMS = 467_000
TRAVEL = {"impossible_travel": {"minutes": 60, **HOLD}}


@pytest.fixture
async def held(street: Street) -> tuple[str, UUID, UUID]:
    """(phone, holder, act) of somebody with one credited trip, and one in another city that is held."""
    await watch(street.service, **TRAVEL)
    phone, holder = await street.person()
    assert (await street.report(ride(phone))).outcome == "credited"
    act = await street.report(ride(phone, minute=510, region="310000"))
    assert (act.outcome, act.reason) == ("pending", "held_for_review"), act
    assert act.activity_id is not None
    assert await street.books(holder) == (GRAMS, 467)
    return phone, holder, act.activity_id


async def test_a_held_act_is_claimed_and_not_booked(street: Street, held: tuple[str, UUID, UUID]) -> None:
    phone, _, act = held
    again = await street.report(ride(phone, minute=512, region="310000"))
    assert (again.outcome, again.winner_id) == ("duplicate", act)
    assert await street.breaches() == []


async def test_a_released_act_is_credited(street: Street, held: tuple[str, UUID, UUID]) -> None:
    phone, holder, act = held
    await street.decide(act, "released")
    grams, points = await street.books(holder)
    assert grams > GRAMS
    assert points > 467
    again = await street.report(ride(phone, minute=512, region="310000"))
    assert (again.outcome, again.winner_id) == ("duplicate", act)
    assert await street.breaches() == []


async def test_a_rejected_act_gives_everything_back(
    street: Street, held: tuple[str, UUID, UUID], owner: asyncpg.Connection
) -> None:
    phone, holder, act = held
    await street.decide(act, "rejected")
    assert await street.books(holder) == (GRAMS, 467)
    row = await owner.fetchrow("SELECT outcome, reason, co2e_mg, points FROM activities WHERE id = $1", act)
    assert tuple(row) == ("rejected", "rejected_in_review", 0, 0)
    with pytest.raises(DomainError, match=r"activity\.not_reversible"):
        await street.desk.reverse(street.source, act)
    # Its time is free, and it is nothing that later acts are compared with.
    assert (await street.report(ride(phone, minute=510))).outcome == "credited"
    assert await street.breaches() == []


@pytest.mark.parametrize("decision", ["released", "rejected"])
async def test_the_headroom_of_a_held_act_is_its_own(street: Street, decision: str) -> None:
    """Three bags a day: while one of them is held there is room for no fourth; where it is rejected there is."""
    await watch(street.service, cap_burst={"minutes": 10, "certain_at": 2, **HOLD})
    phone, holder = await street.person()
    told = await street.batch([bag(phone, uuid.uuid4().hex, minute) for minute in (600, 601, 602)])
    assert [each.outcome for each in told] == ["credited", "credited", "pending"]
    fourth = bag(phone, uuid.uuid4().hex, 900)
    assert (await street.report(fourth)).reason == "cap_reached"
    await street.decide(told[2].activity_id, decision)
    fifth = await street.report(bag(phone, uuid.uuid4().hex, 901))
    assert fifth.outcome == ("rejected" if decision == "released" else "credited")
    assert (await street.books(holder))[0] == 15_000
    assert await street.breaches() == []


async def test_fifty_operators_decide_one_held_act_once(street: Street, held: tuple[str, UUID, UUID]) -> None:
    _, holder, act = held

    async def one(number: int) -> str:
        try:
            await street.decide(act, "released" if number % 2 else "rejected", operator(f"cli_{number}"))
        except DomainError as error:
            return error.code
        return "decided"

    async with asyncio.timeout(120):
        answers = Counter(await asyncio.gather(*(one(number) for number in range(50))))
    assert answers == {"decided": 1, "review.decided": 49}
    grams, _ = await street.books(holder)
    assert grams == GRAMS or grams < 3 * GRAMS
    assert await street.breaches() == []


async def test_an_operator_and_a_reversal_meet(street: Street, held: tuple[str, UUID, UUID]) -> None:
    _, holder, act = held

    async def release() -> str:
        try:
            await street.decide(act, "released")
        except DomainError as error:
            return error.code
        return "released"

    answers = await asyncio.gather(release(), street.desk.reverse(street.source, act))
    assert answers[0] in ("released", "review.decided")
    assert await street.books(holder) == (GRAMS, 467)
    assert await street.breaches() == []


@pytest.mark.parametrize("undecided", ["release", "reject"])
async def test_what_nobody_decides_follows_the_policy(street: Street, undecided: str) -> None:
    await watch(street.service, **TRAVEL, decide_within_days=3, undecided=undecided)
    phone, holder = await street.person()
    await street.report(ride(phone))
    await street.report(ride(phone, minute=510, region="310000"))

    async def run(days: float) -> None:
        moment = utc_now() + datetime.timedelta(days=days)
        async with street.service.database.transaction() as lease:
            await decide_due(street.service.database, lease, street.service.rules_now(), moment)

    await run(2.9)
    assert (await street.books(holder))[0] == GRAMS
    await run(3.1)
    grams, _ = await street.books(holder)
    assert (grams > GRAMS) is (undecided == "release")
    await run(3.2)
    assert (await street.books(holder))[0] == grams
    assert await street.breaches() == []


async def test_without_a_consent_nothing_is_released(
    street: Street, held: tuple[str, UUID, UUID], owner: asyncpg.Connection
) -> None:
    _, holder, act = held
    async with street.service.database.driver_transaction() as driver:
        await ledger.lock_holders(driver, [holder])
        await ledger.withdraw_consents(driver, holder, street.source, "movement", utc_now())
    with pytest.raises(DomainError, match=r"activity\.no_consent"):
        await street.decide(act, "released")
    moment = utc_now() + datetime.timedelta(days=8)
    async with street.service.database.transaction() as lease:
        await decide_due(street.service.database, lease, street.service.rules_now(), moment)
    row = await owner.fetchrow("SELECT state, reason FROM held_activities WHERE activity_id = $1", act)
    assert tuple(row) == ("rejected", "no consent")
    assert await street.books(holder) == (GRAMS, 467)
    assert await street.breaches() == []


async def test_the_review_over_http(office: Office, phone: str) -> None:
    await watch(office.city.service, **TRAVEL, many_accounts={"days": 9, "certain_at": 1})
    await office.person(phone)
    other = phone[:-1] + ("1" if phone[-1] != "1" else "2")
    await office.person("137" + other[3:])
    await office.source.post("/v1/activities", json=ride("137" + other[3:], device="secret-device"))
    await office.source.post("/v1/activities", json=ride(phone, device="secret-device"))
    far = (
        await office.source.post(
            "/v1/activities", json=ride(phone, minute=510, region="310000", device="secret-device")
        )
    ).json()
    assert (far["outcome"], far["reason"]) == ("pending", "held_for_review")
    waiting = (await office.operator.get("/v1/operator/reviews")).json()["items"]
    assert [item["activity_id"] for item in waiting][:1] == [far["activity_id"]]
    path = f"/v1/operator/reviews/{far['activity_id']}"
    seen = await office.operator.get(path)
    found = {each["signal"]: each for each in seen.json()["signals"]}
    assert found.keys() == {"impossible_travel", "many_accounts"}
    assert found["impossible_travel"]["evidence"]["regions"] == ["440300", "310000"]
    assert found["many_accounts"] | {"policy_id": ""} == {
        "signal": "many_accounts",
        "score": 100,
        "action": "pass",
        "policy_id": "",
        "evidence": {"other_accounts": 1, "days": 9},
    }
    device = office.city.service.token_maker.once("device", "", "secret-device").hex()
    why = await office.source.get(f"/v1/activities/{far['activity_id']}/explanation")
    for text in (seen.text, why.text):
        assert phone not in text
        assert "secret-device" not in text
        assert device not in text
        assert str(UUID(device)) not in text
    assert why.json()["review"]["state"] == "waiting"
    assert (await office.source.post(f"/v1/activities/{far['activity_id']}/collection")).status_code == 409
    stranger = await office.city.client("operator", "510000")
    body: dict[str, Any] = {"decision": "released", "reason": "ticket seen"}
    assert (await stranger.get(path)).status_code == 404
    assert (await stranger.post(path + "/decision", json=body)).status_code == 404
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = await office.operator.post(path + "/decision", json=body, headers=headers)
    assert (first.status_code, first.json()["state"]) == (200, "released"), first.text
    again = await office.operator.post(path + "/decision", json=body, headers=headers)
    assert again.headers["idempotent-replayed"] == "true"
    late = await office.operator.post(path + "/decision", json=body | {"decision": "rejected"})
    assert (late.status_code, late.json()["code"]) == (409, "review.decided")
    told = (await office.source.get(f"/v1/activities/{far['activity_id']}/explanation")).json()
    assert (told["activity"]["outcome"], told["review"]["state"], told["review"]["reason"]) == (
        "credited",
        "released",
        "ticket seen",
    )
    trail = (
        await office.operator.get("/v1/operator/audit", params={"target_id": far["activity_id"]})
    ).json()["items"]
    assert [(item["action"], item["reason"]) for item in trail] == [("review.released", "ticket seen")]


async def test_a_rejection_is_contested_and_moved(office: Office, phone: str) -> None:
    """The person has the last word but one: an operator may give the act its claim back."""
    await watch(office.city.service, **TRAVEL)
    await office.person(phone)
    await office.source.post("/v1/activities", json=ride(phone))
    far = (await office.source.post("/v1/activities", json=ride(phone, minute=510, region="310000"))).json()
    path = f"/v1/operator/reviews/{far['activity_id']}/decision"
    refused = await office.operator.post(path, json={"decision": "rejected", "reason": "x"})
    assert refused.status_code == 200, refused.text
    opened = await office.source.post(
        f"/v1/activities/{far['activity_id']}/dispute", json={"explanation": "it was a plane"}
    )
    assert opened.status_code == 200, opened.text
    decided = await office.operator.post(
        f"/v1/operator/disputes/{opened.json()['dispute_id']}/decision",
        json={"decision": "moved", "reason": "the boarding pass was seen"},
    )
    assert decided.status_code == 200, decided.text
    assert decided.json()["from_activity_id"] is None
    told = (await office.source.get(f"/v1/activities/{far['activity_id']}")).json()
    assert (told["outcome"], told["reason"]) == ("credited", "moved")


async def test_policies_are_approved_by_a_second_operator(office: Office) -> None:
    body = {"region": "440300", "from": "2030-01-01", "cap_burst": {"minutes": 5, "certain_at": 3, **HOLD}}
    drafted = await office.operator.post("/v1/operator/review-policies", json=body)
    assert drafted.status_code == 200, drafted.text
    path, step = f"/v1/operator/review-policies/{drafted.json()['id']}", {"If-Match": "1"}
    own = await office.operator.post(path + "/approval", json={"reason": "x"}, headers=step)
    assert own.status_code == 403
    second = await office.city.client("operator", "440000")
    approved = await second.post(path + "/approval", json={"reason": "x"}, headers=step)
    assert approved.status_code == 200, approved.text
    late = await office.operator.request("PUT", path, json=body, headers={"If-Match": "2"})
    assert (late.status_code, late.json()["code"]) == (409, "programme.immutable")
    seen = (await office.operator.get(path)).json()
    assert (seen["state"], seen["text"]["cap_burst"]["steps"]) == ("approved", HOLD["steps"])
    assert path.rpartition("/")[2] in (await office.operator.get("/v1/operator/review-policies")).text
    assert path.rpartition("/")[2] not in (await office.operator.get("/v1/operator/campaigns")).text
