"""What ends early: a version that was to follow gives the days back that it took, and a pack's version ends too."""

import datetime
from typing import Any

import asyncpg
from versions.office import BASE, Office, midnight, new_city, refusal, text_of

from app.verification import verify
from app.wiring import Services

DAY = datetime.timedelta(days=1)


async def days(office: Office, region: str) -> list[tuple[str, str, str | None]]:
    asked = {"region": region, "scene": "trip.metro"}
    told = (await office.author.get(f"{BASE}/timeline", params=asked)).json()
    return [
        (each["version"], each["first_day"], each["last_day"])
        for each in told["periods"]
        if each["last_day"] is None or each["last_day"] > "2016"
    ]


async def test_a_successor_that_is_cancelled_gives_the_days_back(
    office: Office, service: Services, phone: str
) -> None:
    clock, place = office.clock, new_city()
    first, follows = clock.today - 5 * DAY, clock.today + 3 * DAY
    earlier = await office.activated(text_of(place, first))
    clock.forward(minutes=2)
    later = await office.activated(text_of(place, follows, "20"), midnight(follows))
    assert await days(office, place) == [
        (earlier["version"], str(first), str(follows - DAY)),
        (later["version"], str(follows), None),
    ]
    retired = await office.done(later, "retirement")
    assert (retired["state"], retired["reopens"]) == (
        "retired",
        [{"code": earlier["code"], "version": earlier["version"], "last_day": None}],
    )
    assert await days(office, place) == [(earlier["version"], str(first), None)]
    trail = await office.author.get(
        "/v1/operator/audit", params={"region": place, "action": "methodology.reopened"}
    )
    (reopened,) = trail.json()["items"]
    assert (reopened["before"], reopened["after"]) == (
        {"last_day": str(follows - DAY)},
        {"last_day": None},
    )
    again = await office.approved(text_of(place, follows, "30"))
    assert again["state"] == "approved", "the days of the cancelled one are free"
    await office.city.service.live.refresh()
    clock.forward(days=5)
    office.city.service.preparer.extend(clock.now + DAY)
    assert (await office.trip(place, phone, follows))["co2e_g"] == "467", "by the earlier text"
    async with service.database.snapshot() as driver:
        found = {finding.rule async for finding in verify(driver) if finding.breach is not None}
    assert "methodologies_overlap" not in found


async def test_days_come_back_only_up_to_the_version_after(office: Office) -> None:
    clock, place = office.clock, new_city()
    first, second, third = (clock.today + number * DAY for number in (2, 5, 9))
    one = await office.activated(text_of(place, first), midnight(first))
    two = await office.activated(text_of(place, second), midnight(second))
    three = await office.activated(text_of(place, third), midnight(third))
    retired = await office.done(two, "retirement", last_day=str(clock.today))
    assert retired["reopens"] == [
        {"code": one["code"], "version": one["version"], "last_day": str(third - DAY)}
    ]
    assert await days(office, place) == [
        (one["version"], str(first), str(third - DAY)),
        (three["version"], str(third), None),
    ]
    retired = await office.done(three, "retirement")
    assert retired["reopens"] == [{"code": one["code"], "version": one["version"], "last_day": None}]
    assert await days(office, place) == [(one["version"], str(first), None)]


async def test_what_is_about_to_count_is_not_cancelled(office: Office) -> None:
    clock, place = office.clock, new_city()
    first = clock.today + DAY
    active = await office.activated(text_of(place, first))
    clock.now = datetime.datetime.fromisoformat(midnight(first)) - datetime.timedelta(minutes=5)
    for last_day in (None, str(clock.today)):
        answer = await office.step(active, "retirement", last_day=last_day)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == "/last_day"
    ended = await office.done(active, "retirement", last_day=str(first))
    assert ended["reopens"] == []
    assert await days(office, place) == [(active["version"], str(first), str(first))]


async def test_a_packs_version_gets_its_days_back(office: Office, owner: asyncpg.Connection) -> None:
    follows = office.clock.today + 40 * DAY
    before = await days(office, "440300")
    text = text_of("440300", follows)
    later = await office.activated(text, midnight(follows))
    assert (later["version"], str(follows), None) in await days(office, "440300")
    await office.done(later, "retirement")
    assert await days(office, "440300") == before
    await office.city.service.live.refresh()
    catalogue = office.city.service.preparer.rules.catalogue
    assert all(each.version != later["version"] for each in catalogue.methodologies)
    kept = "SELECT count(*) FROM methodology_closures WHERE revision_id = $1::text::uuid"
    assert await owner.fetchval(kept, later["id"].removeprefix("mrv_")) >= 1, "nothing is deleted"


async def test_a_packs_version_is_retired_on_a_day(office: Office) -> None:
    clock = office.clock
    shipped = next(
        each
        for each in office.city.service.catalogue.methodologies
        if each.region.startswith("44") and each.scene == "trip.bus" and each.in_force.last_day is None
    )
    body: dict[str, Any] = {
        "region": shipped.region,
        "code": shipped.code,
        "version": shipped.version,
        "last_day": str(clock.today + DAY),
        "reason": "court order",
    }
    path = f"{BASE}/retirements"
    for wrong, code in (
        ({"last_day": str(clock.today - DAY)}, (422, "methodology.lead_too_short")),
        ({"version": "none"}, (404, "methodology.not_found")),
        ({"region": "310000"}, (403, "methodology.out_of_region")),
        ({"reason": ""}, (422, "request.invalid")),
    ):
        assert refusal(await office.second.post(path, json=body | wrong)) == code
    ended = await office.second.post(path, json=body)
    assert ended.json() == {
        "region": shipped.region,
        "scene": "trip.bus",
        "code": shipped.code,
        "version": shipped.version,
        "last_day": body["last_day"],
    }, ended.text
    assert refusal(await office.second.post(path, json=body)) == (409, "methodology.wrong_state")
    sooner = await office.second.post(path, json=body | {"last_day": str(clock.today)})
    assert sooner.status_code == 200, "it may end sooner"
    await office.city.service.live.refresh()
    rules = office.city.service.preparer.rules
    assert rules.catalogue.period(shipped).last_day == clock.today
    trail = await office.author.get(
        "/v1/operator/audit",
        params={"action": "methodology.closed", "actor_client_id": office.second.client_id},
    )
    closed = trail.json()["items"][0]
    assert (closed["reason"], closed["after"]["cause"]) == ("court order", "retirement")
