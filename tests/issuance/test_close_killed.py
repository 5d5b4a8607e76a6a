"""A process that closes a period is killed, wherever it is; another one goes on, and all is done once."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from issuance.bureau import TRIP_MG, Bureau
from versions.office import Office

from accounts.ids import parse_public_id
from app.verification import verify

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = 8
RUNNER = """
import asyncio, datetime, sys
from pathlib import Path
from uuid import UUID
from app.database import Database, engine_for
from app.issuing import closing

closing.SLICE = 1
url, issuance, folder, now = sys.argv[1:]

async def main():
    database = Database(engine_for(url, pool_size=2, scans=True))
    clock = lambda: datetime.datetime.fromisoformat(now)
    await closing.work_at(database, UUID(issuance), Path(folder), clock)

asyncio.run(main())
"""


async def moved(owner: asyncpg.Connection, issuance: UUID) -> int:
    """How many holders' grams are issued by now."""
    found: int = await owner.fetchval(
        "SELECT count(*) FROM entries WHERE party_id = $1 AND cause_id = $1", issuance
    )
    return found


@pytest.mark.parametrize("after", [0, 3], ids=["while the evidence is written", "while grams are moved"])
async def test_a_close_that_is_killed_is_ended_by_another(
    bureau: Bureau,
    office: Office,
    owner: asyncpg.Connection,
    database_urls: tuple[str, str],
    phones: Callable[[], str],
    after: int,
) -> None:
    begins = office.clock.now
    holders = []
    for _ in range(PEOPLE):
        phone = phones()
        holders.append(await bureau.resident(phone))
        await bureau.trip(phone)
    office.clock.forward(seconds=1)
    opened = await bureau.opened(begins)
    office.clock.forward(minutes=2)
    await bureau.step(opened, "close")
    issuance = parse_public_id("iss", opened["issuance_id"])
    assert issuance is not None
    process = await asyncio.to_thread(
        subprocess.Popen,
        [
            sys.executable,
            "-c",
            RUNNER,
            database_urls[0],
            str(issuance),
            str(bureau.folder),
            office.clock.now.isoformat(),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    building = bureau.folder / f"{issuance.hex}.building"
    try:
        until = time.monotonic() + 60
        while not building.exists() if after == 0 else await moved(owner, issuance) < after:
            assert process.poll() is None
            assert time.monotonic() < until
            await asyncio.sleep(0.001)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await asyncio.to_thread(process.wait, 10)
    assert (await bureau.read(opened))["status"] == "closing"
    there = await moved(owner, issuance)
    assert (after or 0) <= there < PEOPLE
    await bureau.work()
    closed = await bureau.read(opened)
    assert (closed["status"], closed["entries"]) == ("submitted", PEOPLE)
    assert await moved(owner, issuance) == PEOPLE
    issued = await owner.fetch(
        "SELECT issued_mg, open_mg FROM balances WHERE holder_id = ANY($1::uuid[])", holders
    )
    assert {tuple(row) for row in issued} == {(TRIP_MG, 0)}
    assert not building.exists()
    async with bureau.services.database.snapshot() as driver:
        assert [f.rule async for f in verify(driver) if f.breach] == []
