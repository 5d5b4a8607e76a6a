"""The account page, series and lists: what they add up to, and days, months and years in Asia/Shanghai."""

import datetime
from typing import Any

import asyncpg
import pytest
from account.people import ago, signed_in, uuid_of
from helpers import City, metro
from hypothesis import given
from hypothesis import strategies as st

from accounts.quantities import grams
from accounts.standing.equivalents import equivalents, kinds
from accounts.standing.levels import badges, level, standing
from app.account.overview import MAX_STREAK, overview, streak_of
from app.account.repository import EARNED
from app.account.trends import summary
from app.wiring import Services

UTC = datetime.UTC
DAY = datetime.timedelta(days=1)
LOCAL = datetime.timezone(datetime.timedelta(hours=8))


async def ride(
    owner: asyncpg.Connection, holder: str, at: datetime.datetime, mg: int = 1000, **over: Any
) -> None:
    """An act as intake stores it, reported at its end; straight to the table, for any moment of any year."""
    row = {
        "scene": "trip.metro",
        "outcome": "credited",
        "reported": at + datetime.timedelta(minutes=30),
        "reversed_at": None,
    } | over
    await owner.execute(
        """
        INSERT INTO activities (holder_id, id, source_id, scene, region, started_at, ended_at, evidence, inputs,
            outcome, methodology_id, co2e_mg, full_mg, points, claim_tokens, reversed_at)
        VALUES ($1, uuidv7($2::timestamptz - clock_timestamp()), gen_random_uuid(), $3, '440300', $4, $4, 'x', '{}', $5,
            1, $6, $6, 1, '', $7)
        """,
        uuid_of(holder),
        row["reported"],
        row["scene"],
        at,
        row["outcome"],
        mg,
        row["reversed_at"],
    )


@pytest.fixture
async def holder(city: City, phone: str) -> str:
    return await city.holder(await city.client("operator", "440000"), phone)


async def page(service: Services, holder: str, now: datetime.datetime) -> Any:
    async with service.database.snapshot() as driver:
        return await overview(driver, uuid_of(holder), now)


def local(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=LOCAL)


@pytest.mark.parametrize(
    ("now", "today", "month", "streak"),
    [
        ("2026-02-28T23:59:59", "4", "6", 4),
        ("2026-03-01T00:00:00", "0", "0", 4),
        ("2026-03-01T23:59:59", "0", "0", 4),
        ("2026-03-02T00:00:00", "0", "0", 0),
        ("2026-01-01T00:30:00", "16", "16", 2),
        ("2026-01-02T00:00:00", "0", "16", 2),
        ("2025-12-31T23:59:59", "8", "8", 1),
    ],
)
async def test_days_months_and_years_end_at_midnight_in_shanghai(
    service: Services,
    owner: asyncpg.Connection,
    holder: str,
    now: str,
    today: str,
    month: str,
    streak: int,
) -> None:
    moment = local(now)
    acts = [
        ("2025-12-31T23:59:59", 8000),
        ("2026-01-01T00:00:00", 16000),
        ("2026-02-25T12:00:00", 500),
        ("2026-02-26T12:00:00", 500),
        ("2026-02-27T00:00:00", 1000),
        ("2026-02-28T23:59:58", 4000),
    ]
    for at, mg in acts:
        if local(at) <= moment:
            await ride(owner, holder, local(at), mg, reported=local(at))
    found = await page(service, holder, moment.astimezone(UTC))
    assert (found.today.co2e_g, found.month.co2e_g, found.streak_days) == (today, month, streak)


async def test_a_leap_day_counts_and_what_is_no_credit_does_not(
    service: Services, owner: asyncpg.Connection, holder: str
) -> None:
    for day in ("2024-02-28", "2024-02-29", "2024-03-01"):
        await ride(owner, holder, local(day + "T09:00:00"), 1000)
    at = local("2024-02-29T10:00:00")
    await ride(owner, holder, at, 7000, outcome="pending")
    await ride(owner, holder, at, 7000, reversed_at=at + DAY)
    await ride(owner, holder, at, 0, outcome="duplicate")
    await ride(owner, holder, at - 2 * DAY, 2000, outcome="capped", reported=at)
    found = await page(service, holder, local("2024-03-01T12:00:00"))
    assert (found.today.co2e_g, found.month.co2e_g, found.streak_days) == ("1", "1", 4)
    found = await page(service, holder, local("2024-02-29T12:00:00"))
    assert (found.today.co2e_g, found.month.co2e_g, found.month.acts) == ("1", "4", 3)


async def test_a_long_streak_is_followed_over_months_and_years(
    service: Services, owner: asyncpg.Connection, holder: str
) -> None:
    last = local("2026-03-10T08:00:00")
    for number in range(400):
        await ride(owner, holder, last - number * DAY, 10)
    for number in range(402, 420):
        await ride(owner, holder, last - number * DAY, 10)
    assert (await page(service, holder, last + DAY)).streak_days == 400
    assert (await page(service, holder, last + 2 * DAY)).streak_days == 0


@given(st.sets(st.integers(0, 60)))
def test_a_streak_is_the_run_that_reaches_today_or_yesterday(ago_: set[int]) -> None:
    today = datetime.date(2026, 3, 1)
    length, ended = streak_of({today - number * DAY for number in ago_}, today)
    start = 0 if 0 in ago_ else 1
    assert all(start + number in ago_ for number in range(length))
    assert start + length not in ago_
    assert ended == today - (start + length) * DAY
    assert MAX_STREAK > 366


async def test_every_series_adds_up_to_the_same_total(
    city: City, service: Services, owner: asyncpg.Connection, phones: Any
) -> None:
    """Random years: by day, by month and by scene, and over any cut of the year into two."""
    import random  # noqa: PLC0415

    operator = await city.client("operator", "440000")
    first, last = datetime.date(2025, 1, 1), datetime.date(2025, 12, 31)
    for seed in range(8):
        chance = random.Random(seed)
        holder = await city.holder(operator, phones())
        for _ in range(60):
            at = local("2025-01-01T00:00:00") + datetime.timedelta(seconds=chance.randrange(365 * 86400))
            await ride(
                owner,
                holder,
                at,
                chance.randrange(1, 10**6),
                scene=chance.choice(["trip.metro", "trip.bus", "recycling.clothes"]),
                outcome=chance.choice(["credited", "credited", "capped", "rejected", "pending"]),
                reversed_at=chance.choice([None, None, None, at]),
                reported=at + datetime.timedelta(days=chance.choice([0, 0, 1, 40])),
            )
        wanted = await owner.fetchrow(
            f"SELECT coalesce(sum(co2e_mg), 0), count(*) FROM activities WHERE holder_id = $1 AND {EARNED}",
            uuid_of(holder),
        )
        cut = first + datetime.timedelta(days=chance.randrange(364))
        async with service.database.snapshot() as driver:
            for by in ("day", "month", "scene"):
                whole = await summary(driver, uuid_of(holder), by, first, last)
                assert (whole.total.co2e_g, whole.total.acts) == (grams(int(wanted[0])), wanted[1])
                mg = sum(round(float(item.co2e_g) * 1000) for item in whole.items)
                assert mg == wanted[0]
                assert [item.key for item in whole.items] == sorted({item.key for item in whole.items})
                parts = [
                    await summary(driver, uuid_of(holder), by, *days)
                    for days in ((first, cut), (cut + DAY, last))
                ]
                assert sum(part.total.acts for part in parts) == whole.total.acts
                assert sum(part.total.points for part in parts) == whole.total.points


async def test_a_credited_account_over_http(city: City, phone: str) -> None:
    operator = await city.client("operator", "440000")
    source = await city.client("platform")
    holder = await city.holder(operator, phone, source)
    resident = signed_in(city, holder)
    empty = (await resident.get("/v1/me/account")).json()
    assert (empty["all_time_co2e_g"], empty["streak_days"], empty["level"]["id"]) == ("0", 0, "seed")
    made = []
    for number in (2, 1):
        start = ago(number)
        times = {
            "started_at": start.isoformat(),
            "ended_at": (start + datetime.timedelta(minutes=25)).isoformat(),
        }
        answer = (await source.post("/v1/activities", json=metro(f"{number}-{phone}", phone, **times))).json()
        assert answer["outcome"] == "credited", answer
        made.append(answer["activity_id"])
    account = (await resident.get("/v1/me/account")).json()
    assert (account["open_co2e_g"], account["points"]) == ("934", 934)
    assert (account["today"], account["streak_days"]) == ({"co2e_g": "0", "acts": 0}, 2)
    assert sum(lot["points"] for lot in account["points_expiring"]) == account["points"]
    assert {each["id"]: each["amount"] for each in account["equivalents"]} == {
        "car_km": 3,
        "grid_kwh": 1,
        "petrol_l": 0,
    }
    listed = (await resident.get("/v1/me/activities?limit=1")).json()
    assert [item["activity_id"] for item in listed["items"]] == [made[1]]
    rest = (await resident.get(f"/v1/me/activities?limit=1&cursor={listed['next_cursor']}")).json()
    assert ([item["activity_id"] for item in rest["items"]], rest["next_cursor"]) == ([made[0]], None)
    assert (await resident.get("/v1/me/activities?scene=trip.bus")).json()["items"] == []
    assert (await resident.get("/v1/me/activities?outcome=rejected")).json()["items"] == []
    assert len((await resident.get("/v1/me/activities?outcome=credited")).json()["items"]) == 2
    by_scene = (await resident.get("/v1/me/summary?by=scene")).json()
    assert by_scene["items"] == [{"key": "trip.metro", "co2e_g": "934", "points": 934, "acts": 2}]
    entries = (await resident.get("/v1/me/entries")).json()["items"]
    for entry in entries:
        told = await resident.get(f"/v1/activities/{entry['activity_id']}/explanation")
        assert told.status_code == 200
    earned = {b["id"]: b["earned"] for b in (await resident.get("/v1/me/badges")).json()["items"]}
    assert earned["first_act"]
    assert not earned["first_kilogram"]


@pytest.mark.parametrize(
    "query",
    [
        "by=year",
        "from=2026-02-30",
        "from=2026-03-02&to=2026-03-01",
        "from=2024-01-01&to=2026-03-11",
        "from=1999-01-01&to=1999-02-01",
        "from=0001-01-01&to=0001-01-02",
        "to=0001-01-02",
    ],
)
async def test_a_series_is_bounded(city: City, holder: str, query: str) -> None:
    answer = await signed_in(city, holder).get(f"/v1/me/summary?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid"), answer.text


def test_levels_and_badges_follow_their_data() -> None:
    levels = standing().levels
    for number, each in enumerate(levels, 1):
        assert level(each.from_g * 1000).number == number
        if each.from_g:
            assert level(each.from_g * 1000 - 1).number == number - 1
    assert level(10**12).next_from_g is None
    earned = {
        b.id: b.reached
        for b in badges(99_999_999, 7, {"trip.metro": 19, "recycling.clothes": 12})
        if b.earned
    }
    assert earned == {"first_act": 31, "first_kilogram": 99_999, "week": 7, "recycler": 12}


def test_equivalents_are_whole_units_with_their_source() -> None:
    found = {each.id: each for each in equivalents(5_980_000)}
    assert found["car_km"].amount == 22
    assert found["petrol_l"].amount == 2
    assert found["grid_kwh"].amount == 11
    assert all(each.source and each.url for each in found.values())
    assert "tree" not in " ".join(kind.id for kind in kinds())
