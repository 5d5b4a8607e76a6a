"""Jobs are rows: one process runs each, a failure is kept and tried again, and what was missed is caught up."""

import asyncio
import datetime
from typing import Any

import asyncpg
import pytest

from app import metrics
from app.jobs.runner import RETRY, Recurring, Runner
from app.jobs.service import KEPT_ANSWERS, forget_answers, recurring
from app.wiring import Services

HOUR = datetime.timedelta(hours=1)
START = datetime.datetime(2026, 11, 21, 8, tzinfo=datetime.UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime.datetime:
        return self.now


class Work:
    """Counts its runs, takes its time, and fails when told to."""

    def __init__(self) -> None:
        self.runs = 0
        self.at_once = 0
        self.most = 0
        self.error: Exception | None = None

    async def __call__(self, _session: Any, _now: datetime.datetime) -> None:
        self.runs += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(0.05)
            if self.error is not None:
                raise self.error
        finally:
            self.at_once -= 1


async def runner(
    service: Services, clock: Clock, name: str, work: Work, every: datetime.timedelta = HOUR
) -> Runner:
    made = Runner(service.database, clock, [Recurring(name, every, work)])
    await made.start()
    made.stop()  # only this test wakes it
    return made


async def row(owner: asyncpg.Connection, name: str) -> asyncpg.Record:
    return await owner.fetchrow("SELECT * FROM jobs WHERE name = $1", name)


async def test_one_of_many_runners_runs_it(service: Services, owner: asyncpg.Connection) -> None:
    clock, work = Clock(), Work()
    many = [await runner(service, clock, "leased", work) for _ in range(4)]
    ran = await asyncio.gather(*(each.run_due() for each in many))
    assert sorted(map(len, ran)) == [0, 0, 0, 1]
    assert (work.runs, work.most) == (1, 1)
    assert (await row(owner, "leased"))["next_run_at"] == START + HOUR
    # Not again before its time, and then again by one.
    clock.now += HOUR - datetime.timedelta(seconds=1)
    assert [await each.run_due() for each in many] == [[]] * 4
    clock.now += datetime.timedelta(seconds=1)
    ran = await asyncio.gather(*(each.run_due() for each in many))
    assert sorted(map(len, ran)) == [0, 0, 0, 1]
    assert (work.runs, work.most) == (2, 1)


async def test_a_job_that_another_process_holds_is_left_alone(
    service: Services, owner: asyncpg.Connection
) -> None:
    clock, work = Clock(), Work()
    one = await runner(service, clock, "held", work)
    async with owner.transaction():
        await owner.execute("SELECT 1 FROM jobs WHERE name = 'held' FOR UPDATE")
        async with asyncio.timeout(3):
            assert await one.run_due() == []
    # The holder died without running it: it is due still.
    assert await one.run_due() == ["held"]
    assert work.runs == 1


async def test_a_failure_is_kept_counted_and_tried_again(
    service: Services, owner: asyncpg.Connection
) -> None:
    clock, work = Clock(), Work()
    one = await runner(service, clock, "failing", work)
    failures = metrics.JOB_FAILURES.labels("failing")
    before = failures._value.get()
    work.error = ValueError("with somebody's number 13900000001")
    await one.run_due()
    kept = await row(owner, "failing")
    assert (kept["last_error"], kept["last_run_at"], kept["next_run_at"]) == (
        "ValueError",
        None,
        START + RETRY,
    )
    assert failures._value.get() == before + 1
    clock.now += RETRY - datetime.timedelta(seconds=1)
    assert await one.run_due() == []
    clock.now += datetime.timedelta(seconds=1)
    work.error = None
    assert await one.run_due() == ["failing"]
    kept = await row(owner, "failing")
    assert (kept["last_error"], kept["last_run_at"]) == ("", clock.now)
    assert kept["next_run_at"] == clock.now + HOUR


async def test_what_a_failing_job_wrote_is_undone_and_the_others_run(
    service: Services, owner: asyncpg.Connection
) -> None:
    clock = Clock()
    good = Work()

    async def half(session: Any, now: datetime.datetime) -> None:
        await (await session.connection()).exec_driver_sql(
            "INSERT INTO jobs (name, next_run_at, last_error) VALUES ('half done', now(), '')"
        )
        raise RuntimeError

    both = Runner(service.database, clock, [Recurring("half", HOUR, half), Recurring("whole", HOUR, good)])
    await both.start()
    both.stop()
    assert "whole" in await both.run_due()
    assert good.runs == 1
    assert await row(owner, "half done") is None
    assert (await row(owner, "half"))["last_error"] == "RuntimeError"


async def test_an_error_of_the_database_is_a_failure_like_any(
    service: Services, owner: asyncpg.Connection
) -> None:
    clock = Clock()

    async def broken(session: Any, now: datetime.datetime) -> None:
        await (await session.connection()).exec_driver_sql("SELECT 1 / 0")

    one = Runner(service.database, clock, [Recurring("broken", HOUR, broken)])
    await one.start()
    one.stop()
    await one.run_due()
    kept = await row(owner, "broken")
    assert kept["last_error"]
    assert kept["next_run_at"] == START + RETRY


async def test_after_a_long_pause_it_runs_once(service: Services, owner: asyncpg.Connection) -> None:
    clock, work = Clock(), Work()
    one = await runner(service, clock, "late", work)
    assert await one.run_due() == ["late"]
    clock.now += 100 * HOUR
    assert await one.run_due() == ["late"]
    assert await one.run_due() == []
    assert work.runs == 2
    assert (await row(owner, "late"))["next_run_at"] == clock.now + HOUR


async def test_runners_that_start_at_once_register_a_job_once(
    service: Services, owner: asyncpg.Connection
) -> None:
    clock, work = Clock(), Work()
    made = await asyncio.gather(*(runner(service, clock, "new here", work) for _ in range(6)))
    assert await owner.fetchval("SELECT count(*) FROM jobs WHERE name = 'new here'") == 1
    await asyncio.gather(*(each.run_due() for each in made))
    assert work.runs == 1


async def test_the_services_own_jobs(service: Services, owner: asyncpg.Connection) -> None:
    jobs = {job.name: job for job in recurring(service)}
    assert set(jobs) == {
        "make_partitions",
        "move_outranked",
        "forget_answers",
        "forget_sessions",
        "rotate_keys",
        "take_scores",
        "take_ledger_heads",
        "keep_emission_statements",
        "warn_of_energy_budgets",
        "compare_shadows",
        "recalculate",
        "archive_claims",
        "measure_clocks",
        "decide_held",
        "exchange_claims",
        "exchange_with_banks",
        "forget_traces",
        "tell_exchanges",
        "close_periods",
        "learn_meters",
        "look_at_meters",
        "expire_points",
        "return_redemptions",
        "release_event_orders",
        "watch_customers",
        "end_market",
        "expire_transfers",
        "issue_settlements",
        "label_enterprises",
        "drop_deliveries",
        *("build_exports", "forget_exports", "erase_holders", "count_mandates", "forget_access"),
        "rebuild_ranks",
        "update_ranks",
    }
    now = datetime.datetime.now(datetime.UTC)
    for days in (0, 6.9, 7.1, 8.1, 30):
        await owner.execute(
            "INSERT INTO idempotent_answers VALUES ($1, '', '', $2)",
            str(days).encode(),
            now - datetime.timedelta(days=days),
        )
    async with service.database.transaction() as session:
        await forget_answers(session, now)
    left = {row_[0] for row_ in await owner.fetch("SELECT token FROM idempotent_answers")}
    assert left == {b"0", b"6.9", b"7.1"}
    assert datetime.timedelta(days=7) < KEPT_ANSWERS
    one = Runner(service.database, lambda: now, list(jobs.values()))
    await one.start()
    one.stop()
    assert set(await one.run_due()) == set(jobs)
    errors = await owner.fetch(
        "SELECT name, last_error FROM jobs WHERE name = ANY($1::varchar[])", list(jobs)
    )
    assert {row_["last_error"] for row_ in errors} == {""}


@pytest.mark.parametrize(
    "job",
    [
        "make_partitions",
        "forget_answers",
        "rotate_keys",
        "compare_shadows",
        "archive_claims",
        "measure_clocks",
        "decide_held",
        "exchange_claims",
        "exchange_with_banks",
        "forget_traces",
        "close_periods",
        "learn_meters",
        "look_at_meters",
        "expire_points",
        "end_market",
        "expire_transfers",
        "return_redemptions",
        "build_exports",
        "forget_exports",
        "erase_holders",
        "count_mandates",
        "forget_access",
        "drop_deliveries",
        "take_ledger_heads",
    ],
)
async def test_a_job_may_run_twice(service: Services, owner: asyncpg.Connection, job: str) -> None:
    work = {each.name: each.work for each in recurring(service)}[job]
    now = datetime.datetime.now(datetime.UTC)
    counts = []
    for _ in range(2):
        async with service.database.transaction() as session:
            await work(session, now)
        counts.append(
            await owner.fetchrow(
                "SELECT (SELECT count(*) FROM pg_class WHERE relispartition), (SELECT count(*) FROM signing_keys)"
            )
        )
    assert counts[0] == counts[1]
