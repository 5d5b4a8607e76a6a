"""Quotas of blind evaluation: taken by the write itself, over all connections, and beyond it by a grant only."""

import asyncio
import datetime as dt
from typing import Any

import asyncpg
import pytest
from helpers import City

from accounts.ids import parse_public_id, uuid7
from app.crediting.errors import StorageUnavailable
from app.database import Database, engine_for
from app.quotas.errors import QuotaExhausted
from app.quotas.models import ALL_TOGETHER, QuotaKind
from app.quotas.service import Allowance, Quotas
from app.wiring import Services

NOW = dt.datetime(2026, 11, 20, 15, 0, tzinfo=dt.UTC)
TODAY = NOW.date()
KIND = QuotaKind.EVALUATIONS


def quotas(service: Services, each: int, together: int | None = None, now: dt.datetime = NOW) -> Quotas:
    return Quotas(service.database, {KIND: Allowance(each, together)}, lambda: now)


async def take(of: Quotas, organisation: Any, amount: int) -> bool:
    try:
        await of.take(KIND, organisation, amount)
    except QuotaExhausted:
        return False
    return True


async def used(owner: asyncpg.Connection, organisation: Any, day: dt.date = TODAY) -> int:
    found = await owner.fetchval(
        "SELECT used FROM quota_days WHERE organisation_id = $1 AND kind = $2 AND day = $3",
        organisation,
        KIND,
        day,
    )
    return int(found or 0)


async def grant(owner: asyncpg.Connection, organisation: Any, amount: int, **over: dt.datetime) -> Any:
    starts, ends = NOW - dt.timedelta(hours=1), NOW + dt.timedelta(hours=1)
    found = uuid7(NOW)
    await owner.execute(
        "INSERT INTO quota_grants VALUES ($1, $2, $3, $4, 0, $5, $6, '100000', 'x', $7)",
        *(found, organisation, KIND, amount, over.get("starts", starts), over.get("ends", ends), NOW),
    )
    return found


async def test_fifty_at_once_never_use_more_than_is_allowed(service: Services, owner: asyncpg.Connection):
    of, organisation = quotas(service, 100), uuid7(NOW)
    got = await asyncio.gather(*(take(of, organisation, 7) for _ in range(50)))
    assert sum(got) == 100 // 7
    assert await used(owner, organisation) == 100 // 7 * 7


async def test_all_together_are_limited_and_a_refused_one_loses_nothing(
    service: Services, owner: asyncpg.Connection
):
    day = NOW + dt.timedelta(days=1)
    of = quotas(service, 60, 100, day)
    first, second = uuid7(NOW), uuid7(NOW)
    assert await take(of, first, 60)
    assert not await take(of, second, 60)
    assert await take(of, second, 40)
    assert not await take(of, second, 1)
    assert await used(owner, second, day.date()) == 40
    assert await used(owner, ALL_TOGETHER, day.date()) == 100


async def test_a_day_ends_at_midnight_in_shanghai(service: Services):
    organisation = uuid7(NOW)
    last = dt.datetime(2026, 11, 20, 15, 59, 59, tzinfo=dt.UTC)
    assert await take(quotas(service, 5, now=last), organisation, 5)
    with pytest.raises(QuotaExhausted) as refused:
        await quotas(service, 5, now=last).take(KIND, organisation, 1)
    assert refused.value.retry_after_s == 1
    assert await take(quotas(service, 5, now=last + dt.timedelta(seconds=1)), organisation, 5)


async def test_a_grant_is_used_beyond_the_day_by_its_own_platform_in_its_time(
    service: Services, owner: asyncpg.Connection
):
    of, organisation, other = quotas(service, 10, 1_000_000), uuid7(NOW), uuid7(NOW)
    await grant(owner, organisation, 500, starts=NOW + dt.timedelta(minutes=1))
    await grant(owner, organisation, 500, ends=NOW)
    live = await grant(owner, organisation, 100)
    assert await take(of, organisation, 10)
    got = await asyncio.gather(*(take(of, organisation, 9) for _ in range(30)))
    assert sum(got) == 100 // 9
    assert not await take(of, other, 11)
    assert await owner.fetchval("SELECT used FROM quota_grants WHERE id = $1", live) == 99
    assert await used(owner, organisation) == 10


async def test_the_table_itself_refuses_more_than_allowed(owner: asyncpg.Connection):
    with pytest.raises(asyncpg.CheckViolationError):
        await owner.execute("INSERT INTO quota_days VALUES ($1, 'x', '2026-01-01', 11, 10)", uuid7(NOW))


async def test_without_the_database_nothing_is_granted():
    away = Database(engine_for("postgresql://nobody@127.0.0.1:1/none", pool_size=1))
    with pytest.raises(StorageUnavailable):
        await Quotas(away, {KIND: Allowance(10)}, lambda: NOW).take(KIND, uuid7(NOW), 1)
    await away.close()


async def test_an_operator_grants_and_the_trail_tells(city: City, owner: asyncpg.Connection):
    operator = await city.client("operator", "440000")
    platform = await city.client("platform", "440300", name="Rides")
    foreign = await city.client("platform", "310000")
    body = {
        "organisation_id": platform.organisation_id,
        "kind": "evaluations",
        "amount": 1000,
        "starts_at": "2026-01-01T00:00:00+08:00",
        "ends_at": "2036-01-01T00:00:00+08:00",
        "reason": "onboarding",
    }
    key = {"Idempotency-Key": "g1"}
    made = await operator.post("/v1/operator/quota-grants", json=body, headers=key)
    assert made.status_code == 200, made.text
    again = await operator.post("/v1/operator/quota-grants", json=body, headers=key)
    assert again.json() == made.json()
    listed = (await operator.get("/v1/operator/quota-grants")).json()
    assert listed == {"items": [made.json()], "next_cursor": None}
    for wrong, status in (
        ({"organisation_id": foreign.organisation_id}, 404),
        ({"organisation_id": operator.organisation_id}, 404),
        ({"ends_at": "2026-01-01T00:00:00+08:00"}, 422),
        ({"amount": 0}, 422),
    ):
        refused = await operator.post("/v1/operator/quota-grants", json=body | wrong)
        assert refused.status_code == status, refused.text
    trail = (await operator.get("/v1/operator/audit", params={"action": "quota.granted"})).json()["items"]
    assert [(each["target_id"], each["reason"]) for each in trail] == [
        (made.json()["grant_id"], "onboarding")
    ]

    day = NOW.date()
    organisation = parse_public_id("org", platform.organisation_id)
    await owner.execute("INSERT INTO quota_days VALUES ($1, 'evaluations', $2, 3, 10)", organisation, day)
    seen = (await operator.get("/v1/operator/quota-use", params={"day": "2026-11-20"})).json()["items"]
    assert seen == [
        {
            "organisation_id": platform.organisation_id,
            "organisation_name": "Rides",
            "kind": "evaluations",
            "day": "2026-11-20",
            "used": 3,
            "allowed": 10,
        }
    ]
