"""A scene is excluded, and let in again, by two operators; it takes effect on a day that is to come."""

import asyncio
import datetime
from typing import Any

import asyncpg
import httpx
import pytest
from helpers import Caller
from versions.office import BASE, Office, new_city, refusal, text_of

from app.wiring import Services

DAY = datetime.timedelta(days=1)
PATH = f"{BASE}/exclusions"


def body(office: Office, place: str, **over: Any) -> dict[str, Any]:
    return {
        "region": place,
        "scene": "trip.metro",
        "first_day": str(office.clock.today + DAY),
        "legal_basis": "emissions trading",
        "reason": "notice 7",
        **over,
    }


async def proposed(office: Office, region: str, **over: Any) -> dict[str, Any]:
    answer = await office.author.post(PATH, json=body(office, region, **over))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def step(
    exclusion: dict[str, Any], name: str, who: Caller, language: str = "en", **over: Any
) -> httpx.Response:
    return await who.post(
        f"{PATH}/{exclusion['id']}/{name}",
        json={"reason": "test", **over},
        headers={"If-Match": str(exclusion["etag"]), "Accept-Language": language},
    )


async def done(exclusion: dict[str, Any], name: str, who: Caller, **over: Any) -> dict[str, Any]:
    answer = await step(exclusion, name, who, **over)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def actions(office: Office, exclusion: dict[str, Any]) -> list[str]:
    trail = await office.author.get("/v1/operator/audit", params={"target_id": exclusion["id"]})
    return [each["action"].removeprefix("scene.") for each in reversed(trail.json()["items"])]


async def test_an_excluded_scene_earns_nothing_on_its_days(office: Office, phone: str) -> None:
    clock = office.clock
    made = await proposed(office, "440300")
    assert (made["state"], made["approved_by"], made["proposed_end"]) == ("proposed", None, None)
    await office.city.service.live.refresh()
    clock.forward(seconds=1)
    approved = await done(made, "approval", office.second)
    assert (approved["state"], approved["created_by"], approved["approved_by"]) == (
        "approved",
        office.author.client_id,
        office.second.client_id,
    )
    await office.city.service.live.refresh()
    clock.forward(days=2)
    assert (await office.trip("440300", phone, clock.today - 2 * DAY))["outcome"] == "credited"
    excluded = await office.trip("440300", phone, clock.today - DAY)
    assert (excluded["outcome"], excluded["reason"], excluded["co2e_g"]) == (
        "rejected",
        "scene_excluded",
        "0",
    )
    assert excluded["activity_id"], "it is final, and kept"
    below = await office.trip("440305", phone, clock.today - DAY, 10)
    assert below["reason"] == "scene_excluded"
    told = await office.platform.get(f"/v1/activities/{excluded['activity_id']}/explanation")
    assert told.json()["activity"]["reason"] == "scene_excluded"

    listed = (await office.author.get(PATH, params={"scene": "trip.metro"})).json()["items"]
    found = next(each for each in listed if each["id"] == made["id"])
    assert (found["state"], found["legal_basis"]) == ("active", "emissions trading")
    for day in (clock.today - DAY, clock.today - 9 * DAY, None):
        answer = await step(found, "end", office.second, last_day=day and str(day))
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == "/last_day"
    ending = await done(found, "end", office.second, last_day=str(clock.today))
    assert (ending["state"], ending["last_day"], ending["proposed_end"]) == (
        "active",
        None,
        {"last_day": str(clock.today), "proposed_by": office.second.client_id},
    )
    assert refusal(await step(ending, "end", office.author)) == (409, "methodology.wrong_state")
    assert refusal(await step(ending, "approval", office.second)) == (403, "methodology.approve_own")
    clock.forward(seconds=1)
    ended = await done(ending, "approval", office.author)
    assert (ended["last_day"], ended["proposed_end"]) == (str(clock.today), None)
    await office.city.service.live.refresh()
    clock.forward(days=2)
    assert (await office.trip("440300", phone, clock.today - DAY))["outcome"] == "credited"
    over = (await office.author.get(f"{PATH}/{made['id']}")).json()
    assert over["state"] == "over"
    assert await actions(office, made) == [
        "exclusion_proposed",
        "excluded",
        "exclusion_end_proposed",
        "exclusion_ended",
    ]


async def test_what_is_only_proposed_or_withdrawn_excludes_nothing(office: Office, phone: str) -> None:
    clock = office.clock
    place = new_city()
    await office.activated(text_of(place, clock.today - 9 * DAY))
    waiting, withdrawn = await proposed(office, place), await proposed(office, place)
    withdrawn = await done(withdrawn, "withdrawal", office.author)
    never = await done(await proposed(office, place), "approval", office.second)
    never = await done(never, "end", office.author)
    assert (never["state"], never["proposed_end"]) == (
        "approved",
        {"last_day": None, "proposed_by": office.author.client_id},
    )
    kept = await done(never, "withdrawal", office.second)
    assert (kept["state"], kept["proposed_end"]) == ("approved", None), "its end was withdrawn"
    never = await done(await done(kept, "end", office.author), "approval", office.second)
    assert (withdrawn["state"], never["state"]) == ("withdrawn", "withdrawn")
    for each in (withdrawn, never):
        for name in ("approval", "end", "withdrawal"):
            assert refusal(await step(each, name, office.second)) == (409, "methodology.wrong_state")
    await office.city.service.live.refresh()
    clock.forward(days=2)
    assert (await office.trip(place, phone, clock.today - DAY))["outcome"] == "credited"
    late = await step(waiting, "approval", office.second)
    assert refusal(late) == (422, "methodology.lead_too_short")
    assert late.json()["errors"][0]["pointer"] == "/first_day"
    await done(waiting, "withdrawal", office.second)


async def test_nobody_approves_what_they_proposed_and_of_many_one_does(office: Office) -> None:
    made = await proposed(office, new_city())
    for language, told in (("en", "Another operator"), ("zh-CN", "另一操作员")):
        answer = await step(made, "approval", office.author, language)
        assert refusal(answer) == (403, "methodology.approve_own")
        assert told in answer.text
    office.clock.forward(seconds=1)
    others = [office.second, *[await office.city.client("operator", "440000") for _ in range(4)]]
    answers = await asyncio.gather(*(step(made, "approval", who) for who in others))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    assert await actions(office, made) == ["exclusion_proposed", "excluded"]
    without = await office.second.post(f"{PATH}/{made['id']}/approval", json={"reason": "x"})
    assert refusal(without) == (428, "methodology.if_match_missing")


async def test_the_database_wants_a_second_operator_for_an_exclusion(
    office: Office, service: Services
) -> None:
    made = await proposed(office, new_city())
    row = made["id"].removeprefix("mex_")
    mine = office.author.client_id
    for change in (
        f"approved_at = now(), approved_by = '{mine}'",
        "approved_at = now()",
        f"ending_by = '{mine}'",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            async with service.database.driver_transaction() as driver:
                await driver.execute(
                    f"UPDATE methodology_exclusions SET {change} WHERE id = $1::text::uuid", row
                )
    await done(made, "approval", office.second)
    with pytest.raises(asyncpg.CheckViolationError):
        async with service.database.driver_transaction() as driver:
            await driver.execute(
                "UPDATE methodology_exclusions SET ending_by = $2, ended_by = $2, ended_at = now()"
                " WHERE id = $1::text::uuid",
                row,
                mine,
            )
    for change in ("legal_basis = ''", "created_by = 'x'", "first_day = now()"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with service.database.driver_transaction() as driver:
                await driver.execute(f"UPDATE methodology_exclusions SET {change}")


async def test_a_proposal_that_cannot_be_is_refused(office: Office) -> None:
    clock = office.clock
    for wrong, code, place in (
        ({"first_day": str(clock.today)}, "methodology.lead_too_short", "/first_day"),
        ({"region": "310000"}, "methodology.out_of_region", None),
        ({"scene": "trip.teleport"}, "request.invalid", "/scene"),
        ({"last_day": str(clock.today)}, "request.invalid", "/last_day"),
        ({"legal_basis": ""}, "request.invalid", "/legal_basis"),
    ):
        answer = await office.author.post(PATH, json=body(office, "440300", **wrong))
        assert answer.json()["code"] == code, wrong
        assert place is None or answer.json()["errors"][0]["pointer"] == place
    made = await proposed(office, new_city())
    foreign = await office.city.client("operator", "310000")
    for name in ("approval", "end", "withdrawal"):
        assert refusal(await step(made, name, foreign)) == (404, "methodology.exclusion_not_found")
    assert refusal(await foreign.get(f"{PATH}/{made['id']}")) == (404, "methodology.exclusion_not_found")
    assert (await foreign.get(PATH)).json()["items"] == []
