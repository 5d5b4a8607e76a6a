"""A version in shadow is computed on what comes in, beside the text that counts, and credits nothing."""

import datetime

import asyncpg
from versions.office import BASE, Office, new_city, refusal, text_of

from accounts.ids import parse_public_id
from app.versions.shadow import LAG, compare_shadows

DAY = datetime.timedelta(days=1)


async def compare(office: Office, at: datetime.datetime) -> None:
    async with office.city.service.database.transaction() as session:
        await compare_shadows(session, at)


async def told(office: Office, revision: str) -> list[dict[str, object]]:
    answer = await office.author.get(f"{BASE}/{revision}/shadow")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["days"])


async def test_what_comes_in_is_computed_under_both_texts_and_credited_under_one(
    office: Office, owner: asyncpg.Connection, phone: str
) -> None:
    region, yesterday = new_city(), office.clock.today - DAY
    await office.activated(text_of(region, yesterday - DAY))
    office.clock.forward(minutes=2)
    await office.city.service.live.refresh()
    assert (await office.trip(region, phone, yesterday, 6))["co2e_g"] == "467"

    office.clock.forward(minutes=1)
    draft = await office.draft(text_of(region, office.clock.today + DAY, "30"))
    assert await told(office, draft["id"]) == []
    shadow = await office.done(draft, "submission", office.author)
    office.clock.forward(minutes=1)
    first = await office.trip(region, phone, yesterday, 8)
    second = await office.trip(region, phone, yesterday, 9)
    assert (first["co2e_g"], second["outcome"]) == ("467", "credited")

    await compare(office, office.clock.now)
    assert await told(office, shadow["id"]) == [], "what is a moment old may not be committed yet"
    later = office.clock.now + LAG + datetime.timedelta(seconds=1)
    for _ in range(2):  # the second time, nothing is new
        await compare(office, later)
        assert await told(office, shadow["id"]) == [
            {
                "day": yesterday.isoformat(),
                "region": region,
                "activities": 2,
                "refused": 0,
                "active_co2e_g": "934",
                "shadow_co2e_g": "600",
            }
        ], "the trip from before the submission is not in it"
    holder = parse_public_id("hld", office.people[phone])
    assert await owner.fetchval("SELECT open_mg FROM balances WHERE holder_id = $1", holder) == 3 * 467_000


async def test_acts_that_the_version_refuses_are_counted(office: Office, phone: str) -> None:
    region, yesterday = new_city(), office.clock.today - DAY
    await office.activated(text_of(region, yesterday - DAY))
    office.clock.forward(minutes=2)
    await office.city.service.live.refresh()
    short = text_of(
        region,
        office.clock.today + DAY,
        "30",
        inputs=[{"name": "distance_m", "unit": "m", "min": 1, "max": 9_000}],
        examples=[{"inputs": {"distance_m": 1_000}, "co2e_g": "30", "basis": "1 km"}],
    )
    shadow = await office.done(await office.draft(short), "submission", office.author)
    office.clock.forward(minutes=1)
    await office.trip(region, phone, yesterday)
    await compare(office, office.clock.now + LAG + datetime.timedelta(seconds=1))
    (day,) = await told(office, shadow["id"])
    assert (day["activities"], day["refused"], day["shadow_co2e_g"]) == (1, 1, "0")


async def test_only_its_region_sees_it(office: Office) -> None:
    draft = await office.draft(text_of(new_city(), office.clock.today))
    foreign = await office.city.client("operator", "310000")
    assert refusal(await foreign.get(f"{BASE}/{draft['id']}/shadow")) == (404, "methodology.not_found")
