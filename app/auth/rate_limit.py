"""Rates in Redis. A process leases a client's requests in blocks, so that most requests ask nobody."""

import time
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from app.metrics import RATE_LIMIT_UNCHECKED
from app.problems import RequestError

if TYPE_CHECKING:
    from redis.asyncio import Redis

WINDOW_S = 10
BLOCKS = 20
SECRET_ATTEMPTS = 30


class RateLimiter:
    """At most `per_second` requests a second of one client over all processes, averaged over ten seconds."""

    def __init__(self, redis: "Redis", per_second: int) -> None:
        self._redis = redis
        self._limit = per_second * WINDOW_S
        self._block = max(1, self._limit // BLOCKS)
        self._leases: dict[str, tuple[int, int]] = {}

    async def check(self, client_id: str) -> None:
        """Take one request; `request.rate_limited` where none is left.

        Where Redis is away, signed-in traffic passes and a metric says so.
        """
        window = int(time.time()) // WINDOW_S
        lease = self._leases.get(client_id)
        if lease is not None and lease[0] == window and lease[1] > 0:
            self._leases[client_id] = (window, lease[1] - 1)
            return
        key = f"rate:{client_id}:{window}"
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.incrby(key, self._block)
                pipe.expire(key, 2 * WINDOW_S)
                taken = (await pipe.execute())[0]
        except (RedisError, OSError, TimeoutError):
            RATE_LIMIT_UNCHECKED.inc()
            self._leases[client_id] = (window, self._block - 1)
            return
        if taken - self._block >= self._limit:
            raise RequestError("request.rate_limited", retry_after_s=WINDOW_S - int(time.time()) % WINDOW_S)
        if len(self._leases) > 100_000:
            self._leases.clear()
        self._leases[client_id] = (window, self._block - 1)

    async def check_secret(self, subject: str) -> None:
        """Take one attempt at a secret, at most 30 in ten seconds for a subject. Fails closed where Redis is away."""
        key = f"secret:{subject}:{int(time.time()) // WINDOW_S}"
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.incr(key)
                pipe.expire(key, 2 * WINDOW_S)
                attempts = (await pipe.execute())[0]
        except (RedisError, OSError, TimeoutError):
            raise RequestError("auth.unavailable", retry_after_s=5) from None
        if attempts > SECRET_ATTEMPTS:
            raise RequestError("request.rate_limited", retry_after_s=WINDOW_S)
