"""`kill -9` in the middle of an auction's settlement: nothing of it is there, and the next one settles all of it."""

import asyncio
import datetime
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

import asyncpg
from market.exchange import whole

from app.bench.auction import made_auction
from app.market import verification as of_market
from app.market.settlement import end_auction
from app.wiring import Services, utc_now

ROOT = Path(__file__).resolve().parents[2]
BIDS = 1_500
LIMIT_S = 60
# Another process, with the very job's work.
END = """
import asyncio, datetime, sys
from app.database import Database, engine_for
from app.market.job import end_due

asyncio.run(end_due(Database(engine_for(sys.argv[1])), datetime.datetime.fromisoformat(sys.argv[2])))
"""
STEPS = ("market_money_entries", "market_trades", "unit_movements")
WRITES = """
    SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.relation = $1::regclass AND l.mode = 'RowExclusiveLock' AND l.granted AND a.pid <> pg_backend_pid()
        AND a.datname = current_database())
"""
STATE = """
    SELECT a.state, (SELECT count(*) FROM market_trades), (SELECT count(*) FROM unit_movements),
        (SELECT count(*) FROM market_money_entries), (SELECT count(*) FROM market_bids WHERE state <> 'standing')
    FROM market_auctions a WHERE a.id = $1
"""


async def killed(owner: asyncpg.Connection, url: str, now: datetime.datetime, table: str) -> bool:
    """Begin the end of what is over, and kill it as soon as it has begun to write into a table."""
    process = await asyncio.to_thread(
        subprocess.Popen, [sys.executable, "-c", END, url, now.isoformat()], cwd=ROOT
    )
    until = time.monotonic() + LIMIT_S
    met = False
    while not met and process.poll() is None and time.monotonic() < until:
        met = await owner.fetchval(WRITES, table)
        await asyncio.sleep(0.001)
    process.kill()
    await asyncio.to_thread(process.wait, LIMIT_S)
    # The server notices, and undoes what was begun.
    while await owner.fetchval(WRITES, table):
        assert time.monotonic() < until
        await asyncio.sleep(0.01)
    return met


async def test_a_killed_settlement_is_undone_and_settled_whole_by_the_next(
    service: Services, owner: asyncpg.Connection, database_urls: tuple[str, str]
) -> None:
    now = utc_now()
    auction: UUID = await made_auction(service.database, BIDS, 7, now)
    sums, before = await whole(owner), await owner.fetchrow(STATE, auction)
    assert before[0] == "announced"
    undone = 0
    for table in STEPS:
        if (
            await killed(owner, database_urls[0], now, table)
            and await owner.fetchrow(STATE, auction) == before
        ):
            undone += 1
            assert await whole(owner) == sums
    # A quick machine may commit before the last kill; it must not before all of them.
    assert undone >= len(STEPS) - 1
    ended = await asyncio.gather(*(end_in(service, auction, now) for _ in range(5)))
    assert sum(ended) == (undone == len(STEPS))
    state, trades, _, _, decided = await owner.fetchrow(STATE, auction)
    assert (state, decided) == ("ended", BIDS)
    assert (
        trades
        == await owner.fetchval("SELECT winners FROM market_auctions WHERE id = $1", auction)
        > BIDS // 3
    )
    assert await whole(owner) == sums
    for _, query in of_market.QUERIES.values():
        assert await owner.fetchval(query) is None


async def end_in(service: Services, auction: UUID, now: datetime.datetime) -> bool:
    async with service.database.driver_transaction() as driver:
        return await end_auction(driver, auction, now) is not None
