"""Two runners at once, a process that dies in the middle, and acts that are reported and reversed meanwhile."""

import asyncio
import datetime
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from recalculation.workshop import Workshop, day
from versions.office import text_of

from app.recalculation import slices
from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
OCTOBER = day("2026-10-01")
PEOPLE = 12


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices of two holders, so that a recalculation has many."""
    monkeypatch.setattr(slices, "HOLDERS", 2)


async def people_with_trips(workshop: Workshop, city: str, phones: Any) -> dict[str, list[dict[str, Any]]]:
    return {
        phone: [await workshop.trip(city, phone, day(f"2026-10-{n:02d}")) for n in (5, 6)]
        for phone in (phones() for _ in range(PEOPLE))
    }


async def changed(owner: asyncpg.Connection, made: dict[str, Any]) -> tuple[int, int]:
    """How many acts a recalculation changed, and how many entries of kind credit these have since."""
    row = await owner.fetchrow(
        """
        SELECT count(*), (SELECT count(*) FROM entries e JOIN recalculated_activities r
            ON r.holder_id = e.holder_id AND r.activity_id = e.cause_id AND e.booked_at = r.at
            WHERE 'mrc_' || replace(r.recalculation_id::text, '-', '') = $1)
        FROM recalculated_activities WHERE 'mrc_' || replace(recalculation_id::text, '-', '') = $1
        """,
        made["id"],
    )
    return row[0], row[1]


async def test_two_runners_at_once(
    workshop: Workshop,
    opened: Callable[..., Any],
    owner: asyncpg.Connection,
    phones: Any,
    small: None,
) -> None:
    city = await workshop.new_city()
    people = await people_with_trips(workshop, city, phones)
    made = await workshop.approved(text_of(city, OCTOBER, "50"))

    async def work(recalculator: Any) -> int:
        steps = 0
        idle = 0
        while idle < 20:
            if await recalculator.step():
                steps, idle = steps + 1, 0
            else:
                idle += 1
                await asyncio.sleep(0.005)
        return steps

    async with opened() as (_, other):
        counts = await asyncio.gather(
            work(workshop.recalculator()), work(workshop.recalculator()), work(workshop.recalculator(other))
        )
    done = await workshop.read(made)
    assert done["state"] == "done"
    assert sum(counts) > PEOPLE
    assert done["totals"]["activities"] == 2 * PEOPLE
    # Each once: two entries that reverse and two that credit, of grams and of points.
    assert await changed(owner, made) == (2 * PEOPLE, 4 * 2 * PEOPLE)
    for phone in people:
        assert await workshop.balance(phone) == (1_000_000, 1_000)
    # Later runs find nothing to do.
    assert not await workshop.recalculator().step()


async def test_a_slice_that_fails_leaves_nothing(
    workshop: Workshop,
    owner: asyncpg.Connection,
    phones: Any,
    small: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    city = await workshop.new_city()
    await people_with_trips(workshop, city, phones)
    made = await workshop.approved(text_of(city, OCTOBER, "50"))
    while (await changed(owner, made))[0] < 6:
        assert await workshop.recalculator().step()
    before = await changed(owner, made)
    totals = (await workshop.read(made))["totals"]

    def fail(*_: Any) -> None:
        raise OSError

    # Behind the row that tells it, before the entries.
    monkeypatch.setattr(slices, "_write_ledger", fail)
    # Holders of other tests may come first, of whom nothing is to be written.
    with pytest.raises(OSError):  # noqa: PT011, PT012 - as it was raised
        while await workshop.recalculator().step():
            pass
    assert await changed(owner, made) == before
    found = await workshop.read(made)
    assert (found["state"], found["totals"]["activities"]) == ("running", totals["activities"])
    assert await workshop.breaches() == []
    monkeypatch.undo()
    done = await workshop.run(made)
    assert done["totals"]["activities"] == 2 * PEOPLE
    assert (await changed(owner, made))[0] == 2 * PEOPLE


RUNNER = """
import asyncio, datetime, sys
from app.recalculation import slices
from app.recalculation.job import Recalculator
from app.settings import load_settings
from app.wiring import services

slices.HOLDERS = 1
database_url, redis_url, now, folder = sys.argv[1:]
clock = lambda: datetime.datetime.fromisoformat(now)

async def main():
    settings = load_settings(environment="test", data_dir=folder, database_url=None, redis_url=None)
    async with services(settings, database_url, redis_url, clock) as s:
        recalculator = Recalculator(s.database, s.preparer, s.live, clock)
        while await recalculator.step():
            print("slice", flush=True)

asyncio.run(main())
"""


async def test_kill_9_in_the_middle(
    workshop: Workshop,
    settings: Settings,
    stack: Any,
    database_urls: tuple[str, str],
    owner: asyncpg.Connection,
    phones: Any,
) -> None:
    """A process that runs it is killed over and over, wherever it is; another one ends it. All is done once."""
    city = await workshop.new_city()
    people = await people_with_trips(workshop, city, phones)
    made = await workshop.approved(text_of(city, OCTOBER, "50"))
    total = 2 * PEOPLE
    arguments = [database_urls[0], stack.redis_url, workshop.clock.now.isoformat(), str(settings.data_dir)]
    seen = [0]
    for _ in range(2):
        process = await asyncio.to_thread(
            subprocess.Popen,
            [sys.executable, "-c", RUNNER, *arguments],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until = time.monotonic() + 60
            while (await changed(owner, made))[0] < min(seen[-1] + 4, total) and process.poll() is None:
                assert time.monotonic() < until
                await asyncio.sleep(0.001)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            await asyncio.to_thread(process.wait, 10)
        seen.append((await changed(owner, made))[0])
        assert await workshop.breaches() == []
    assert 0 < seen[1] < total, seen
    # The dead process's transaction ends with its connection.
    async with asyncio.timeout(20):
        while (await workshop.read(made))["state"] != "done":
            await workshop.recalculator().step()
    done = await workshop.read(made)
    assert (done["totals"]["activities"], await changed(owner, made)) == (total, (total, 4 * total))
    for phone in people:
        assert await workshop.balance(phone) == (1_000_000, 1_000)


async def test_acts_are_reported_and_reversed_meanwhile(
    workshop: Workshop, owner: asyncpg.Connection, phones: Any, small: None
) -> None:
    city = await workshop.new_city()
    people = await people_with_trips(workshop, city, phones)
    late = list(people)[:4]
    made = await workshop.approved(text_of(city, OCTOBER, "50"))
    stopping = asyncio.Event()
    reported: list[dict[str, Any]] = []
    undone: list[int] = []

    async def report() -> None:
        for n in range(10, 28):
            date = OCTOBER + datetime.timedelta(days=n)
            reported.extend([await workshop.trip(city, phone, date) for phone in late])
            if stopping.is_set():
                return

    async def reverse() -> None:
        for trips in people.values():
            undone.append((await workshop.reverse(trips[0])).status_code)
            await asyncio.sleep(0.002)

    async def run() -> None:
        while await workshop.recalculator().step():
            pass
        stopping.set()

    await asyncio.gather(report(), reverse(), run())
    assert set(undone) == {200}
    assert (await workshop.read(made))["state"] == "done"
    assert {(each["outcome"], each["co2e_g"]) for each in reported} == {("credited", "500")}
    for phone, trips in people.items():
        more = sum(1 for each in reported if each["report"]["subject"]["value"] == phone)
        assert await workshop.balance(phone) == (500_000 * (1 + more), 500 * (1 + more))
        assert (await workshop.activity(trips[1]))["co2e_g"] == "500"
