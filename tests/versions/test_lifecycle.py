"""From draft to force over HTTP, and everything on the way that is refused."""

import asyncio
import datetime
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from helpers import City
from versions.office import BASE, PACK, Office, midnight, new_city, refusal, text_of

from app.verification import verify
from app.wiring import Services

DAY = datetime.timedelta(days=1)


async def test_a_text_follows_a_packs_without_a_restart_at_two_instances(
    office: Office, opened: Callable[..., Any], moved: Callable[..., Any], phone: str
) -> None:
    """The whole way: from a pack's version to a gram under the new text, decided at one, credited at both."""
    clock, tomorrow = office.clock, office.clock.today + DAY
    async with opened() as (http, other):
        watching = asyncio.create_task(other.live.run())
        own = asyncio.create_task(office.city.service.live.run())
        answer = await office.author.post(BASE, json={"from": PACK, "version": "2027"})
        draft = answer.json()
        assert (draft["state"], draft["problems"], draft["origin"]) == (
            "draft",
            [],
            "440300 SZ-LOW-CARBON-TRANSIT.metro 2021",
        )

        text = draft["methodology"]
        text["parameters"][0]["value"] = "50"
        text["in_force"] = {"from": tomorrow.isoformat(), "to": None}
        edited = await office.author.request(
            "PUT", f"{BASE}/{draft['id']}", json={"methodology": text}, headers={"If-Match": '"1"'}
        )
        assert edited.status_code == 200
        assert [(p["pointer"], bool(p["zh"]), bool(p["en"])) for p in edited.json()["problems"]] == [
            ("/examples/0/co2e_g", True, True)
        ]
        assert refusal(await office.step(edited.json(), "submission", office.author)) == (
            422,
            "methodology.invalid",
        )
        text["examples"][0]["co2e_g"] = "500"
        edited = await office.author.request(
            "PUT", f"{BASE}/{draft['id']}", json={"methodology": text}, headers={"If-Match": "2"}
        )
        assert edited.json()["problems"] == []
        shadow = await office.done(edited.json(), "submission", office.author)
        assert shadow["state"] == "shadow"
        approved = await office.done(shadow, "approval")
        assert (approved["state"], approved["approved_by"]) == ("approved", office.second.client_id)
        active = await office.done(approved, "activation", activates_at=midnight(tomorrow))
        assert active["closes"] == [
            {"code": PACK["code"], "version": "2021", "last_day": clock.today.isoformat()}
        ]
        assert active["state"] == "approved"

        there = moved(office.platform, http)
        yesterday = clock.today - DAY
        assert (await office.trip("440300", phone, yesterday))["co2e_g"] == "467"
        # Its moment comes while nobody looks: both had known it before.
        await asyncio.sleep(0.5)
        for task in (watching, own):
            task.cancel()
        clock.forward(hours=33)
        other.preparer.extend(clock.now + DAY)
        office.city.service.preparer.extend(clock.now + DAY)
        assert (await office.trip("440300", phone, tomorrow, 6))["co2e_g"] == "500"
        elsewhere = (await office.report(there, "440300", phone, tomorrow, 8)).json()
        assert elsewhere["co2e_g"] == "500"
        late = (await office.report(there, "440300", phone, yesterday, 12)).json()
        assert late["co2e_g"] == "467", "a late report is computed by the text of its day"

        told = (await there.get(f"/v1/activities/{elsewhere['activity_id']}/explanation")).json()
        assert (told["methodology"]["version"], told["methodology"]["level"]) == ("2027", "city")
        assert told["methodology"]["content_hash"] == active["content_hash"]
        seen = await office.author.get(f"{BASE}/{active['id']}")
        assert seen.json()["state"] == "active"
        timeline = (
            await office.author.get(f"{BASE}/timeline", params={"region": "440300", "scene": "trip.metro"})
        ).json()
        assert [(p["version"], p["first_day"], p["last_day"], p["state"]) for p in timeline["periods"]] == [
            ("2021", "2021-12-01", (tomorrow - DAY).isoformat(), "active"),
            ("2027", tomorrow.isoformat(), None, "active"),
        ]
        assert timeline["gaps"] == []
        listed = (
            await http.get("/v1/methodologies", params={"region": "440300", "scene": "trip.metro"})
        ).json()
        assert {(i["version"], i["in_force_to"], i["origin"]) for i in listed["items"]} == {
            ("2021", (tomorrow - DAY).isoformat(), "built-in"),
            ("2027", None, "operator"),
        }


async def test_nobody_approves_their_own_and_editing_makes_an_author(office: Office) -> None:
    draft = await office.draft(text_of(new_city(), office.clock.today + DAY))
    shadow = await office.done(draft, "submission", office.author)
    assert refusal(await office.step(shadow, "approval", office.author)) == (403, "methodology.approve_own")
    edited = await office.second.request(
        "PUT",
        f"{BASE}/{draft['id']}",
        json={"methodology": shadow["methodology"]},
        headers={"If-Match": str(shadow["etag"])},
    )
    assert edited.json()["state"] == "draft", "an edited shadow is a draft again"
    shadow = await office.done(edited.json(), "submission", office.author)
    for who in (office.author, office.second):
        assert refusal(await office.step(shadow, "approval", who)) == (403, "methodology.approve_own")
    third = await office.city.client("operator", "440000")
    assert (await office.done(shadow, "approval", third))["approved_by"] == third.client_id


async def test_of_many_who_approve_at_once_one_does(office: Office, owner: asyncpg.Connection) -> None:
    shadow = await office.done(
        await office.draft(text_of(new_city(), office.clock.today + DAY)), "submission", office.author
    )
    others = [office.second, *[await office.city.client("operator", "440000") for _ in range(5)]]
    answers = await asyncio.gather(*(office.step(shadow, "approval", who) for who in others))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"methodology.wrong_state"}
    winner = next(answer.json()["approved_by"] for answer in answers if answer.status_code == 200)
    assert (await office.author.get(f"{BASE}/{shadow['id']}")).json()["approved_by"] == winner
    count = "SELECT count(*) FROM audit_records WHERE target_id = $1 AND action = 'methodology.approved'"
    assert await owner.fetchval(count, shadow["id"]) == 1


async def test_of_two_texts_that_are_activated_at_once_one_is(office: Office) -> None:
    """Both are approved with days that do not meet yet; each would close the other's open end or meet it."""
    place, first = new_city(), office.clock.today + 2 * DAY
    one = await office.approved(text_of(place, first))
    two = await office.draft(text_of(place, first))
    two = await office.done(two, "submission", office.author)
    answers = await asyncio.gather(
        office.step(two, "approval"),
        office.step(one, "activation", activates_at=midnight(first)),
        office.step(two, "approval"),
    )
    assert [answer.status_code for answer in answers] == [409, 200, 409]
    assert {answer.json()["code"] for answer in answers[::2]} == {"methodology.periods_overlap"}


async def test_two_that_follow_each_other_are_activated_at_once_in_any_order(office: Office) -> None:
    place, first = new_city(), office.clock.today + 2 * DAY
    one = await office.approved(text_of(place, first))
    two = await office.approved(text_of(place, first + 5 * DAY))
    moment = midnight(first)
    later = await office.done(two, "activation", activates_at=moment)
    assert [closed["version"] for closed in later["closes"]] == [one["version"]]
    three = await office.approved(text_of(place, first + 9 * DAY))
    answers = await asyncio.gather(
        office.step(one, "activation", activates_at=moment),
        office.step(three, "activation", activates_at=moment),
    )
    assert [answer.status_code for answer in answers] == [200, 200], [answer.text for answer in answers]
    asked = {"region": place, "scene": "trip.metro"}
    told = (await office.author.get(f"{BASE}/timeline", params=asked)).json()
    assert [(period["first_day"], period["last_day"]) for period in told["periods"]] == [
        (f"{first}", f"{first + 4 * DAY}"),
        (f"{first + 5 * DAY}", f"{first + 8 * DAY}"),
        (f"{first + 9 * DAY}", None),
    ]


async def test_what_is_approved_never_changes(office: Office, service: Services) -> None:
    approved = await office.approved(text_of(new_city(), office.clock.today + DAY))
    moment = midnight(office.clock.today + DAY)
    active = await office.done(approved, "activation", activates_at=moment)
    for state in (approved, active):
        answer = await office.author.request(
            "PUT",
            f"{BASE}/{state['id']}",
            json={"methodology": state["methodology"]},
            headers={"If-Match": str(state["etag"])},
        )
        assert refusal(answer) == (409, "methodology.immutable")
    for name, over in (("submission", {}), ("approval", {}), ("activation", {"activates_at": moment})):
        assert refusal(await office.step(active, name, **over)) == (409, "methodology.wrong_state")
    # The database holds it, whatever the service does.
    revision = bytes.fromhex(active["id"].removeprefix("mrv_"))
    for change in (
        "content = '{}'",
        "content_hash = 'x'",
        "first_day = '2020-01-01'",
        "authors = '{}'",
        "approved_by = 'x'",
        "activates_at = now()",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            async with service.database.driver_transaction() as driver:
                await driver.execute(
                    f"UPDATE methodology_revisions SET {change} WHERE id = encode($1::bytea, 'hex')::uuid",
                    revision,
                )
    for change in (
        "UPDATE methodology_revisions SET region = '440100'",
        "DELETE FROM methodology_revisions",
        "UPDATE methodology_closures SET last_day = now()",
        "DELETE FROM methodology_closures",
        "UPDATE methodology_exclusions SET first_day = now()",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with service.database.driver_transaction() as driver:
                await driver.execute(change)


async def test_the_database_wants_a_second_operator(office: Office, service: Services) -> None:
    shadow = await office.done(
        await office.draft(text_of(new_city(), office.clock.today + DAY)), "submission", office.author
    )
    for by in (f"'{office.author.client_id}'", "NULL"):
        with pytest.raises(asyncpg.CheckViolationError):
            async with service.database.driver_transaction() as driver:
                await driver.execute(
                    f"UPDATE methodology_revisions SET approved_at = now(), approved_by = {by}"
                    " WHERE id = encode($1::bytea, 'hex')::uuid",
                    bytes.fromhex(shadow["id"].removeprefix("mrv_")),
                )


async def test_days_that_are_credited_stay_with_their_text(office: Office, phones: Any) -> None:
    clock, place = office.clock, new_city()
    begun = clock.today - 20 * DAY
    # No text was in force in this city: days that are over may be filled.
    first = await office.activated(
        text_of(place, begun, in_force={"from": f"{begun}", "to": f"{clock.today}"})
    )
    await office.city.service.live.refresh()
    clock.forward(seconds=60)
    assert (await office.trip(place, phones(), begun + DAY))["outcome"] == "credited"
    await office.done(first, "retirement", last_day=clock.today.isoformat())

    overlapping = await office.draft(text_of(place, begun, "20"))
    overlapping = await office.done(overlapping, "submission", office.author)
    answer = await office.step(overlapping, "approval")
    assert refusal(answer) == (409, "methodology.periods_overlap")
    assert f"{begun}/{clock.today}" in answer.json()["errors"][0]["reason"]

    # A province's days are the city's where the city has none of its own.
    other, phone = new_city(), phones()
    await office.activated(text_of(other, begun, in_force={"from": f"{begun}", "to": f"{begun + 3 * DAY}"}))
    await office.city.service.live.refresh()
    clock.forward(seconds=60)
    assert (await office.trip(other, phone, begun))["outcome"] == "credited"
    district = f"{other[:4]}05"
    assert (await office.trip(district, phone, begun + DAY))["outcome"] == "credited"
    moment = (clock.now + datetime.timedelta(seconds=60)).isoformat()
    below = await office.approved(text_of(district, begun))
    answer = await office.step(below, "activation", activates_at=moment)
    assert refusal(answer) == (409, "methodology.days_credited")
    assert answer.json()["errors"] == [
        {
            "pointer": "/in_force/from",
            "reason": f"1 acts from {begun + DAY} to {begun + DAY} are credited under another text",
        }
    ]
    # Without credits, the days of another text are its own until the moment comes.
    elsewhere = await office.approved(text_of(f"{other[:4]}06", begun))
    answer = await office.step(elsewhere, "activation", activates_at=moment)
    assert refusal(answer) == (409, "methodology.days_in_force")


async def test_periods_never_overlap_and_gaps_are_shown(office: Office) -> None:
    place, day = new_city(), office.clock.today + 10 * DAY
    moment = midnight(day)

    def until(first: int, last: int | None) -> dict[str, Any]:
        return {"from": f"{day + first * DAY}", "to": None if last is None else f"{day + last * DAY}"}

    one = text_of(place, day, in_force=until(0, 9))
    await office.activated(one, moment)
    three = text_of(place, day, in_force=until(20, None))
    await office.activated(three, moment)
    for first, last in ((5, 12), (9, 9), (0, 9), (-3, 0), (-3, 30), (19, 20), (12, None), (20, None)):
        draft = await office.draft(text_of(place, day, in_force=until(first, last)))
        answer = await office.step(await office.done(draft, "submission", office.author), "approval")
        assert refusal(answer) == (409, "methodology.periods_overlap"), (first, last)
    path = f"{BASE}/timeline"
    asked = {"region": place, "scene": "trip.metro"}
    told = (await office.author.get(path, params=asked)).json()
    assert told["gaps"] == [{"first_day": f"{day + 10 * DAY}", "last_day": f"{day + 19 * DAY}"}]
    assert told["falls_to"] == ["440000"]
    four = await office.activated(text_of(place, day, in_force=until(30, None)), moment)
    assert four["closes"] == [
        {"code": "TEST.metro", "version": three["version"], "last_day": f"{day + 29 * DAY}"}
    ]
    two = await office.activated(text_of(place, day, in_force=until(10, 19)), moment)
    assert two["closes"] == []
    told = (await office.author.get(path, params=asked)).json()
    assert told["gaps"] == []
    assert [period["last_day"] for period in told["periods"]] == [
        f"{day + number * DAY}" if number else None for number in (9, 19, 29, 0)
    ]


async def test_a_moment_that_not_all_could_know_of_is_refused(office: Office) -> None:
    approved = await office.approved(text_of(new_city(), office.clock.today + 5 * DAY))
    for seconds in (-86_400, 0, 59):
        moment = (office.clock.now + datetime.timedelta(seconds=seconds)).isoformat()
        answer = await office.step(approved, "activation", activates_at=moment)
        assert refusal(answer) == (422, "methodology.lead_too_short")
        assert answer.json()["errors"][0]["pointer"] == "/activates_at"
    moment = (office.clock.now + datetime.timedelta(seconds=60)).isoformat()
    await office.done(approved, "activation", activates_at=moment)


async def test_a_stale_write_is_refused(office: Office) -> None:
    draft = await office.draft(text_of(new_city(), office.clock.today))
    path = f"{BASE}/{draft['id']}"
    body = {"methodology": draft["methodology"]}
    assert refusal(await office.author.request("PUT", path, json=body)) == (
        428,
        "methodology.if_match_missing",
    )
    for wrong in ("0", "2", "x", "*", "1" * 50):
        answer = await office.author.request("PUT", path, json=body, headers={"If-Match": wrong})
        assert refusal(answer) == (412, "methodology.edited_meanwhile")
    answers = await asyncio.gather(
        *(office.author.request("PUT", path, json=body, headers={"If-Match": "1"}) for _ in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    assert refusal(await office.step(draft, "submission", office.author)) == (
        412,
        "methodology.edited_meanwhile",
    )


async def test_a_retired_version_explains_and_recomputes_what_it_credited(
    office: Office, service: Services, phone: str
) -> None:
    clock, place = office.clock, new_city()
    active = await office.activated(text_of(place, clock.today - 3 * DAY))
    await office.city.service.live.refresh()
    clock.forward(seconds=60)
    credited = await office.trip(place, phone, clock.today - DAY)
    assert credited["co2e_g"] == "467"
    for day in (clock.today - DAY, None):
        answer = await office.step(active, "retirement", last_day=None if day is None else f"{day}")
        assert answer.status_code == 422, answer.text
    retired = await office.done(active, "retirement", last_day=f"{clock.today}")
    assert retired["state"] == "retired"
    assert refusal(await office.step(retired, "retirement", last_day=f"{clock.today}")) == (
        409,
        "methodology.wrong_state",
    )
    await office.city.service.live.refresh()
    clock.forward(days=2)
    assert (await office.trip(place, phone, clock.today - 2 * DAY))["outcome"] == "credited"
    assert (await office.trip(place, phone, clock.today - DAY))["reason"] == "no_methodology"
    told = await office.platform.get(f"/v1/activities/{credited['activity_id']}/explanation")
    assert told.json()["full_co2e_g"] == told.json()["credited_co2e_g"] == "467"
    assert told.json()["methodology"]["in_force_to"] == f"{clock.today - 2 * DAY}"
    async with service.database.snapshot() as driver:
        assert [finding async for finding in verify(driver) if finding.breach is not None] == []


async def test_what_never_counted_retires_without_a_day(office: Office) -> None:
    approved = await office.approved(text_of(new_city(), office.clock.today + DAY))
    assert (await office.done(approved, "retirement"))["state"] == "retired"
    again = text_of(approved["region"], office.clock.today + DAY)
    assert (await office.approved(again))["state"] == "approved", "its days are free"


async def test_a_draft_says_all_that_is_wrong_and_begins_from_nothing(office: Office) -> None:
    place = new_city()
    identity = {"region": place, "scene": "trip.metro", "code": "EMPTY", "version": "1"}
    empty = await office.author.post(BASE, json=identity)
    assert empty.status_code == 200, empty.text
    assert empty.json()["state"] == "draft"
    pointers = {problem["pointer"] for problem in empty.json()["problems"]}
    assert {"/formula", "/title/zh", "/claims", "/examples"} <= pointers
    answer = await office.step(empty.json(), "submission", office.author)
    assert refusal(answer) == (422, "methodology.invalid")
    assert {fault["pointer"] for fault in answer.json()["errors"]} == pointers
    assert refusal(await office.author.post(BASE, json=identity)) == (409, "methodology.version_exists")
    assert refusal(await office.author.post(BASE, json={"from": PACK})) == (409, "methodology.version_exists")
    foreign = identity | {"region": "310000"}
    assert refusal(await office.author.post(BASE, json=foreign)) == (403, "methodology.out_of_region")
    for wrong, place_ in (
        ({"scene": "trip.teleport"}, "/scene"),
        ({"region": None}, "/region"),
        ({"from": PACK, "methodology": {}}, "/from"),
        ({"methodology": {"version": "x" * 99}, "version": None}, "/version"),
        ({"methodology": {"formula": 10**30}}, "/methodology"),
    ):
        answer = await office.author.post(BASE, json=identity | {"version": "2"} | wrong)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, place_), answer.text
    answer = await office.author.post(
        BASE, json={"from": {"region": place, "code": "NONE", "version": "1"}, "version": "3"}
    )
    assert refusal(answer) == (404, "methodology.not_found")
    other = empty.json()["methodology"] | {"region": "440300"}
    answer = await office.author.request(
        "PUT", f"{BASE}/{empty.json()['id']}", json={"methodology": other}, headers={"If-Match": "1"}
    )
    assert answer.json()["errors"][0]["pointer"] == "/region"


async def test_a_check_keeps_nothing(office: Office) -> None:
    text = text_of(new_city(), office.clock.today)
    good = (await office.author.post(f"{BASE}/check", json={"methodology": text})).json()
    assert (good["ok"], good["problems"], len(good["content_hash"])) == (True, [], 64)
    text["inputs"][0]["unit"], text["formula"] = "km", "distance_m * nothing"
    bad = (await office.author.post(f"{BASE}/check", json={"methodology": text})).json()
    assert (bad["ok"], bad["content_hash"]) == (False, None)
    assert all(problem["zh"] and problem["en"] for problem in bad["problems"])
    assert any(problem["pointer"].startswith("/inputs/0") for problem in bad["problems"])
    listed = await office.author.get(BASE, params={"region": text["region"]})
    assert listed.json()["items"] == []


async def test_lists_page_by_page_by_state(office: Office) -> None:
    place = new_city()
    ids = [(await office.draft(text_of(place, office.clock.today + DAY)))["id"] for _ in range(5)]
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await office.author.get(BASE, params={"region": place, "limit": "2", **cursor})).json()
        found += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert sorted(found) == sorted(ids)
    assert "methodology" not in page["items"][0]
    active = await office.activated(
        text_of(place, office.clock.today + DAY), midnight(office.clock.today + DAY)
    )
    for state, count in (("draft", 5), ("shadow", 0), ("approved", 1), ("active", 0), ("retired", 0)):
        items = (await office.author.get(BASE, params={"region": place, "state": state})).json()["items"]
        assert len(items) == count, state
    office.clock.forward(days=1)
    items = (await office.author.get(BASE, params={"region": place, "state": "active"})).json()["items"]
    assert [item["id"] for item in items] == [active["id"]]
    assert (await office.author.get(BASE, params={"cursor": "x"})).status_code == 422


async def test_a_region_is_its_own_operators(office: Office, city: City) -> None:
    draft = await office.draft(text_of(new_city(), office.clock.today))
    foreign = await office.city.client("operator", "310000")
    path = f"{BASE}/{draft['id']}"
    assert refusal(await foreign.get(path)) == (404, "methodology.not_found")
    assert refusal(await office.step(draft, "submission", foreign)) == (404, "methodology.not_found")
    answer = await foreign.request(
        "PUT", path, json={"methodology": draft["methodology"]}, headers={"If-Match": "1"}
    )
    assert refusal(answer) == (404, "methodology.not_found")
    assert (await foreign.get(BASE)).json()["items"] == []
    asked = {"region": draft["region"], "scene": "trip.metro"}
    assert refusal(await foreign.get(f"{BASE}/timeline", params=asked)) == (403, "methodology.out_of_region")
    nation = await office.city.client("operator", "100000")
    assert (await nation.get(path)).status_code == 200
