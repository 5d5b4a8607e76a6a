"""Contested outcomes: they stand, or the claim is moved in one commit, once, and everybody can see why."""

import asyncio
import json
import uuid
from collections import Counter

import asyncpg
import pytest
from agreements.people import signed_in
from disputes.quarrel import REASON, TRIP_MG, Quarrel, clothes, trip
from helpers import City

from accounts.ids import parse_public_id
from app.disputes.models import Party
from app.disputes.service import MOST_OPEN
from app.embedded.stack import Stack


async def test_a_move_reverses_the_old_credit_and_makes_the_new_one(city: City) -> None:
    quarrel = await Quarrel.begin(city)
    credited, duplicate = await quarrel.one_act()
    before = await quarrel.books()
    dispute = await quarrel.dispute(duplicate)
    answer = await quarrel.decide(dispute, "moved")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["from_activity_id"], answer.json()["to_activity_id"]) == (credited, duplicate)
    old, new = await quarrel.activity(credited), await quarrel.activity(duplicate)
    assert old["reversed_at"] is not None
    assert (new["outcome"], new["reason"], new["reversed_at"]) == ("credited", "moved", None)
    assert new["winner_id"] == credited
    grams, points, owed = await quarrel.books()
    # By the second platform's distance: 9.9 km.
    assert (before[0], grams) == (TRIP_MG, TRIP_MG * 99 // 100)
    assert (points, owed) == (new["points"], 0)
    # The moved claim is held: a third report of the same ride finds it.
    third = await quarrel.report(0, trip(quarrel.persons[0][0]))
    assert (third["outcome"], third["winner_id"]) == ("duplicate", duplicate)
    assert await quarrel.breaches() == []


async def test_both_explanations_and_the_audit_trail_tell_of_a_move(city: City) -> None:
    quarrel = await Quarrel.begin(city)
    credited, duplicate = await quarrel.one_act()
    dispute = await quarrel.dispute(duplicate, None)
    assert (await quarrel.decide(dispute, "moved")).status_code == 200
    for activity in (credited, duplicate):
        (told,) = (await quarrel.explained(activity))["disputes"]
        assert (told["state"], told["from_activity_id"], told["to_activity_id"]) == (
            "moved",
            credited,
            duplicate,
        )
        # The parties' words are theirs.
        assert set(told) == {
            *("dispute_id", "activity_id", "state", "opened_at", "ended_at"),
            *("from_activity_id", "to_activity_id"),
        }
    trail = (await quarrel.operator.get("/v1/operator/audit", params={"target_id": dispute})).json()["items"]
    assert [(item["action"], item["reason"]) for item in trail] == [("dispute.moved", REASON)]
    mine = (await quarrel.resident().get("/v1/me/disputes")).json()["items"]
    assert [(item["dispute_id"], item["state"], item["reason"]) for item in mine] == [
        (dispute, "moved", REASON)
    ]
    entries = (await quarrel.resident().get("/v1/me/entries")).json()["items"]
    assert Counter(entry["activity_id"] for entry in entries) == {credited: 4, duplicate: 2}


async def test_an_upheld_outcome_stands_for_good(city: City) -> None:
    quarrel = await Quarrel.begin(city)
    credited, duplicate = await quarrel.one_act()
    before = await quarrel.books()
    dispute = await quarrel.dispute(duplicate)
    assert (await quarrel.decide(dispute, "upheld")).json()["state"] == "upheld"
    assert await quarrel.books() == before
    assert (await quarrel.activity(credited))["reversed_at"] is None
    again = await quarrel.platforms[1].post(
        f"/v1/activities/{duplicate}/dispute", json={"explanation": "but it was"}
    )
    assert (again.status_code, again.json()["code"]) == (409, "dispute.exists")
    # The person has not contested it yet, and may.
    await quarrel.dispute(duplicate, None)


async def test_a_withdrawn_dispute_may_be_opened_again(city: City) -> None:
    quarrel = await Quarrel.begin(city)
    _, duplicate = await quarrel.one_act()
    dispute = await quarrel.dispute(duplicate)
    other = await quarrel.platforms[0].post(f"/v1/disputes/{dispute}/withdrawal")
    assert (other.status_code, other.json()["code"]) == (404, "dispute.not_found")
    ended = await quarrel.platforms[1].post(f"/v1/disputes/{dispute}/withdrawal")
    assert ended.json()["state"] == "withdrawn"
    late = await quarrel.decide(dispute, "moved")
    assert (late.status_code, late.json()["code"]) == (409, "dispute.decided")
    assert await quarrel.dispute(duplicate) != dispute


async def test_a_credited_act_is_moved_to_a_duplicate_of_it_only(city: City) -> None:
    quarrel = await Quarrel.begin(city)
    credited, duplicate = await quarrel.one_act()
    other = await quarrel.report(0, trip(quarrel.persons[0][0], **later(1)))
    dispute = await quarrel.dispute(credited, None)
    for to in ({}, {"to_activity_id": other["activity_id"]}, {"to_activity_id": credited}):
        refused = await quarrel.decide(dispute, "moved", **to)
        assert (refused.status_code, refused.json()["code"]) == (409, "dispute.not_movable"), refused.text
    moved = await quarrel.decide(dispute, "moved", to_activity_id=duplicate)
    assert moved.status_code == 200, moved.text
    assert (await quarrel.activity(credited))["reversed_at"] is not None
    assert (await quarrel.activity(duplicate))["outcome"] == "credited"
    assert await quarrel.breaches() == []


def later(days: int) -> dict[str, str]:
    day = 16 - days
    return {
        "started_at": f"2026-11-{day:02d}T08:00:00+08:00",
        "ended_at": f"2026-11-{day:02d}T08:25:00+08:00",
    }


async def test_what_was_moved_is_not_contested_again(city: City) -> None:
    quarrel = await Quarrel.begin(city, platforms=3)
    credited, duplicate = await quarrel.one_act()
    phone = quarrel.persons[0][0]
    third = (await quarrel.report(2, trip(phone)))["activity_id"]
    assert (await quarrel.decide(await quarrel.dispute(duplicate), "moved")).status_code == 200
    for activity in (credited, duplicate):
        answer = await quarrel.resident().post(
            f"/v1/me/activities/{activity}/dispute", json={"explanation": "x"}
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "dispute.not_disputable")
    # The third lost to the first, whose claim is the second's by now.
    refused = await quarrel.decide(await quarrel.dispute(third, 2), "moved")
    assert (refused.status_code, refused.json()["code"]) == (409, "dispute.not_movable")
    assert (await quarrel.activity(duplicate))["outcome"] == "credited"


async def test_a_refusal_by_the_text_cannot_be_moved(city: City) -> None:
    quarrel = await Quarrel.begin(city)
    refused = await quarrel.report(0, trip(quarrel.persons[0][0], distance_m=1_000_000))
    assert refused["outcome"] == "rejected"
    dispute = await quarrel.dispute(refused["activity_id"], None)
    answer = await quarrel.decide(dispute, "moved")
    assert (answer.status_code, answer.json()["code"]) == (409, "dispute.not_movable")
    assert (await quarrel.decide(dispute, "upheld")).status_code == 200


async def test_an_order_moves_from_one_person_to_another(city: City) -> None:
    quarrel = await Quarrel.begin(city, persons=2)
    order = uuid.uuid4().hex
    first = await quarrel.report(0, clothes(quarrel.persons[0][0], order))
    second = await quarrel.report(1, clothes(quarrel.persons[1][0], order, 1))
    assert (first["outcome"], second["outcome"]) == ("credited", "duplicate")
    dispute = await quarrel.dispute(second["activity_id"])
    assert (await quarrel.decide(dispute, "moved")).status_code == 200
    assert await quarrel.books(0) == (0, 0, 0)
    assert (await quarrel.books(1))[:2] == (1_280_000, 30)
    # The order stays claimed.
    again = await quarrel.report(0, clothes(quarrel.persons[0][0], order, 2))
    assert again["winner_id"] == second["activity_id"]
    assert await quarrel.breaches() == []


async def test_nothing_is_half_moved_where_the_other_persons_cap_is_reached(city: City) -> None:
    quarrel = await Quarrel.begin(city, persons=2)
    order = uuid.uuid4().hex
    first = await quarrel.report(0, clothes(quarrel.persons[0][0], order))
    second = await quarrel.report(1, clothes(quarrel.persons[1][0], order, 1))
    for number in range(5):
        full = await quarrel.report(1, clothes(quarrel.persons[1][0], uuid.uuid4().hex, 10 + number))
        assert full["outcome"] == "credited"
    dispute = await quarrel.dispute(second["activity_id"])
    refused = await quarrel.decide(dispute, "moved")
    assert (refused.status_code, refused.json()["code"]) == (409, "activity.cap_reached")
    assert (await quarrel.activity(first["activity_id"]))["reversed_at"] is None
    assert (await quarrel.books(0))[0] == 1_280_000
    listed = (await quarrel.operator.get("/v1/operator/disputes")).json()["items"]
    assert next(item["state"] for item in listed if item["dispute_id"] == dispute) == "open"
    assert await quarrel.breaches() == []


async def test_nothing_moves_to_who_withdrew_the_consent(city: City) -> None:
    quarrel = await Quarrel.begin(city)
    credited, duplicate = await quarrel.one_act()
    withdrawn = await quarrel.operator.post(
        f"/v1/operator/holders/{quarrel.persons[0][1]}/consents/withdrawal",
        json={"source_id": quarrel.platforms[1].organisation_id},
    )
    assert withdrawn.status_code == 200
    refused = await quarrel.decide(await quarrel.dispute(duplicate), "moved")
    assert (refused.status_code, refused.json()["code"]) == (409, "activity.no_consent")
    assert (await quarrel.activity(credited))["reversed_at"] is None


async def test_spent_points_are_owed_as_in_a_reversal(city: City, owner: asyncpg.Connection) -> None:
    """The programme's rule for a reversal is the rule for a move: nothing is earned twice."""
    quarrel = await Quarrel.begin(city, persons=2)
    order = uuid.uuid4().hex
    await quarrel.report(0, clothes(quarrel.persons[0][0], order))
    second = await quarrel.report(1, clothes(quarrel.persons[1][0], order, 1))
    holder = parse_public_id("hld", quarrel.persons[0][1])
    # As if they had expired: what is not there any more is owed or lost, as the programme says.
    await owner.execute("UPDATE lots SET expires_on = '2026-11-01' WHERE holder_id = $1", holder)
    assert (await quarrel.decide(await quarrel.dispute(second["activity_id"]), "moved")).status_code == 200
    kinds = await owner.fetch("SELECT kind FROM entries WHERE holder_id = $1", holder)
    assert 9 in {row["kind"] for row in kinds}  # a shortfall
    assert (await quarrel.books(1))[1] == 30


async def test_two_who_move_at_once_move_once(city: City) -> None:
    for _ in range(3):
        quarrel = await Quarrel.begin(city)
        _, duplicate = await quarrel.one_act()
        dispute = await quarrel.dispute(duplicate)
        answers = await asyncio.gather(
            *(quarrel.decide(dispute, "moved" if i % 2 else "upheld") for i in range(20))
        )
        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
        assert {a.json()["code"] for a in answers if a.status_code == 409} == {"dispute.decided"}
        assert (await quarrel.books())[0] in (TRIP_MG, TRIP_MG * 99 // 100)
    assert await quarrel.breaches() == []


async def test_two_duplicates_of_one_act_that_are_moved_at_once_are_moved_once(city: City) -> None:
    quarrel = await Quarrel.begin(city, platforms=3)
    _, second = await quarrel.one_act()
    third = (await quarrel.report(2, trip(quarrel.persons[0][0])))["activity_id"]
    disputes = [await quarrel.dispute(second, 1), await quarrel.dispute(third, 2)]
    answers = await asyncio.gather(*(quarrel.decide(each, "moved") for each in disputes))
    assert sorted(answer.status_code for answer in answers) == [200, 409], [a.text for a in answers]
    assert (await quarrel.books())[0] in (TRIP_MG, TRIP_MG * 99 // 100)
    assert await quarrel.breaches() == []


async def test_many_who_contest_one_act_at_once_open_one_dispute(city: City) -> None:
    quarrel = await Quarrel.begin(city)
    _, duplicate = await quarrel.one_act()
    body = {"explanation": "x"}
    path = f"/v1/activities/{duplicate}/dispute"
    answers = await asyncio.gather(
        *(quarrel.platforms[1].post(path, json=body) for _ in range(10)),
        *(quarrel.resident().post(f"/v1/me{path[3:]}", json=body) for _ in range(10)),
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}


async def test_one_party_has_so_many_open(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MOST_OPEN, Party.HOLDER, 2)
    quarrel = await Quarrel.begin(city)
    acts = [await quarrel.report(0, trip(quarrel.persons[0][0], **later(day))) for day in range(6)]
    paths = [f"/v1/me/activities/{act['activity_id']}/dispute" for act in acts]
    resident = quarrel.resident()
    answers = await asyncio.gather(*(resident.post(path, json={"explanation": "x"}) for path in paths))
    assert Counter(answer.status_code for answer in answers) == {200: 2, 409: 4}
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"dispute.too_many"}


async def test_the_same_key_gets_the_same_answer(city: City) -> None:
    quarrel = await Quarrel.begin(city)
    _, duplicate = await quarrel.one_act()
    dispute = await quarrel.dispute(duplicate)
    path, body = f"/v1/operator/disputes/{dispute}/decision", {"decision": "moved", "reason": "x"}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = await quarrel.operator.post(path, json=body, headers=headers)
    again = await quarrel.operator.post(path, json=body, headers=headers)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")


async def test_both_platforms_are_told_of_their_own_activity(city: City, owner: asyncpg.Connection) -> None:
    quarrel = await Quarrel.begin(city)
    types = ["dispute.opened", "dispute.moved", "activity.reversed", "activity.credited"]
    for platform in quarrel.platforms:
        made = await platform.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/", "event_types": types})
        assert made.status_code == 200, made.text
    credited, duplicate = await quarrel.one_act()
    await quarrel.decide(await quarrel.dispute(duplicate), "moved")
    told = []
    for platform in quarrel.platforms:
        rows = await owner.fetch(
            """
            SELECT d.type, d.data FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
            WHERE e.organisation_id = $1
            """,
            parse_public_id("org", platform.organisation_id),
        )
        told.append({row["type"]: json.loads(row["data"]) for row in rows})
    assert told[0].keys() >= {"dispute.opened", "activity.reversed", "dispute.moved"}
    assert told[1].keys() == {"activity.credited", "dispute.opened", "dispute.moved"}
    moved = [(each["dispute.moved"]["activity_id"], each["dispute.moved"]["credited"]) for each in told]
    assert moved == [(credited, False), (duplicate, True)]
    assert told[1]["activity.credited"]["activity_id"] == duplicate


async def test_a_connection_that_breaks_in_the_middle_leaves_nothing_half_moved(
    city: City, owner: asyncpg.Connection, stack: Stack
) -> None:
    """The old credit is reversed already, and the new claim waits, when the server ends the connection."""
    quarrel = await Quarrel.begin(city)
    credited, duplicate = await quarrel.one_act()
    dispute, before = await quarrel.dispute(duplicate), await quarrel.books()
    holder = parse_public_id("hld", quarrel.persons[0][1])
    async with owner.transaction():
        # Of this person's day: what the move takes after the reversal.
        await owner.execute(
            """
            UPDATE interval_tokens SET claimed = claimed WHERE day = '2026-11-16' AND token IN (
                SELECT token FROM interval_claims c JOIN activities a ON a.id = c.activity_id
                WHERE a.holder_id = $1)
            """,
            holder,
        )
        deciding = asyncio.create_task(quarrel.decide(dispute, "moved"))
        waiting: list[int] = []
        async with asyncio.timeout(30):
            while not waiting:
                await asyncio.sleep(0.05)
                waiting = [
                    row[0]
                    for row in await owner.fetch(
                        "SELECT pid FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
                    )
                ]
        assert stack.postgres is not None
        root = await asyncpg.connect(stack.postgres.url("postgres", "postgres"))
        assert await root.fetchval("SELECT pg_terminate_backend($1)", waiting[0])
        await root.close()
        assert (await deciding).status_code == 503
    assert await quarrel.books() == before
    assert (await quarrel.activity(credited))["reversed_at"] is None
    assert (await quarrel.activity(duplicate))["outcome"] == "duplicate"
    assert await quarrel.breaches() == []
    assert (await quarrel.decide(dispute, "moved")).status_code == 200


async def test_an_operator_of_elsewhere_sees_and_decides_nothing(city: City) -> None:
    quarrel = await Quarrel.begin(city)
    _, duplicate = await quarrel.one_act()
    dispute = await quarrel.dispute(duplicate)
    stranger = await city.client("operator", "310000")
    assert dispute not in (await stranger.get("/v1/operator/disputes")).text
    assert (await stranger.get(f"/v1/operator/disputes/{dispute}")).status_code == 404
    body = {"decision": "moved", "reason": "x"}
    refused = await stranger.post(f"/v1/operator/disputes/{dispute}/decision", json=body)
    assert refused.status_code == 404
    other = signed_in(city, await city.holder(quarrel.operator, "13766669999"))
    assert (
        await other.post(f"/v1/me/activities/{duplicate}/dispute", json={"explanation": "x"})
    ).status_code == 404
