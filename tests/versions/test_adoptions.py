"""The nation's rule counts where a region adopts it: by two operators, from a coming day on, and known everywhere."""

import asyncio
import datetime
import uuid
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
import pytest
from helpers import Caller
from versions.office import BASE, Office, midnight, new_city, refusal, text_of

from app.wiring import Services

DAY = datetime.timedelta(days=1)
PATH = f"{BASE}/adoptions"
SCENE = "trip.e_bike"
"""The nation has a rule for it, and no pack of Guangdong has, or adopts it."""


def body(office: Office, place: str, **over: Any) -> dict[str, Any]:
    return {
        "region": place,
        "scene": SCENE,
        "first_day": str(office.clock.today + DAY),
        "legal_basis": "notice 2026-118",
        "reason": "council decision",
        **over,
    }


async def proposed(office: Office, region: str, **over: Any) -> dict[str, Any]:
    answer = await office.author.post(PATH, json=body(office, region, **over))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def step(adoption: dict[str, Any], name: str, who: Caller, **over: Any) -> httpx.Response:
    return await who.post(
        f"{PATH}/{adoption['id']}/{name}",
        json={"reason": "test", **over},
        headers={"If-Match": str(adoption["etag"]), "Accept-Language": "en"},
    )


async def done(adoption: dict[str, Any], name: str, who: Caller, **over: Any) -> dict[str, Any]:
    answer = await step(adoption, name, who, **over)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def ride(
    office: Office, region: str, phone: str, day: datetime.date, at: Caller | None = None, hour: int = 0
) -> dict[str, Any]:
    """Report half an hour and 8 km by e-bike; answers the outcome."""
    if phone not in office.people:
        office.people[phone] = await office.city.holder(office.author, phone, office.platform, region=region)
    hour = hour or 8 + len(office.people)
    answer = await (at or office.platform).post(
        "/v1/activities",
        json={
            "event_id": uuid.uuid4().hex,
            "scene": SCENE,
            "region": region,
            "subject": {"scheme": "phone", "value": phone},
            "started_at": f"{day}T{hour:02d}:00:00+08:00",
            "ended_at": f"{day}T{hour:02d}:30:00+08:00",
            "distance_m": 8_000,
            "order_no": uuid.uuid4().hex[:12],
        },
    )
    return dict(answer.json())


async def timeline(office: Office, region: str) -> dict[str, Any]:
    answer = await office.author.get(f"{BASE}/timeline", params={"region": region, "scene": SCENE})
    return dict(answer.json())


async def test_a_city_adopts_the_nations_rule_and_ends_it(
    office: Office, opened: Callable[..., Any], moved: Callable[..., Caller], phone: str
) -> None:
    clock, place = office.clock, new_city()
    async with opened() as (http, other):
        assert (await ride(office, place, phone, clock.today - DAY))["reason"] == "no_methodology"
        made = await proposed(office, place)
        assert (made["id"][:4], made["state"], made["approved_by"]) == ("mad_", "proposed", None)
        assert refusal(await step(made, "approval", office.author)) == (403, "methodology.approve_own")
        assert (await timeline(office, place))["adoptions"] == []
        clock.forward(seconds=1)
        approved = await done(made, "approval", office.second)
        assert (approved["state"], approved["approved_by"]) == ("approved", office.second.client_id)
        first = clock.today + DAY
        told = await timeline(office, place)
        assert told["adoptions"] == [
            {"region": place, "adoption_id": made["id"], "first_day": str(first), "last_day": None}
        ]
        assert told["falls_to"] == ["440000", "100000"]
        for each in (office.city.service, other):
            await each.live.refresh()
        clock.forward(days=2)

        before = await ride(office, place, phone, first - DAY)
        assert before["reason"] == "no_methodology", "a late report of a day before it is not adopted"
        credited = await ride(office, place, phone, first)
        assert credited["outcome"] == "credited", credited
        explained = (
            await office.platform.get(f"/v1/activities/{credited['activity_id']}/explanation")
        ).json()
        assert (explained["methodology"]["region"], explained["methodology"]["level"]) == ("100000", "nation")
        assert explained["regions_asked"] == [place, "440000", "100000"]
        below = place[:4] + "05"
        there = await ride(office, below, phone, first, moved(office.platform, http), hour=20)
        assert there["outcome"] == "credited", "in a district of it, at another process"
        assert (await ride(office, new_city(), phone, first))["reason"] == "no_methodology"

        active = (await office.author.get(f"{PATH}/{made['id']}")).json()
        assert active["state"] == "active"
        ending = await done(active, "end", office.second, last_day=str(clock.today))
        assert refusal(await step(ending, "approval", office.second)) == (403, "methodology.approve_own")
        clock.forward(seconds=1)
        ended = await done(ending, "approval", office.author)
        assert (ended["last_day"], ended["proposed_end"]) == (str(clock.today), None)
        last = clock.today
        await office.city.service.live.refresh()
        clock.forward(days=2)
        assert (await ride(office, place, phone, last + DAY))["reason"] == "no_methodology"
        again = (await office.platform.get(f"/v1/activities/{credited['activity_id']}/explanation")).json()
        assert again["regions_asked"] == [place, "440000", "100000"], "by the day of the act, for ever"
        trail = await office.author.get("/v1/operator/audit", params={"target_id": made["id"]})
        assert [(each["action"], each["target_type"]) for each in reversed(trail.json()["items"])] == [
            (f"scene.{action}", "adoption")
            for action in ("adoption_proposed", "adopted", "adoption_end_proposed", "adoption_ended")
        ]


async def test_a_province_adopts_for_its_cities_and_an_own_rule_goes_first(
    office: Office, phone: str
) -> None:
    clock, place = office.clock, new_city()
    first = clock.today + 3 * DAY
    made = await done(
        await proposed(office, "440000", first_day=str(first), last_day=str(first + DAY)),
        "approval",
        office.second,
    )
    own = text_of(place, first, scene=SCENE, code="TEST.e_bike")
    await office.activated(own, midnight(first))
    await office.city.service.live.refresh()
    clock.forward(days=5)
    for region, expected in ((place, place), (new_city(), "100000")):
        credited = await ride(office, region, phone, first)
        assert credited["outcome"] == "credited", credited
        told = (await office.platform.get(f"/v1/activities/{credited['activity_id']}/explanation")).json()
        assert told["methodology"]["region"] == expected
        phone = str(int(phone) + 1)
    after = await ride(office, new_city(), phone, first + 2 * DAY)
    assert after["reason"] == "no_methodology", "its last day is over"
    assert (await office.author.get(f"{PATH}/{made['id']}")).json()["state"] == "over"


async def test_no_day_is_counted_by_the_nations_rule_and_then_by_an_own_one(office: Office) -> None:
    clock, place = office.clock, new_city()
    tomorrow = clock.today + DAY
    text = text_of(place, tomorrow, scene=SCENE, code="TEST.e_bike")
    # The text counts from noon of the day after tomorrow, for the acts of tomorrow too.
    noon = (datetime.datetime.fromisoformat(midnight(tomorrow + DAY)) + DAY / 2).isoformat()
    early = await proposed(office, place)
    revision = await office.approved(text)
    revision = await office.done(revision, "activation", activates_at=noon)
    late = await step(early, "approval", office.second)
    assert refusal(late) == (409, "methodology.days_in_force")
    assert late.json()["errors"][0]["pointer"] == "/first_day"
    assert text["version"] in late.json()["errors"][0]["reason"]
    await done(await proposed(office, place, first_day=str(tomorrow + 2 * DAY)), "approval", office.second)

    # And the other way round: the adoption came first.
    elsewhere = new_city()
    await done(await proposed(office, elsewhere), "approval", office.second)
    waiting = await office.approved(text_of(elsewhere, tomorrow, scene=SCENE, code="TEST.e_bike"))
    refused = await office.step(waiting, "activation", activates_at=noon)
    assert refusal(refused) == (409, "methodology.days_in_force")
    assert "100000" in refused.json()["errors"][0]["reason"]
    await office.done(waiting, "activation", activates_at=midnight(tomorrow))


async def test_what_cannot_be_adopted_is_refused(office: Office) -> None:
    nation = await office.city.client("operator", "100000")
    for who, wrong, code, place in (
        (office.author, {"first_day": str(office.clock.today)}, "methodology.lead_too_short", "/first_day"),
        (office.author, {"region": "310000"}, "methodology.out_of_region", None),
        (nation, {"region": "100000"}, "request.invalid", "/region"),
        (office.author, {"scene": "trip.teleport"}, "request.invalid", "/scene"),
        (office.author, {"scene": "trip.metro"}, "request.invalid", "/scene"),
        (office.author, {"region": "440300", "scene": "trip.shared_bike"}, "request.invalid", "/scene"),
        (office.author, {"last_day": str(office.clock.today)}, "request.invalid", "/last_day"),
    ):
        answer = await who.post(PATH, json=body(office, new_city(), **wrong))
        assert answer.json()["code"] == code, (wrong, answer.text)
        assert place is None or answer.json()["errors"][0]["pointer"] == place
    made = await proposed(office, new_city())
    foreign = await office.city.client("operator", "310000")
    for name in ("approval", "end", "withdrawal"):
        assert refusal(await step(made, name, foreign)) == (404, "methodology.adoption_not_found")
    assert refusal(await foreign.get(f"{PATH}/{made['id']}")) == (404, "methodology.adoption_not_found")
    assert refusal(await office.author.get(f"{BASE}/exclusions/{made['id']}")) == (
        404,
        "methodology.exclusion_not_found",
    )
    assert (await foreign.get(PATH)).json()["items"] == []
    listed = (await office.author.get(PATH, params={"scene": SCENE, "limit": 200})).json()
    assert made["id"] in [each["id"] for each in listed["items"]]
    withdrawn = await done(made, "withdrawal", office.second)
    assert withdrawn["state"] == "withdrawn"
    assert refusal(await step(withdrawn, "approval", office.second)) == (409, "methodology.wrong_state")


async def test_of_many_who_approve_one_does_and_the_database_wants_two(
    office: Office, service: Services
) -> None:
    made = await proposed(office, new_city())
    for change, refused in (
        (f"approved_at = now(), approved_by = '{office.author.client_id}'", asyncpg.CheckViolationError),
        ("approved_at = now()", asyncpg.CheckViolationError),
        ("legal_basis = ''", asyncpg.InsufficientPrivilegeError),
        ("region = '100000'", asyncpg.InsufficientPrivilegeError),
    ):
        with pytest.raises(refused):
            async with service.database.driver_transaction() as driver:
                await driver.execute(f"UPDATE methodology_adoptions SET {change} WHERE withdrawn_at IS NULL")
    others = [office.second, *[await office.city.client("operator", "440000") for _ in range(3)]]
    answers = await asyncio.gather(*(step(made, "approval", who) for who in others))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
