"""Archiving that is killed at any place is gone on with by the next run, and no claim is lost meanwhile."""

import asyncio
import datetime
import os
import signal
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from archives.test_claim_archives import World, at
from crediting.desk import Desk
from helpers import City

from app.database import Database, engine_for
from app.wiring import Services
from dedup.archiving import archive_month

# Runs in a process of its own, and kills it where it comes to a place; `{name}` is a function of the archiving.
KILLED = """
import asyncio, datetime, os, pathlib, signal, sys
import asyncpg
from dedup import archiving

url, folder, month, name, when = sys.argv[1:]
real = getattr(archiving, name)

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def after(*arguments):
    real(*arguments)
    die()

async def after_async(*arguments):
    await real(*arguments)
    die()

places = {"before": die, "after": after, "after_async": after_async}
setattr(archiving, name, places[when])

async def work():
    driver = await asyncpg.connect(url)
    await archiving.archive_month(driver, pathlib.Path(folder), datetime.date.fromisoformat(month))

asyncio.run(work())
"""
PLACES = {
    "taken out": ("detach", "after_async"),
    "before the rows are read": ("_convert", "before"),
    "a draft is written": ("_convert", "after"),
    "a draft is not checked": ("_contents", "before"),
    "a file is in its place": ("_sync", "before"),
    "all is exported": ("export", "after_async"),
    "before the tables are dropped": ("drop", "before"),
    "all is dropped": ("drop", "after_async"),
}


@pytest.mark.parametrize("place", list(PLACES))
async def test_killed_and_run_again(
    place: str,
    city: City,
    service: Services,
    desk: Desk,
    database_urls: tuple[str, str],
    phones: Any,
    tmp_path: Path,
    owner: asyncpg.Connection,
) -> None:
    month = datetime.date(2026, 1 + list(PLACES).index(place), 1)
    world = await World(city, service, month).open(phones)
    acts = [at(month, day, "08:00", "08:25") for day in range(1, 7)]
    for number, act in enumerate(acts):
        assert (await world.report(f"a{number}", 0, 0, **act))[0] == "credited"
        assert (await world.claim(f"b{number}", 1, 1, **act))[0] == "claimed"

    name, when = PLACES[place]
    arguments = (database_urls[0], str(tmp_path), month.isoformat(), name, when)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, *arguments)
    assert await process.wait() == -signal.SIGKILL
    assert await desk.breaches() == []
    # It is answered as it is, before anybody runs it again.
    assert await world.report("again0", 2, 0, **acts[0]) == ("duplicate", "claimed_body", "a0")
    assert await world.query(2, 1, **acts[1]) == (True, False, "claimed_body", "b1")
    assert await world.end("b2", 1, "release") == 200
    assert await desk.breaches() == []

    database = Database(engine_for(database_urls[0], pool_size=1, scans=True))
    try:
        async with database.statement() as driver:
            done = await archive_month(driver, tmp_path, month)
    finally:
        await database.close()
    assert (done.state, done.claims) == ("archived", 12)
    assert set(await asyncio.to_thread(os.listdir, tmp_path)) == {
        f"{parent}_{month:%Y_%m}.parquet" for parent in ("interval_claims", "interval_tokens")
    }
    assert await world.report("again3", 2, 0, **acts[3]) == ("duplicate", "claimed_body", "a3")
    assert await world.query(2, 1, **acts[2]) == (False, False, None, None)
    assert (await world.claim("b2 again", 2, 1, **acts[2]))[0] == "claimed"
    assert await world.claim("b4 again", 2, 1, **acts[4]) == ("duplicate", "claimed_body", "b4")
    assert await world.end("a5", 0, "reversal") == 200
    assert (await world.report("again5", 2, 0, **acts[5]))[0] == "credited"
    assert await desk.breaches() == []
    tables = "SELECT count(*) FROM pg_class WHERE relname LIKE '%detached' AND relkind = 'r'"
    assert await owner.fetchval(tables) == 0
