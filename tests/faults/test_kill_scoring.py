"""`kill -9` of a process in the middle of a snapshot: the next one goes on, and every holder is scored once."""

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
from scores.made import AS_OF, histories
from scores.world import COUNTED, in_force, write_world

from accounts.scores.cards import load_cards
from accounts.scores.engine import score
from accounts.scores.model import Facts
from accounts.scores.queries import latest
from app.scoring.snapshots import snapshot_all
from app.wiring import Services

ROOT = Path(__file__).resolve().parents[2]
HOLDERS = 400
SLICE = 5
CARD = next(card for card in load_cards() if card.name == "resident")
LIMIT_S = 60
# Another process, with the very job, and slices so small that it can be met in the middle.
SNAPSHOT = f"""
import asyncio, sys
sys.path.insert(0, "tests")
from app.database import Database, engine_for
from app.scoring.snapshots import snapshot_all
from scores.made import AS_OF
from scores.world import COUNTED, in_force
from accounts.scores.cards import load_cards

card = next(card for card in load_cards() if card.name == "resident")
asyncio.run(snapshot_all(Database(engine_for(sys.argv[1])), in_force(card), AS_OF, lambda: COUNTED, size={SLICE}))
"""


async def test_a_killed_snapshot_is_finished_and_nobody_is_scored_twice(
    service: Services, owner: asyncpg.Connection, database_urls: tuple[str, str]
) -> None:
    made = histories(random.Random(17), HOLDERS)
    await write_world(owner, made)
    killed = 0
    for wanted in (5, 25, 50):
        process = await asyncio.to_thread(
            subprocess.Popen, [sys.executable, "-c", SNAPSHOT, database_urls[0]], cwd=ROOT
        )
        until = time.monotonic() + LIMIT_S
        while process.poll() is None and time.monotonic() < until:
            if await owner.fetchval("SELECT count(*) FROM score_slices WHERE done_at IS NOT NULL") >= wanted:
                process.kill()
                killed += 1
                break
            await asyncio.sleep(0.001)
        await asyncio.to_thread(process.wait, LIMIT_S)
        # What is marked as done is stored, and nothing else is.
        there, done = await owner.fetchrow(
            """
            SELECT (SELECT count(*) FROM scores), count(*) FROM scores s JOIN score_slices p
                ON p.card_id = s.card_id AND p.as_of = s.as_of AND s.holder_id > p.after AND s.holder_id <= p.through
            WHERE p.done_at IS NOT NULL
            """
        )
        assert there == done
    assert killed == 3
    left = await owner.fetchval("SELECT count(*) FROM score_slices WHERE done_at IS NULL")
    assert left > 0
    assert await snapshot_all(service.database, in_force(CARD), AS_OF, lambda: COUNTED)
    async with service.database.driver_transaction() as driver:
        found = await latest(driver, list(made), "resident")
    assert {each.holder_id: each for each in found} == {
        holder: score(CARD, Facts(tuple(deeds)), AS_OF, counted_until=COUNTED, holder_id=holder)
        for holder, deeds in made.items()
    }
    assert await owner.fetchval("SELECT count(*) FROM scores") == HOLDERS
