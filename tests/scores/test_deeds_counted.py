"""Monthly deeds are what the books say: late, corroborated, reversed, again and again, whatever the slices."""

import asyncio
import datetime as dt
import uuid
from collections import Counter
from uuid import UUID

import asyncpg
import pytest_asyncio
from disputes.quarrel import Quarrel, clothes, trip
from helpers import City

from accounts.ids import parse_public_id
from accounts.scores.model import GRADES
from app.crediting.corroboration import grade
from app.scoring import counting
from app.scoring.counting import count_deeds, count_slice
from app.wiring import Services, utc_now
from dedup.periods import LOCAL

Counted = dict[tuple[UUID, dt.date, str, int], tuple[int, int]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def quarrel(city: City) -> Quarrel:
    return await Quarrel.begin(city, platforms=3, persons=3)


async def books(owner: asyncpg.Connection) -> Counted:
    """The same by hand, act by act, with the intake's own word for the grade."""
    acts = await owner.fetch(
        "SELECT * FROM activities WHERE outcome IN ('credited', 'capped') AND reversed_at IS NULL"
    )
    behind = await owner.fetch(
        "SELECT winner_id, source_id, evidence FROM corroborations WHERE ended_at IS NULL"
    )
    number: Counter[tuple[UUID, dt.date, str, int]] = Counter()
    mg: Counter[tuple[UUID, dt.date, str, int]] = Counter()
    for act in acts:
        others = [(row[1], row[2]) for row in behind if row[0] == act["id"]]
        month = act["started_at"].astimezone(LOCAL).date().replace(day=1)
        key = (
            act["holder_id"],
            month,
            act["scene"],
            GRADES.index(grade(act["evidence"], act["source_id"], others)),
        )
        number[key] += 1
        mg[key] += act["co2e_mg"] + act["aggregated_mg"]
    return {key: (number[key], mg[key]) for key in number}


async def counted(owner: asyncpg.Connection) -> Counted:
    rows = await owner.fetch("SELECT holder_id, month, scene, grade, acts, co2e_mg FROM monthly_deeds")
    return {(row[0], row[1], row[2], row[3]): (row[4], row[5]) for row in rows}


async def count(service: Services, size: int = 1000) -> None:
    assert await count_deeds(service.database, utc_now() + counting.BEHIND, size=size) is not None


async def reverse(quarrel: Quarrel, platform: int, activity: str) -> None:
    answer = await quarrel.platforms[platform].post(
        f"/v1/activities/{activity}/reversal", json={"reason": "x"}
    )
    assert answer.status_code == 200, answer.text


def at(day: str, hour: int = 8) -> dict[str, str]:
    return {
        "started_at": f"{day}T{hour:02d}:00:00+08:00",
        "ended_at": f"{day}T{hour:02d}:25:00+08:00",
    }


async def test_an_act_counts_in_its_own_month_by_its_evidence(
    quarrel: Quarrel, service: Services, owner: asyncpg.Connection
) -> None:
    phone, holder_id = quarrel.persons[0]
    holder = parse_public_id("hld", holder_id)
    assert holder is not None
    for day in ("2026-09-30", "2026-10-01", "2026-10-02"):
        await quarrel.report(0, trip(phone, **at(day)))
    self_told = await quarrel.report(1, trip(phone, **at("2026-10-05"), evidence="self_report"))
    await count(service)
    first = await counted(owner)
    assert first == await books(owner)
    assert first[holder, dt.date(2026, 9, 1), "trip.metro", 1] == (1, 467_000)
    assert first[holder, dt.date(2026, 10, 1), "trip.metro", 1][0] == 2
    assert self_told["outcome"] in ("credited", "capped")
    # Another platform saw one of them: the count of the month follows, though nothing of the act itself changed.
    second = await quarrel.report(1, trip(phone, **at("2026-10-01"), distance_m=9_900))
    assert second["outcome"] == "duplicate"
    await count(service)
    now = await counted(owner)
    assert now == await books(owner) != first
    assert now[holder, dt.date(2026, 10, 1), "trip.metro", 2] == (1, 467_000)


async def test_what_is_reversed_or_moves_is_counted_anew(
    quarrel: Quarrel, service: Services, owner: asyncpg.Connection
) -> None:
    phone = quarrel.persons[1][0]
    first = await quarrel.report(0, trip(phone, **at("2026-10-11")))
    assert (await quarrel.report(1, trip(phone, **at("2026-10-11"), distance_m=9_900)))[
        "outcome"
    ] == "duplicate"
    third = await quarrel.report(2, clothes(phone, uuid.uuid4().hex))
    await count(service)
    before = await counted(owner)
    await reverse(quarrel, 2, third["activity_id"])
    # Reversing the winner gives the credit to the report that stood behind it.
    await reverse(quarrel, 0, first["activity_id"])
    await count(service)
    after = await counted(owner)
    assert after == await books(owner) != before
    assert await owner.fetchval("SELECT count(*) FROM deed_changes") == 0


async def test_slices_of_any_size_come_to_the_same_and_again_changes_nothing(
    quarrel: Quarrel, service: Services, owner: asyncpg.Connection
) -> None:
    phone = quarrel.persons[2][0]
    made = [await quarrel.report(0, trip(phone, **at(f"2026-10-{day:02d}"))) for day in range(1, 9)]
    for each in made[::3]:
        await reverse(quarrel, 0, each["activity_id"])
    wanted = await books(owner)
    await count(service, size=1)
    assert await counted(owner) == wanted
    # From the beginning, with everything in place already.
    await owner.execute("DELETE FROM deed_counts")
    await owner.execute(
        "INSERT INTO deed_changes (holder_id, activity_id) SELECT holder_id, id FROM activities"
    )
    await count(service, size=3)
    assert await counted(owner) == wanted


async def test_two_counters_at_once_count_once(
    quarrel: Quarrel, service: Services, owner: asyncpg.Connection
) -> None:

    await owner.execute("DELETE FROM deed_counts")
    await owner.execute("DELETE FROM monthly_deeds")
    await asyncio.gather(*(count(service, size=2) for _ in range(3)))
    assert await counted(owner) == await books(owner)


async def test_what_is_booked_just_now_waits(
    quarrel: Quarrel, service: Services, owner: asyncpg.Connection
) -> None:
    await count(service)
    before = await counted(owner)
    await quarrel.report(0, trip(quarrel.persons[2][0], **at("2026-08-03")))
    async with service.database.driver_transaction() as driver:
        reached, more = await count_slice(driver, utc_now())
    assert await counted(owner) == before
    assert not more
    assert reached is not None
    await count(service)
    assert await counted(owner) == await books(owner) != before
