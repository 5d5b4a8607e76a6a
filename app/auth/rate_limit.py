"""Rates in Redis. A process leases a client's requests in blocks, so that most requests ask nobody."""

import asyncio
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
MAX_LEASES = 100_000


class RateLimiter:
    """At most `per_second` requests a second of one client over all processes, averaged over ten seconds."""

    def __init__(self, redis: "Redis", per_second: int) -> None:
        self._redis = redis
        self._limit = per_second * WINDOW_S
        self._block = max(1, self._limit // BLOCKS)
        self._leases: dict[str, tuple[int, int]] = {}
        self._leasing: dict[str, asyncio.Task[bool]] = {}

    async def check(self, client_id: str) -> None:
        """Take one request; `request.rate_limited` where none is left.

        Where Redis is away, signed-in traffic passes and a metric says so.
        """
        while not self._take(client_id):
            # One asks for all that wait: each taking a block of its own would use up the window at once.
            task = self._leasing.get(client_id)
            if task is None:
                task = self._leasing[client_id] = asyncio.create_task(self._lease(client_id))
                task.add_done_callback(lambda _: self._leasing.pop(client_id, None))
            if not await asyncio.shield(task):
                raise RequestError(
                    "request.rate_limited", retry_after_s=WINDOW_S - int(time.time()) % WINDOW_S
                )

    def _take(self, client_id: str) -> bool:
        window, left = self._leases.get(client_id, (0, 0))
        if left <= 0 or window != int(time.time()) // WINDOW_S:
            return False
        self._leases[client_id] = (window, left - 1)
        return True

    async def _lease(self, client_id: str) -> bool:
        """Lease a block of the present window; answers whether there was anything left."""
        window = int(time.time()) // WINDOW_S
        key = f"rate:{client_id}:{window}"
        granted = self._block
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.incrby(key, self._block)
                pipe.expire(key, 2 * WINDOW_S)
                taken = (await pipe.execute())[0]
        except (RedisError, OSError, TimeoutError):
            RATE_LIMIT_UNCHECKED.inc()
        else:
            granted = min(self._block, self._limit - (taken - self._block))
        if len(self._leases) > MAX_LEASES:
            self._leases.clear()
        if granted > 0:
            self._leases[client_id] = (window, granted)
        return granted > 0

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
