"""Row of the account page: so many a second, of holders who all have a history."""

import asyncio
import datetime as dt
import random
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from app.auth.keys import KeyRing
from app.auth.principal import Principal
from app.auth.scopes import ME_READ
from app.auth.tokens import Tokens
from app.bench import history
from app.bench.lab import Lab
from app.bench.registry import BenchError, Measured, row
from app.database import Database, engine_for

PER_S: Final = 200
CONNECTIONS: Final = 32
_WARM_UP_S: Final = 5
_TOKEN_S: Final = 3600
_LEAD_S: Final = 0.2


@row("account_p99_ms", unit="ms", floor=20, aim=5)
async def account_p99_ms(lab: Lab) -> Measured:
    """The account page at a fixed rate, each of another holder; a late answer makes none after it early."""
    wanted, seconds = (200_000, 10) if lab.quick else (2_000_000, 60)
    async with lab.service() as service:
        await lab.batches(service, count=5, warm_up=5)
    lab.say(f"  writing {wanted:,} earlier activities")
    made = await history.write(lab.database, wanted, lab.holders, lab.say)
    count = PER_S * (_WARM_UP_S + seconds)
    async with lab.database() as driver:
        drawn = random.Random(4).sample(range(lab.holders), count)
        rows = await driver.fetch("SELECT id FROM bench_holders WHERE n = ANY($1::int[])", drawn)
    async with lab.service() as service:
        requests = await requests_of(lab, "/v1/me/account", [row_[0] for row_ in rows])
        await lab.checkpoint()
        await paced(service.url, requests[: PER_S * _WARM_UP_S])
        meter = lab.meter(service)
        latencies = sorted(await paced(service.url, requests[PER_S * _WARM_UP_S :]))
        told = meter.told()
    p50, p99 = (1000 * latencies[int(len(latencies) * share)] for share in (0.5, 0.99))
    return Measured(
        p99,
        f"GET /v1/me/account, {PER_S} requests/s for {seconds} s from their due times, {lab.holders:,} holders with "
        f"{made:,} activities over 12 months, each asked once with a new token; p50 {p50:.1f} ms; {told}",
    )


async def requests_of(lab: Lab, path: str, holder_ids: Sequence[UUID]) -> list[bytes]:
    """One request for a page of each holder, with a token as the service itself signs it."""
    tokens = Tokens(KeyRing(lab.settings.receipt_key.get_secret_value()), _TOKEN_S)
    now = dt.datetime.now(dt.UTC)
    database = Database(engine_for(lab.stack.database_url, pool_size=1))
    try:
        async with database.reading() as session:
            await tokens.keys.refresh(session, now)
    finally:
        await database.close()
    ends = int(now.timestamp()) + _TOKEN_S
    return [
        (
            f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer "
            + tokens.issue(
                Principal("resident", UUID(int=1), "", "100000", frozenset({ME_READ}), ends, holder_id), now
            )
            + "\r\n\r\n"
        ).encode()
        for holder_id in holder_ids
    ]


async def paced(url: str, requests: Sequence[bytes]) -> list[float]:
    """Send each request when it is due; answers the seconds from there to its answer."""
    place = urlsplit(url)
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(await asyncio.open_connection(place.hostname, place.port))
    began = time.perf_counter() + _LEAD_S

    async def ask(due: float, request: bytes) -> float:
        reader, writer = await idle.get()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, length = head.partition(b"\r\ncontent-length:")
        await reader.readexactly(int(length.partition(b"\r\n")[0]))
        took = time.perf_counter() - due
        idle.put_nowait((reader, writer))
        if head[9:12] != b"200":
            raise BenchError(f"the service answered {head[9:12].decode()}")
        return took

    tasks: list[asyncio.Task[float]] = []
    async with asyncio.TaskGroup() as group:
        # Begun one by one: thousands that wait for their time would keep the first ones waiting.
        for number, request in enumerate(requests):
            due = began + number / PER_S
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(group.create_task(ask(due, request)))
    while not idle.empty():
        idle.get_nowait()[1].close()
    return [task.result() for task in tasks]
