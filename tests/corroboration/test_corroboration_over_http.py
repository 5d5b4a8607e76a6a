"""What platforms, residents and operators see of corroboration at the doors."""

import datetime
from typing import Any

import pytest
from disputes.quarrel import TRIP_MG, Quarrel, trip
from helpers import Caller, City
from review.watch import watch

from accounts.ids import parse_public_id
from app.crediting.precedence_choice import preferred


async def test_a_reversal_by_the_platform_credits_the_others_report(city: City) -> None:
    quarrel = await Quarrel.begin(city)
    credited, duplicate = await quarrel.one_act()
    told = (await quarrel.explained(credited))["corroboration"]
    assert (told["platforms"], told["evidence_reported"], told["evidence_now"]) == (
        1,
        "platform",
        "corroborated",
    )
    answer = await quarrel.platforms[0].post(f"/v1/activities/{credited}/reversal", json={"reason": "refund"})
    assert answer.status_code == 200, answer.text
    now = await quarrel.activity(duplicate)
    assert (now["outcome"], now["reason"]) == ("credited", "credited_after_reversal")
    assert (await quarrel.books())[0] == TRIP_MG * 99 // 100
    # Neither of the two platforms is named to the other.
    explained = str(await quarrel.explained(duplicate))
    assert quarrel.platforms[0].organisation_id not in explained
    # A corrected report of the platform that reversed is a duplicate of that, and stands behind it.
    again = await quarrel.report(0, trip(quarrel.persons[0][0]))
    assert (again["outcome"], again["winner_id"]) == ("duplicate", duplicate)
    assert await quarrel.breaches() == []


async def test_only_an_operator_says_that_an_act_did_not_happen(city: City) -> None:
    quarrel = await Quarrel.begin(city)
    credited, duplicate = await quarrel.one_act()
    body = {"reason": "nobody rode", "refuted": True}
    refused = await quarrel.platforms[0].post(f"/v1/activities/{credited}/reversal", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/refuted"), refused.text
    assert (await quarrel.activity(credited))["reversed_at"] is None
    done = await quarrel.operator.post(f"/v1/activities/{credited}/reversal", json=body)
    assert done.status_code == 200, done.text
    assert (await quarrel.activity(duplicate))["outcome"] == "duplicate"
    assert await quarrel.books() == (0, 0, 0)
    (record,) = (await quarrel.operator.get("/v1/operator/audit", params={"target_id": credited})).json()[
        "items"
    ]
    assert record["after"]["refuted"] is True
    assert record["after"]["corroborations"] == {duplicate: "refuted"}
    assert await quarrel.breaches() == []


async def test_a_dispute_names_who_gets_the_credit_and_the_others_follow(city: City) -> None:
    quarrel = await Quarrel.begin(city, platforms=3)
    credited, duplicate = await quarrel.one_act()
    third = (await quarrel.report(2, trip(quarrel.persons[0][0])))["activity_id"]
    moved = await quarrel.decide(await quarrel.dispute(third, 2), "moved")
    assert moved.status_code == 200, moved.text
    standing = [
        each for each in (credited, duplicate, third) if (await quarrel.activity(each))["reversed_at"] is None
    ]
    assert standing == [duplicate, third]
    assert (await quarrel.activity(duplicate))["outcome"] == "duplicate"
    told = (await quarrel.explained(third))["corroboration"]
    assert (told["platforms"], [each["ended"] for each in told["supports"]]) == (2, ["moved"])
    # Once the moved credit is gone too, the one that is left gets it.
    await quarrel.platforms[2].post(f"/v1/activities/{third}/reversal", json={"reason": "refund"})
    assert (await quarrel.activity(duplicate))["reason"] == "credited_after_reversal"
    assert (await quarrel.books())[0] == TRIP_MG * 99 // 100
    assert await quarrel.breaches() == []


async def test_a_credit_moved_to_another_person_leaves_nothing_behind_it(city: City) -> None:
    from disputes.quarrel import clothes  # noqa: PLC0415

    quarrel = await Quarrel.begin(city, platforms=3, persons=2)
    order = "given-" + quarrel.persons[0][0]
    first = await quarrel.report(0, clothes(quarrel.persons[0][0], order))
    same = await quarrel.report(1, clothes(quarrel.persons[0][0], order))
    other = await quarrel.report(2, clothes(quarrel.persons[1][0], order))
    assert (first["outcome"], same["outcome"], other["outcome"]) == ("credited", "duplicate", "duplicate")
    moved = await quarrel.decide(await quarrel.dispute(other["activity_id"], 2), "moved")
    assert moved.status_code == 200, moved.text
    (row,) = (await quarrel.explained(same["activity_id"]))["corroboration"]["supports"]
    assert row["ended"] == "moved_away"
    assert [(await quarrel.books(person))[0] for person in (0, 1)] == [0, 1_280_000]
    assert await quarrel.breaches() == []


async def test_a_dispute_of_a_duplicate_finds_the_credit_of_today(city: City) -> None:
    """It lost to a report that is reversed by now, and stands behind the one that was credited in its place."""
    quarrel = await Quarrel.begin(city, platforms=3)
    credited, second = await quarrel.one_act()
    third = (await quarrel.report(2, trip(quarrel.persons[0][0])))["activity_id"]
    await quarrel.platforms[0].post(f"/v1/activities/{credited}/reversal", json={"reason": "refund"})
    moved = await quarrel.decide(await quarrel.dispute(third, 2), "moved")
    assert (moved.status_code, moved.json().get("from_activity_id")) == (200, second), moved.text
    assert (await quarrel.activity(second))["reversed_at"] is not None
    assert (await quarrel.activity(third))["outcome"] == "credited"
    assert (await quarrel.books())[0] == TRIP_MG
    assert await quarrel.breaches() == []


async def test_a_review_that_rejects_an_act_refutes_it(watched: City) -> None:
    hold = {"minutes": 600, "steps": [{"from_score": 1, "action": "hold"}]}
    await watch(watched.service, impossible_travel=hold, decide_within_days=7, undecided="reject")
    quarrel = await Quarrel.begin(watched, platforms=3)
    phone = quarrel.persons[0][0]
    far = await quarrel.report(
        0,
        trip(
            phone,
            scene="trip.shared_bike",
            region="420100",
            started_at="2026-11-16T07:30:00+08:00",
            ended_at="2026-11-16T07:45:00+08:00",
            distance_m=3_000,
        ),
    )
    assert far["outcome"] == "credited"
    held, other = [await quarrel.report(place, trip(phone)) for place in (1, 2)]
    assert (held["reason"], other["outcome"]) == ("held_for_review", "duplicate")
    assert (await quarrel.explained(held["activity_id"]))["corroboration"]["platforms"] == 1
    answer = await quarrel.operator.post(
        f"/v1/operator/reviews/{held['activity_id']}/decision", json={"decision": "rejected", "reason": "x"}
    )
    assert answer.status_code == 200, answer.text
    (row,) = (await quarrel.explained(other["activity_id"]))["corroboration"]["supports"]
    assert row["ended"] == "refuted"
    assert await quarrel.breaches() == []


# The choice of a platform


async def test_a_resident_chooses_and_lets_go(city: City) -> None:
    quarrel = await Quarrel.begin(city)
    resident = quarrel.resident()
    path = "/v1/me/preferred-platforms/trip"
    for number in (0, 0, 1):
        chosen = quarrel.platforms[number].organisation_id
        answer = await resident.request("PUT", path, json={"source_id": chosen})
        assert answer.status_code == 200, answer.text
        (item,) = answer.json()["items"]
        assert (item["scene_group"], item["source_id"]) == ("trip", chosen)
    assert (await resident.get("/v1/me/preferred-platforms")).json()["items"] == [item]
    holder = parse_public_id("hld", quarrel.persons[0][1])
    assert holder is not None
    async with city.service.database.statement() as driver:
        now = city.service.intake.clock()
        assert await preferred(driver, holder, "trip", now) == parse_public_id("org", item["source_id"])
        assert await preferred(driver, holder, "trip", now - datetime.timedelta(days=1)) is None
        assert (
            await driver.fetchval("SELECT count(*) FROM preferred_platforms WHERE holder_id = $1", holder)
            == 2
        )
    assert (await resident.request("PUT", path, json={"source_id": None})).json() == {"items": []}
    async with city.service.database.statement() as driver:
        assert await preferred(driver, holder, "trip", city.service.intake.clock()) is None


@pytest.mark.parametrize(
    ("group", "source", "status"),
    [("nothing", None, 422), ("trip", "org_" + "1" * 32, 404), ("trip", "x", 404), ("movement", None, 422)],
)
async def test_what_cannot_be_preferred(city: City, group: str, source: str | None, status: int) -> None:
    quarrel = await Quarrel.begin(city)
    answer = await quarrel.resident().request(
        "PUT", f"/v1/me/preferred-platforms/{group}", json={"source_id": source}
    )
    assert answer.status_code == status, answer.text


# Figures


async def figures(who: Caller, path: str = "/v1/platform-quality", **asked: Any) -> list[dict[str, Any]]:
    answer = await who.get(path, params=asked)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_the_figures_of_a_platform_add_up(city: City) -> None:
    """Of two platforms: a credit each, a repeat, a corroboration, an exclusion, an order of two people, a reversal."""
    from disputes.quarrel import clothes  # noqa: PLC0415

    quarrel = await Quarrel.begin(city, platforms=2, persons=2)
    one, two = quarrel.platforms
    phone, other = quarrel.persons[0][0], quarrel.persons[1][0]
    await quarrel.one_act()
    await quarrel.report(1, trip(phone))
    await quarrel.report(0, trip(phone))
    bike = {"scene": "trip.shared_bike", "region": "420100", "distance_m": 2_000, "order_no": "f-" + phone}
    inside = {"started_at": "2026-11-16T08:05:00+08:00", "ended_at": "2026-11-16T08:15:00+08:00"}
    assert (await quarrel.report(1, trip(phone, **bike, **inside)))["outcome"] == "duplicate"
    won = await quarrel.report(1, clothes(phone, "figures-" + phone))
    await quarrel.report(0, clothes(other, "figures-" + phone))
    await two.post(f"/v1/activities/{won['activity_id']}/reversal", json={"reason": "x"})
    (first,), (second,) = await figures(one), await figures(two)
    wanted = {
        "reports": 3, "credited": 1, "duplicates": 2, "own_repeats": 1, "corroborations": 0, "excluded": 0,
        "claimed_elsewhere": 1, "corroborated": 1, "disputed": 0, "moved_away": 0, "reversed": 0,
        "credited_per_mille": 333, "duplicates_per_mille": 666, "own_repeats_per_mille": 333,
        "corroborated_per_mille": 1000, "disputed_per_mille": 0, "reversed_per_mille": 0,
    }  # fmt: skip
    assert {name: first[name] for name in wanted} == wanted
    wanted = {
        "reports": 4, "credited": 0, "duplicates": 3, "own_repeats": 0, "corroborations": 2, "excluded": 1,
        "claimed_elsewhere": 0, "corroborated": 0, "reversed": 1, "reversed_per_mille": 250,
    }  # fmt: skip
    assert {name: second[name] for name in wanted} == wanted
    assert (first["source_id"], second["source_id"]) == (one.organisation_id, two.organisation_id)


async def test_an_operator_sees_its_region_page_by_page_and_a_platform_itself(city: City) -> None:
    quarrel = await Quarrel.begin(city, platforms=3)
    phone = quarrel.persons[0][0]
    for place in range(3):
        await quarrel.report(place, trip(phone))
    path = "/v1/operator/platform-quality"
    mine = {platform.organisation_id for platform in quarrel.platforms}
    seen: list[str] = []
    cursor: str | None = None
    while True:
        asked = {"limit": 2} | ({} if cursor is None else {"cursor": cursor})
        page = (await quarrel.operator.get(path, params=asked)).json()
        seen += [item["source_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == sorted(set(seen))
    assert mine <= set(seen)
    (picked,) = await figures(quarrel.operator, path, source_id=min(mine))
    assert picked["source_id"] == min(mine)
    elsewhere = await city.client("operator", "310000")
    assert await figures(elsewhere, path) == []
    assert await figures(quarrel.platforms[0], first_day="2026-01-01", last_day="2026-01-31") == []


@pytest.mark.parametrize(
    "asked",
    [
        {"first_day": "2026-01-01", "last_day": "2026-02-01"},
        {"first_day": "2026-01-02", "last_day": "2026-01-01"},
        {"first_day": "0001-01-01"},
        {"last_day": "1970-01-01"},
        {"last_day": "9999-12-31"},
        {"first_day": "x"},
    ],
)
async def test_periods_that_are_none(city: City, asked: dict[str, str]) -> None:
    platform = await city.client("platform")
    assert (await platform.get("/v1/platform-quality", params=asked)).status_code == 422


async def test_an_expert_reads_the_same_figures_after_a_move(city: City) -> None:
    quarrel = await Quarrel.begin(city)
    _, duplicate = await quarrel.one_act()
    assert (await quarrel.decide(await quarrel.dispute(duplicate), "moved")).status_code == 200
    (lost,), (got,) = await figures(quarrel.platforms[0]), await figures(quarrel.platforms[1])
    assert (lost["reports"], lost["credited"], lost["moved_away"], lost["reversed"]) == (1, 0, 1, 1)
    assert (got["reports"], got["credited"], got["corroborated"], got["disputed"]) == (1, 1, 1, 1)
