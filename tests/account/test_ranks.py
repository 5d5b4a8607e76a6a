"""Ranks: the same however they came about, and without who does not want to be seen."""

import asyncio
import datetime
import random
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from account.people import LOCAL, signed_in, uuid_of
from helpers import City
from redis.asyncio import Redis

from app.api.ranks import SPARE
from app.embedded.stack import Stack
from app.jobs.service import recurring
from app.ranks import repository
from app.ranks.names import pseudonym
from app.ranks.repository import Score
from app.ranks.service import BEHIND, rebuild, update
from app.ranks.store import CURRENT, Ranks, city_of
from app.wiring import Services, utc_now

MINUTE = datetime.timedelta(minutes=1)
START = datetime.datetime(2026, 10, 31, 23, 50, tzinfo=LOCAL)


@pytest.fixture
async def redis(stack: Stack, base_url: str, owner: asyncpg.Connection) -> AsyncIterator[Redis]:
    """The tests' Redis without ranks, and a service whose jobs leave it alone."""
    await owner.execute("UPDATE jobs SET next_run_at = now() + interval '1 day' WHERE name LIKE '%ranks'")
    connection = Redis.from_url(stack.redis_url)
    for key in await connection.keys("ranks:*"):
        await connection.delete(key)
    yield connection
    await connection.aclose()


@pytest.fixture
async def asset(owner: asyncpg.Connection) -> int:
    """An asset of grams; books of earlier tests are closed first."""
    await owner.execute("DELETE FROM entries")
    await owner.execute("DELETE FROM rank_choices")
    await owner.execute("UPDATE balances SET open_mg = 0, used_mg = 0")
    found = "SELECT id FROM assets WHERE kind = 'reduction' AND vintage = 1999"
    if await owner.fetchval(found) is None:
        await owner.execute(
            "INSERT INTO assets (kind, methodology_id, vintage, programme) VALUES ('reduction', 0, 1999, '')"
        )
    return int(await owner.fetchval(found))


async def book(
    owner: asyncpg.Connection, asset: int, holder: str, at: datetime.datetime, mg: int, used: bool = False
) -> None:
    """Credit grams (or take them back: negative), or use them for an offset, at a moment; balances follow."""
    kind, debit, credit = (8, 10, 12) if used else (1, 1, 10) if mg > 0 else (2, 10, 1)
    async with owner.transaction():
        await owner.execute(
            """
            INSERT INTO entries (holder_id, id, cause_id, asset_id, kind, debit, credit, amount, booked_at)
            VALUES ($1, uuidv7($2::timestamptz - clock_timestamp()), gen_random_uuid(), $3, $4, $5, $6, $7, $2)
            """,
            uuid_of(holder),
            at,
            asset,
            kind,
            debit,
            credit,
            abs(mg),
        )
        await owner.execute(
            "UPDATE balances SET open_mg = open_mg + $2, used_mg = used_mg + $3 WHERE holder_id = $1",
            uuid_of(holder),
            -mg if used else mg,
            mg if used else 0,
        )


async def sets(redis: Redis) -> dict[str, dict[bytes, float]]:
    """All that counts, without the generation's name and without zeros."""
    generation = (await redis.get(CURRENT)).decode()
    found = {}
    for key in await redis.keys(f"ranks:{generation}:*"):
        name = key.decode().removeprefix(f"ranks:{generation}:")
        if name != "cursor":
            scores = dict(await redis.zrange(key, 0, -1, withscores=True))
            if nonzero := {member: score for member, score in scores.items() if score}:
                found[name] = nonzero
    return found


async def people(city: City, phones: Any, count: int, region: str = "440300") -> list[str]:
    operator = await city.client("operator", "100000")
    return [await city.holder(operator, phones(), region=region) for _ in range(count)]


async def step(service: Services, redis: Redis, now: datetime.datetime) -> bool:
    async with service.database.driver_transaction() as driver:
        return await update(driver, Ranks(redis), now)


async def anew(service: Services, redis: Redis, now: datetime.datetime) -> int:
    async with service.database.driver_transaction() as driver:
        return await rebuild(driver, Ranks(redis), now)


async def test_built_at_once_or_step_by_step_ranks_are_the_same(
    city: City, service: Services, owner: asyncpg.Connection, redis: Redis, asset: int, phones: Any
) -> None:
    """An evening over the end of a month: credits, reversals, offsets, people who leave and come back."""
    chance = random.Random(4)
    holders = await people(city, phones, 6) + await people(city, phones, 2, "310115")
    has = dict.fromkeys(holders, 0)
    for number, holder in enumerate(holders):
        has[holder] = 100_000 + number
        await book(owner, asset, holder, START - 3 * MINUTE, has[holder])
    assert await step(service, redis, START)  # nothing was there: everything is built
    for minute in range(1, 31):
        now = START + minute * MINUTE
        for _ in range(5):
            holder = chance.choice(holders)
            mg = chance.choice([chance.randrange(1, 10_000), -chance.randrange(1, has[holder] + 1)])
            used = mg < 0 and chance.random() < 0.3
            await book(owner, asset, holder, now - chance.random() * MINUTE, -mg if used else mg, used)
            has[holder] += mg
            has[holder] = max(has[holder], 1) if has[holder] else 1
            if has[holder] == 1:
                await book(owner, asset, holder, now, 1)
                has[holder] = int(
                    await owner.fetchval("SELECT open_mg FROM balances WHERE holder_id = $1", uuid_of(holder))
                )
        if chance.random() < 0.4:
            await owner.execute(
                "INSERT INTO rank_choices VALUES ($1, $2, $3) ON CONFLICT (holder_id)"
                " DO UPDATE SET shown = excluded.shown, changed_at = excluded.changed_at",
                uuid_of(chance.choice(holders)),
                chance.random() < 0.5,
                now,
            )
        if chance.random() < 0.7:
            assert not await step(service, redis, now)
            assert not await step(service, redis, now)  # twice is once
    now = START + 31 * MINUTE + BEHIND
    assert not await step(service, redis, now)
    gradual = await sets(redis)
    assert {"440300:all", "310000:all", "440300:2026-11"} <= gradual.keys()
    await anew(service, redis, now)
    built = await sets(redis)
    # A finished month stays as it was; what is built anew has the month that runs.
    assert {name: each for name, each in gradual.items() if not name.endswith("2026-10")} == built
    assert len(await redis.keys("ranks:*")) == len(built) + 2


async def test_one_of_two_processes_adds(
    city: City, service: Services, owner: asyncpg.Connection, redis: Redis, asset: int, phones: Any
) -> None:
    (holder,) = await people(city, phones, 1)
    await anew(service, redis, START)
    await book(owner, asset, holder, START, 5000)
    later = START + BEHIND + MINUTE
    await asyncio.gather(*(step(service, redis, later) for _ in range(8)))
    assert await sets(redis) == {
        "440300:all": {uuid_of(holder).bytes: 5000.0},
        "440300:2026-10": {uuid_of(holder).bytes: 5000.0},
    }
    # A cursor that somebody moved meanwhile: nothing is added.
    at = await Ranks(redis).cursor()
    assert at is not None

    async def booked() -> AsyncIterator[list[Score]]:
        yield [(uuid_of(holder), "440300", "2026-10", 1)]

    assert await Ranks(redis).advance(at, later + MINUTE, booked(), [], [], [], "2026-10")
    assert not await Ranks(redis).advance(at, later + MINUTE, booked(), [], [], [], "2026-10")
    assert (await sets(redis))["440300:all"] == {uuid_of(holder).bytes: 5001.0}


async def test_what_is_lost_or_old_is_built_anew(
    city: City, service: Services, owner: asyncpg.Connection, redis: Redis, asset: int, phones: Any
) -> None:
    (holder,) = await people(city, phones, 1)
    await book(owner, asset, holder, START, 5000)
    later = START + datetime.timedelta(days=2)
    assert await step(service, redis, later - datetime.timedelta(hours=30))
    assert await step(service, redis, later)
    for key in await redis.keys("ranks:*"):
        await redis.delete(key)
    assert await step(service, redis, later)
    assert await sets(redis) == {"440300:all": {uuid_of(holder).bytes: 5000.0}}


async def test_the_page_shows_places_and_made_up_names(
    city: City, service: Services, owner: asyncpg.Connection, redis: Redis, asset: int, phones: Any
) -> None:
    holders = await people(city, phones, 5)
    now = utc_now()
    residents = [signed_in(city, holder) for holder in holders]
    away = await residents[0].get("/v1/me/rank")
    assert (away.status_code, away.json()["code"]) == (503, "ranks.unavailable")
    assert away.headers["Retry-After"]
    for holder, mg in zip(holders, (500, 900, 900, 100, 0), strict=True):
        if mg:
            await book(owner, asset, holder, now - BEHIND - MINUTE, mg)
    await anew(service, redis, now)
    page = (await residents[0].get("/v1/me/rank?period=all_time&top=3")).json()
    assert (page["city"], page["participants"], page["shown"]) == ("440300", 4, True)
    assert [(place["rank"], place["co2e_g"], place["me"]) for place in page["top"]] == [
        (1, "0.9", False),
        (1, "0.9", False),
        (3, "0.5", True),
    ]
    assert page["own"] == page["top"][2]
    assert (await residents[4].get("/v1/me/rank?period=all_time")).json()["own"] is None
    key = service.settings.receipt_key.get_secret_value()
    zh, en = pseudonym(key, uuid_of(holders[0]))
    assert page["own"]["name"] == {"zh": zh, "en": en}
    assert not [holder for holder in holders if holder in str(page) or holder[4:] in str(page)]

    # Who leaves is gone at once, though Redis still has the score; coming back takes a step.
    left = (await residents[1].request("PUT", "/v1/me/rank", json={"shown": False})).json()
    assert left == {"shown": False}
    page = (await residents[0].get("/v1/me/rank?period=all_time&top=3")).json()
    assert [place["co2e_g"] for place in page["top"]] == ["0.9", "0.5", "0.1"]
    own = (await residents[1].get("/v1/me/rank?period=all_time")).json()
    assert (own["own"], own["shown"]) == (None, False)
    await step(service, redis, utc_now() + BEHIND)
    assert (await residents[0].get("/v1/me/rank?period=all_time")).json()["participants"] == 3
    await residents[1].request("PUT", "/v1/me/rank", json={"shown": True})
    await step(service, redis, utc_now() + BEHIND)
    back = (await residents[1].get("/v1/me/rank?period=all_time")).json()
    assert (back["own"]["rank"], back["participants"], back["shown"]) == (1, 4, True)
    assert SPARE > 0


async def test_organisations_do_not_rank(
    city: City, service: Services, owner: asyncpg.Connection, redis: Redis, asset: int, phones: Any
) -> None:
    holder, firm = await people(city, phones, 2)
    await owner.execute("UPDATE holders SET kind = 'organisation' WHERE id = $1", uuid_of(firm))
    for each in (holder, firm):
        await book(owner, asset, each, START - 3 * MINUTE, 1000)
    await anew(service, redis, START)
    await book(owner, asset, firm, START, 1000)
    await step(service, redis, START + 5 * MINUTE)
    assert (await sets(redis))["440300:all"] == {uuid_of(holder).bytes: 1000.0}


async def test_children_do_not_rank_until_their_account_is_theirs(
    city: City, service: Services, owner: asyncpg.Connection, redis: Redis, asset: int, phones: Any
) -> None:
    guardian, child = await people(city, phones, 2)
    now = utc_now()
    since = now - datetime.timedelta(days=30)
    await owner.execute(
        "INSERT INTO minors (holder_id, guardian_id, label, minor_until, created_at) VALUES ($1, $2, 'x', $3, $4)",
        uuid_of(child),
        uuid_of(guardian),
        now.date() - datetime.timedelta(days=1),
        since,
    )
    for each in (guardian, child):
        await book(owner, asset, each, now - 3 * MINUTE, 1000)
    await anew(service, redis, now)
    await book(owner, asset, child, now, 1000)
    assert not await step(service, redis, now + 5 * MINUTE)
    assert (await sets(redis))["440300:all"] == {uuid_of(guardian).bytes: 1000.0}
    # Nor by its own wish; nor on the day on which it is 14, but when it has taken over.
    resident = signed_in(city, child)
    chosen = await resident.request("PUT", "/v1/me/rank", json={"shown": True})
    assert chosen.json() == {"shown": False}
    page = (await resident.get("/v1/me/rank?period=all_time")).json()
    assert (page["shown"], page["own"], page["participants"]) == (False, None, 1)
    over = now + 6 * MINUTE
    await owner.execute("UPDATE minors SET ended_at = $2 WHERE holder_id = $1", uuid_of(child), over)
    assert not await step(service, redis, over + 5 * MINUTE)
    assert (await sets(redis))["440300:all"] == {
        uuid_of(guardian).bytes: 1000.0,
        uuid_of(child).bytes: 2000.0,
    }
    await owner.execute("DELETE FROM minors WHERE holder_id = $1", uuid_of(child))


def test_districts_rank_with_their_city() -> None:
    found = {region: city_of(region) for region in ("440305", "440300", "310115", "110000", "500100")}
    assert found == {
        "440305": "440300",
        "440300": "440300",
        "310115": "310000",
        "110000": "110000",
        "500100": "500000",
    }


def test_months_begin_at_midnight_in_shanghai() -> None:
    assert repository.month_of(datetime.datetime(2026, 10, 31, 15, 59, tzinfo=datetime.UTC)) == "2026-10"
    assert repository.month_of(datetime.datetime(2026, 10, 31, 16, 0, tzinfo=datetime.UTC)) == "2026-11"
    first = repository.first_of_month(datetime.datetime(2027, 1, 1, 0, 0, tzinfo=LOCAL))
    assert first == datetime.datetime(2027, 1, 1, tzinfo=LOCAL)


async def test_the_job_builds_ranks(service: Services, redis: Redis, asset: int) -> None:
    (job,) = [job for job in recurring(service) if job.name == "update_ranks"]
    async with service.database.transaction() as session:
        await job.work(session, utc_now())
    assert await Ranks(redis).cursor() is not None
