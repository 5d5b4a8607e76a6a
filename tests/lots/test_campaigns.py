"""Extra points of campaigns: who gets them, how much, within caps and a budget that nobody exceeds."""

import asyncio
import datetime
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from crediting.desk import connected
from lots.fair import campaign, launch, left, process
from lots.purse import Purse, programme, purse

from app.crediting import queries
from app.crediting.collection import collect
from app.crediting.explanation import explain
from app.database import Database, engine_for
from app.wiring import Services
from dedup.periods import LOCAL

ROOT = Path(__file__).resolve().parents[2]
START = datetime.datetime(2026, 11, 16, 12, tzinfo=LOCAL)


async def bonus(own: Purse, holder: UUID) -> int:
    return int((await own.books(holder))["moved"].get("BONUS PROGRAMME>HOLDER_POINTS", 0))


CONDITIONS: list[tuple[dict[str, Any], list[int]]] = [
    # the days of November on which somebody acts are 16 16 17 18 20 21 22
    ({}, [10, 20, 30, 40, 50, 60, 70]),
    ({"condition": {"kind": "first"}}, [10, 10, 10, 10, 10, 10, 10]),
    ({"condition": {"kind": "count", "number": 3}}, [0, 0, 10, 10, 10, 20, 20]),
    ({"condition": {"kind": "streak", "number": 3}}, [0, 0, 0, 10, 10, 10, 20]),
    ({"condition": {"kind": "streak", "number": 2}}, [0, 0, 10, 10, 10, 20, 20]),
    ({"percent": 50}, [2, 4, 6, 8, 10, 12, 14]),
    ({"per_person": 25}, [10, 20, 25, 25, 25, 25, 25]),
    ({"per_day": 15}, [10, 15, 25, 35, 45, 55, 65]),
    ({"budget": 33}, [10, 20, 30, 33, 33, 33, 33]),
    ({"scenes": ["recycling.clothes"], "region": "510000"}, [10, 20, 30, 40, 50, 60, 70]),
    ({"scenes": ["trip.metro"]}, [0] * 7),
    ({"region": "440300"}, [0] * 7),
    ({"from": "2026-11-17T12:00:00+08:00"}, [0, 0, 0, 10, 20, 30, 40]),
    ({"until": "2026-11-17T11:59:00+08:00"}, [10, 20, 20, 20, 20, 20, 20]),
]


@pytest.mark.parametrize(("over", "wanted"), CONDITIONS, ids=str)
async def test_who_gets_how_much(service: Services, over: dict[str, Any], wanted: list[int]) -> None:
    async with purse(service, START, programme()) as own:
        (known,) = await launch(own, campaign(**over))
        phone, holder = await own.person()
        got = []
        for day in (16, 16, 17, 18, 20, 21, 22):
            own.local(2026, 11, day, 12, 0)
            await own.earn(phone, 5)
            got.append(await bonus(own, holder))
        assert got == wanted
        books = await own.books(holder)
        assert (books["points"], books["lots"]) == (35 + got[-1], {"2027-01-01": 35 + got[-1]})
        assert await left(own, known) == over.get("budget", 1000) - got[-1]
        assert await own.breaches() == []


async def test_several_at_once_and_the_breakdown(service: Services) -> None:
    async with purse(service, START, programme()) as own:
        double = campaign(percent=100, name={"zh": "双倍", "en": "Double"})
        first = campaign(condition={"kind": "first"}, points=50)
        ids = await launch(own, double, first)
        phone, holder = await own.person()
        act = await own.earn(phone, 30)
        assert await bonus(own, holder) == 80
        async with service.database.reading() as session:
            activity = await queries.visible_activity(session, own.principal(), act)
            told = (await explain(session, own.intake.preparer.rules, activity)).bonuses
        assert {(each.campaign_id, each.name["en"], each.points, str(each.rule)) for each in told} == {
            ("ppt_" + ids[0].hex, "Double", 30, "{'percent': 100}"),
            ("ppt_" + ids[1].hex, "Test", 50, "{'points': 50}"),
        }
        again = await own.report(phone, 30)
        assert again.points == 30  # what the act earned itself; the campaign's is beside it
        assert await bonus(own, holder) == 110


async def test_what_earns_no_points_gets_none(service: Services) -> None:
    async with purse(service, START, programme(self_report=False)) as own:
        await launch(own, campaign())
        phone, holder = await own.person()
        result = await own.report(phone, 5, evidence="self_report")
        assert (result.outcome, result.points) == ("credited", 0)
        duplicate = await own.report(phone, 5, order_no="one")
        assert (await own.report(phone, 5, order_no="one")).outcome == "duplicate"
        assert duplicate.outcome == "credited"
        assert await bonus(own, holder) == 10


@pytest.mark.parametrize(("budget", "points", "winners"), [(1, 1, 1), (3, 1, 3), (500, 20, 25), (45, 10, 5)])
async def test_fifty_callers_for_the_last_of_a_budget(
    service: Services, database_urls: tuple[str, str], budget: int, points: int, winners: int
) -> None:
    """Four processes, fifty people: the budget is given out to the last point, and no point more."""
    async with purse(service, START, programme()) as own:
        (known,) = await launch(own, campaign(budget=budget, points=points))
        people = await own.desk.people(50, own.source)
        databases = [Database(engine_for(database_urls[0], pool_size=2)) for _ in range(4)]
        intakes = [process(own, database) for database in databases]
        await asyncio.gather(*(connected(database) for database in databases))
        acts = [own.prepared(phone, 1) for phone, _ in people]
        results = await asyncio.gather(
            *(intakes[number % 4].report(prepared) for number, prepared in enumerate(acts))
        )
        assert {result.outcome for result in results} == {"credited"}
        for each in (*intakes, *databases):
            await each.close()
        got = [await bonus(own, holder) for _, holder in people]
        assert sum(got) == budget
        assert sum(each > 0 for each in got) == winners
        assert await left(own, known) == 0
        assert await own.breaches() == []


async def test_a_batch_takes_from_many_slices(service: Services) -> None:
    async with purse(service, START, programme()) as own:
        (known,) = await launch(own, campaign(budget=995))
        people = await own.desk.people(100, own.source)
        batch = [own.prepared(phone, 1) for phone, _ in people]
        await asyncio.gather(own.intake.report_batch(batch[:50]), own.intake.report_batch(batch[50:]))
        got = [await bonus(own, holder) for _, holder in people]
        assert (sum(got), sorted(got)[:2]) == (995, [5, 10])
        assert await left(own, known) == 0


HOLDER = """
import asyncio, sys, uuid
import asyncpg
from points.campaign_repository import lease, use_budget
from dedup.writes import Writes

async def hold():
    connection = await asyncpg.connect(sys.argv[1])
    async with connection.transaction():
        campaign = uuid.UUID(sys.argv[2])
        leased = await lease(connection, {campaign: int(sys.argv[3])})
        writes = Writes()
        use_budget(writes, leased, {campaign: int(sys.argv[3])})
        await writes.execute(connection)
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(hold())
"""


@pytest.mark.parametrize("held", [3, 40])
async def test_kill_9_of_a_process_that_holds_slices(
    service: Services, database_urls: tuple[str, str], held: int
) -> None:
    """While it holds them the others go on with the rest; when it is dead all of the budget is there again."""
    async with purse(service, START, programme()) as own:
        (known,) = await launch(own, campaign(budget=96, points=1))
        people = await own.desk.people(60, own.source)
        other = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", HOLDER, database_urls[0], str(known), str(held)),
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        assert other.stdout is not None
        assert await other.stdout.readline() == b"held\n"
        async with asyncio.timeout(10):
            # A point out of three that each slice has: nobody waits for what is leased.
            if held == 3:
                await asyncio.gather(*(own.earn(phone, 1) for phone, _ in people[:30]))
        waiting = asyncio.gather(
            *(own.earn(phone, 1) for phone, _ in people[30 if held == 3 else 0 :] for _ in range(3))
        )
        await asyncio.sleep(0.3)
        os.kill(other.pid, signal.SIGKILL)
        assert await other.wait() == -signal.SIGKILL
        async with asyncio.timeout(20):
            await waiting
        assert sum([await bonus(own, holder) for _, holder in people]) == 96
        assert await left(own, known) == 0
        assert await own.breaches() == []


async def test_a_reversal_gives_the_budget_back(service: Services) -> None:
    async with purse(service, START, programme()) as own:
        (known,) = await launch(own, campaign(per_person=15))
        phone, holder = await own.person()
        first, second = await own.earn(phone, 5), await own.earn(phone, 5)
        assert (await bonus(own, holder), await left(own, known)) == (15, 985)
        await own.reverse(first)
        books = await own.books(holder)
        assert (books["points"], await left(own, known)) == (10, 995)
        await own.earn(phone, 5)  # the cap has headroom again
        assert ((await own.books(holder))["points"], await left(own, known)) == (25, 985)
        assert await own.spend(holder, 25)
        await own.reverse(second)
        books = await own.books(holder)
        assert (books["points"], books["owed"], await left(own, known)) == (0, 10, 990)
        own.local(2026, 11, 17, 12, 0)
        await own.earn(phone, 4)
        books = await own.books(holder)  # 4 and a bonus of 5 repay, one is still owed
        assert (books["points"], books["owed"], await left(own, known)) == (0, 1, 985)
        assert await own.breaches() == []


async def test_what_is_lost_stays_out_of_the_budget(service: Services) -> None:
    lost = programme(spent_reversal={"other_lots": False, "shortfall": "loss"})
    async with purse(service, START, lost) as own:
        (known,) = await launch(own, campaign())
        phone, holder = await own.person()
        act = await own.earn(phone, 5)
        assert await own.spend(holder, 11)
        await own.reverse(act)
        books = await own.books(holder)
        assert (books["points"], books["owed"]) == (0, 0)
        assert await left(own, known) == 990
        assert await own.breaches() == []


async def test_a_credit_that_is_collected_gets_it_then(service: Services) -> None:
    waits = programme(collection={"after_days": 0, "within_days": 3})
    async with purse(service, START, waits) as own:
        await launch(own, campaign(until="2026-11-17T00:00:00+08:00"))
        phone, holder = await own.person()
        result = await own.report(phone, 5)
        assert (result.outcome, result.points) == ("pending", 5)
        assert result.activity_id is not None
        assert (await own.books(holder))["points"] == 0
        own.local(2026, 11, 18, 12, 0)
        async with service.database.transaction() as session:
            activity = await queries.visible_activity(session, own.principal(), result.activity_id)
            await collect(session, own.intake.preparer.rules, activity, own.now)
        assert (await own.books(holder))["points"] == 15
        assert await own.breaches() == []


async def test_where_there_is_none_nothing_is_asked(
    service: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with purse(service, START, programme()) as own:
        sent: list[str] = []
        for name in ("fetch", "execute"):
            monkeypatch.setattr(asyncpg.Connection, name, noting(getattr(asyncpg.Connection, name), sent))
        phone, _ = await own.person()
        await own.earn(phone, 5)
        without = len([each for each in sent if "campaign_" in each])
        await launch(own, campaign())
        await own.earn(phone, 5)
        assert (without, len([each for each in sent if "campaign_" in each]) > 0) == (0, True)


def noting(call: Any, sent: list[str]) -> Any:
    async def called(self: Any, query: str, *args: Any) -> Any:
        sent.append(query)
        return await call(self, query, *args)

    return called
