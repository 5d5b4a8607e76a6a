"""Rates: one budget over all processes, leased in blocks; what happens while Redis is away."""

import asyncio
import time
import uuid
from collections.abc import Iterator

import pytest
from auth.altered import Altered
from helpers import City, metro
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.auth.rate_limit import SECRET_ATTEMPTS, WINDOW_S, RateLimiter
from app.metrics import RATE_LIMIT_UNCHECKED
from app.problems import RequestError
from app.wiring import Services


@pytest.fixture
def away() -> Iterator[Redis]:
    """A Redis that nobody answers for."""
    return Redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=0.2, retry=Retry(NoBackoff(), 0))


async def early_in_a_window() -> None:
    """Wait until enough of the window is left that the test ends in it."""
    left = WINDOW_S - time.time() % WINDOW_S
    if left < 3:
        await asyncio.sleep(left + 0.05)


async def passed(limiter: RateLimiter, client: str, count: int) -> int:
    """How many of so many requests at once pass."""
    answers = await asyncio.gather(*(limiter.check(client) for _ in range(count)), return_exceptions=True)
    for answer in answers:
        assert answer is None or (isinstance(answer, RequestError) and answer.code == "request.rate_limited")
    return sum(answer is None for answer in answers)


@pytest.mark.parametrize("per_second", [1, 3, 9, 50])
async def test_the_budget_of_a_window_is_exact(service: Services, per_second: int) -> None:
    await early_in_a_window()
    limiter, client = RateLimiter(service.redis, per_second), uuid.uuid4().hex
    budget = per_second * WINDOW_S
    assert await passed(limiter, client, budget + 20) == budget
    assert await passed(limiter, client, 5) == 0
    assert await passed(limiter, uuid.uuid4().hex, 5) == 5


@pytest.mark.parametrize("at_once", [64, 400])
async def test_many_at_once_do_not_waste_the_budget(service: Services, at_once: int) -> None:
    await early_in_a_window()
    limiter, client = RateLimiter(service.redis, 500), uuid.uuid4().hex
    assert await passed(limiter, client, at_once) == at_once
    taken = int(await service.redis.get(f"rate:{client}:{int(time.time()) // WINDOW_S}"))
    assert taken <= at_once + limiter._block


async def test_two_processes_share_one_budget(service: Services) -> None:
    await early_in_a_window()
    client = uuid.uuid4().hex
    one, two = RateLimiter(service.redis, 10), RateLimiter(service.redis, 10)
    assert await passed(one, client, 60) == 60
    assert await passed(two, client, 60) == 40
    assert await passed(one, client, 10) + await passed(two, client, 10) == 0


async def test_leases_save_asking(service: Services) -> None:
    await early_in_a_window()
    limiter, client = RateLimiter(service.redis, 1000), uuid.uuid4().hex
    for _ in range(400):
        await limiter.check(client)
    taken = int(await service.redis.get(f"rate:{client}:{int(time.time()) // WINDOW_S}"))
    assert taken == limiter._block == 500
    assert 0 < await service.redis.ttl(f"rate:{client}:{int(time.time()) // WINDOW_S}") <= 2 * WINDOW_S


async def test_the_next_window_begins_anew(service: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [time.time() // WINDOW_S * WINDOW_S]
    monkeypatch.setattr("app.auth.rate_limit.time.time", lambda: clock[0])
    limiter, client = RateLimiter(service.redis, 1), uuid.uuid4().hex
    assert await passed(limiter, client, 15) == 10
    clock[0] += WINDOW_S - 1
    assert await passed(limiter, client, 15) == 0
    clock[0] += 1
    assert await passed(limiter, client, 15) == 10


async def test_too_many_requests_are_told_when_to_come_back(
    city: City, service: Services, altered: Altered
) -> None:
    await early_in_a_window()
    caller, other = await city.client("platform"), await city.client("platform")
    operator = await city.client("operator", "440000")
    holder = await city.holder(operator, "13786420001", caller)
    resident = await city.resident(operator, holder)
    await early_in_a_window()
    limited = {name: RateLimiter(service.redis, 1) for name in ("limiter", "resident_limiter")}
    async with altered(**limited) as http:
        for who, path in ((caller, "/v1/activities/act_x"), (resident, "/v1/me/account")):
            headers = {"Authorization": f"Bearer {who.token}"}
            answers = [await http.get(path, headers=headers) for _ in range(12)]
            assert {answer.status_code for answer in answers[:10]} <= {200, 404}
            for answer in answers[10:]:
                assert (answer.status_code, answer.json()["code"]) == (429, "request.rate_limited")
                assert answer.headers["content-type"] == "application/problem+json"
                assert 0 < int(answer.headers["retry-after"]) <= WINDOW_S
        refused = await http.post(
            "/v1/activities", json=metro("limited", "1"), headers={"Authorization": f"Bearer {caller.token}"}
        )
        assert refused.status_code == 429
        # Each has a budget of its own.
        answer = await http.get("/v1/activities/act_x", headers={"Authorization": f"Bearer {other.token}"})
        assert answer.status_code == 404


async def test_without_redis_signed_in_traffic_passes_and_a_metric_says_so(
    city: City, away: Redis, altered: Altered
) -> None:
    caller = await city.client("platform")
    before = RATE_LIMIT_UNCHECKED._value.get()
    async with altered(redis=away, limiter=RateLimiter(away, 1)) as http:
        headers = {"Authorization": f"Bearer {caller.token}"}
        answers = [await http.post("/v1/activities/batch", json=[], headers=headers) for _ in range(30)]
        assert {answer.status_code for answer in answers} == {200}
        assert RATE_LIMIT_UNCHECKED._value.get() > before
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.json()["redis"]) == (200, "away")
        assert "tanpuhui_rate_limit_unchecked_total" in (await http.get("/metrics")).text
        # What guards a secret fails closed.
        for secret in (caller.secret, "wrong"):
            answer = await http.post(
                "/oauth/token", data={"grant_type": "client_credentials"}, auth=(caller.client_id, secret)
            )
            assert (answer.status_code, answer.json()["code"]) == (503, "auth.unavailable")
            assert int(answer.headers["retry-after"]) > 0
            assert "access_token" not in answer.text


async def test_attempts_at_a_secret_are_few(city: City, service: Services, altered: Altered) -> None:
    caller, other = await city.client("platform"), await city.client("platform")
    await early_in_a_window()
    # Signing in took one of them, unless a new window has begun since.
    spent = int(await service.redis.get(f"secret:{caller.client_id}:{int(time.time()) // WINDOW_S}") or 0)
    for _ in range(SECRET_ATTEMPTS - spent):
        await service.limiter.check_secret(caller.client_id)
    form = {"grant_type": "client_credentials"}
    answer = await city.http.post("/oauth/token", data=form, auth=(caller.client_id, caller.secret))
    assert (answer.status_code, answer.json()["code"]) == (429, "request.rate_limited")
    assert 0 < int(answer.headers["retry-after"]) <= WINDOW_S
    answer = await city.http.post("/oauth/token", data=form, auth=(other.client_id, other.secret))
    assert answer.status_code == 200


async def test_leases_are_bounded(service: Services, away: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.auth.rate_limit.MAX_LEASES", 20)
    for redis in (service.redis, away):
        limiter = RateLimiter(redis, 100)
        for index in range(100):
            await limiter.check(f"many-{index}")
        assert len(limiter._leases) <= 22
        assert not limiter._leasing
