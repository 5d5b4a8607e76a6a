"""Row of the market: an auction of ten thousand bids, from what is stored to settled trades."""

import datetime as dt
import statistics
import time

from app.bench.auction import made_auction
from app.bench.lab import Lab
from app.bench.registry import BenchError, Measured, row
from app.database import Database, engine_for
from app.market.settlement import end_auction
from app.verification import verify


@row("auction_10k_s", unit="s", floor=5.0, aim=0.5)
async def auction_10k_s(lab: Lab) -> Measured:
    """Clear, book deposits and prices, open accounts, deliver units; in one durable commit."""
    bids, times = 10_000, 1 if lab.quick else 5
    database = Database(engine_for(lab.stack.database_url, pool_size=1))
    seconds, trades = [], 0
    try:
        for seed in range(times):
            now = dt.datetime.now(dt.UTC)
            auction_id = await made_auction(database, bids, seed, now)
            await lab.checkpoint()
            began = time.perf_counter()
            async with database.driver_transaction() as driver:
                clearing = await end_auction(driver, auction_id, now)
            seconds.append(time.perf_counter() - began)
            if clearing is None:
                raise BenchError("the auction was not cleared")
            trades = len(clearing.wins)
        async with database.snapshot() as driver:
            found = [finding.rule async for finding in verify(driver) if finding.breach is not None]
    finally:
        await database.close()
    if found:
        raise BenchError(f"the books are broken: {', '.join(found)}")
    shown = ", ".join(f"{each:.2f}" for each in seconds)
    lab.say(f"  {shown} s; {trades:,} trades each")
    return Measured(
        statistics.median(seconds),
        f"{bids:,} bids of as many buyers, {trades:,} trades settled: money, units and accounts, one commit; "
        f"the median of {times} ({shown} s)",
    )
