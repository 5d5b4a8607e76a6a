"""Single reports that are committed together: one that fails, one whose caller leaves, a database that is away."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from crediting.desk import Desk, clothes, metro, waits
from helpers import City
from helpers import metro as metro_over_http
from sqlalchemy.engine import make_url

from app.crediting.errors import StorageUnavailable, Unprocessable
from app.crediting.prepare import Prepared
from app.crediting.service import Result
from app.embedded.stack import Stack

GROUP = 30
POISONED = 13
POISONED_DISTANCE = 6_666


async def group_of(desk: Desk) -> tuple[UUID, list[Prepared]]:
    """Thirty people's reports. The thirteenth is the one that a test spoils."""
    source = await desk.source()
    people = await desk.people(GROUP, source)
    return source, [
        desk.prepare(source, metro(phone, distance_m=POISONED_DISTANCE if i == POISONED else 10_000 + i))
        for i, (phone, _) in enumerate(people)
    ]


async def report_together(desk: Desk, reports: list[Prepared]) -> list[Any]:
    async with asyncio.timeout(30):
        return await asyncio.gather(
            *(desk.intake.report(report) for report in reports), return_exceptions=True
        )


def assert_only_one_is_refused(results: list[Any]) -> None:
    assert isinstance(results[POISONED], Unprocessable)
    others = results[:POISONED] + results[POISONED + 1 :]
    assert [getattr(result, "outcome", result) for result in others] == ["credited"] * (GROUP - 1)


ERRORS = {
    "raised": "RAISE EXCEPTION 'poison'",
    "division": "PERFORM 1 / 0",
    "overflow": "NEW.co2e_mg := 9223372036854775807; NEW.co2e_mg := NEW.co2e_mg + 1",
    "check": "NEW.points := -1",
    "not null": "NEW.scene := NULL",
    "cast": "PERFORM 'x'::integer",
    "unique": "INSERT INTO receipts SELECT * FROM receipts LIMIT 1",
    "no partition": "INSERT INTO interval_tokens VALUES (gen_random_uuid(), '2199-01-01', 1)",
    "no rights": "RAISE insufficient_privilege",
}


@pytest_asyncio.fixture
async def trigger(owner: asyncpg.Connection) -> AsyncIterator[Callable[[str], Any]]:
    """A function that makes PostgreSQL itself fail at the poisoned report."""

    async def raising(statement: str) -> None:
        await owner.execute(
            f"""
            CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
                BEGIN {statement}; RETURN NEW; END $$;
            CREATE TRIGGER poison BEFORE INSERT ON activities FOR EACH ROW
                WHEN ((NEW.inputs->>'distance_m')::int = {POISONED_DISTANCE}) EXECUTE FUNCTION poison();
            """
        )

    yield raising
    await owner.execute("DROP TRIGGER IF EXISTS poison ON activities; DROP FUNCTION IF EXISTS poison()")


@pytest.mark.parametrize("error", ERRORS)
async def test_an_error_of_postgresql_hits_its_own_report_only(
    desk: Desk, trigger: Callable[[str], Any], error: str
) -> None:
    _, reports = await group_of(desk)
    await trigger(ERRORS[error])
    assert_only_one_is_refused(await report_together(desk, reports))


SPOILS: dict[str, tuple[str, Any]] = {
    "beyond bigint, refused by the driver": ("full_mg", 2**70),
    "negative, refused by a CHECK": ("full_mg", -5),
    "U+0000 in a text": ("evidence", "plat\x00form"),
    "U+0000 in JSON": ("inputs", {"distance_m": "\x00"}),
    "a lone surrogate": ("scene", "trip.\ud800"),
}


@pytest.mark.parametrize("spoil", SPOILS)
async def test_a_value_that_cannot_be_stored_hits_its_own_report_only(desk: Desk, spoil: str) -> None:
    _, reports = await group_of(desk)
    name, value = SPOILS[spoil]
    setattr(reports[POISONED], name, value)
    assert_only_one_is_refused(await report_together(desk, reports))


@pytest.mark.parametrize("spoil", SPOILS)
async def test_a_batch_answers_the_same(desk: Desk, spoil: str) -> None:
    _, reports = await group_of(desk)
    name, value = SPOILS[spoil]
    setattr(reports[POISONED], name, value)
    async with asyncio.timeout(30):
        assert_only_one_is_refused(await desk.intake.report_batch(reports))


async def test_a_deadlock_that_repeats_is_unavailable_and_then_recovers(
    desk: Desk, trigger: Callable[[str], Any], owner: asyncpg.Connection
) -> None:
    _, reports = await group_of(desk)
    await trigger("RAISE deadlock_detected")
    results = await report_together(desk, reports)
    assert {type(result) for result in results} == {StorageUnavailable}
    await owner.execute("DROP TRIGGER poison ON activities")
    assert [r.outcome for r in await report_together(desk, reports)] == ["credited"] * GROUP


@pytest.mark.parametrize("error", ["disk_full", "out_of_memory", "io_error", "query_canceled"])
async def test_a_database_in_trouble_is_unavailable_for_all(
    desk: Desk, trigger: Callable[[str], Any], owner: asyncpg.Connection, error: str
) -> None:
    """Nothing is wrong with the report: it is to come again."""
    _, reports = await group_of(desk)
    await trigger(f"RAISE {error}")
    results = await report_together(desk, reports)
    assert {type(result) for result in results} == {StorageUnavailable}
    assert all(result.retry_after_s for result in results)
    await owner.execute("DROP TRIGGER poison ON activities")
    assert [r.outcome for r in await report_together(desk, reports)] == ["credited"] * GROUP


async def test_nul_and_surrogates_are_refused_at_the_edge(city: City, phones: Callable[[], str]) -> None:
    operator, source = await city.client("operator"), await city.client("platform")
    numbers = [phones() for _ in range(GROUP)]
    for number in numbers:
        await city.holder(operator, number, source, groups=("trip", "movement"))

    for field, text in (
        ("order_no", r"a\u0000b"),
        ("event_id", r"a\u0000"),
        ("issuer", r"\ud800"),
        ("order_no", r"\udc00x"),
    ):
        tag = uuid.uuid4().hex
        bodies = [json.dumps(metro_over_http(f"{tag}-{i}", number)) for i, number in enumerate(numbers)]
        spoiled = json.dumps(metro_over_http(f"{tag}-bad", numbers[POISONED]) | {field: "SPOIL"})
        bodies[POISONED] = spoiled.replace("SPOIL", text)

        async with asyncio.timeout(30):
            answers = await asyncio.gather(
                *(
                    source.post("/v1/activities", content=body, headers={"content-type": "application/json"})
                    for body in bodies
                )
            )
        assert answers[POISONED].status_code in (400, 422), answers[POISONED].text
        kept = [answer.json()["activity_id"] for i, answer in enumerate(answers) if i != POISONED]
        assert {answer.status_code for i, answer in enumerate(answers) if i != POISONED} == {200}

        lines = "\n".join(bodies).encode()
        batch = await source.post(
            "/v1/activities/batch", content=lines, headers={"content-type": "application/x-ndjson"}
        )
        assert batch.status_code == 200, batch.text
        items = [json.loads(line) for line in batch.text.splitlines()]
        assert (items[POISONED]["outcome"], items[POISONED]["reason"]) == ("rejected", "invalid")
        assert [item["activity_id"] for i, item in enumerate(items) if i != POISONED] == kept


async def test_a_caller_that_leaves_the_queue_is_not_reported(desk: Desk) -> None:
    _, reports = await group_of(desk)
    tasks = [asyncio.create_task(desk.intake.report(report)) for report in reports]
    await asyncio.sleep(0)  # all wait in the queue; the committer has not begun
    tasks[POISONED].cancel()
    async with asyncio.timeout(30):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[POISONED], asyncio.CancelledError)
    assert sum(isinstance(r, Result) and r.outcome == "credited" for r in results) == GROUP - 1
    again = await desk.intake.report(reports[POISONED])
    assert (again.outcome, again.replayed) == ("credited", False)


async def test_a_caller_that_leaves_during_the_commit_spoils_nothing(
    desk: Desk, owner: asyncpg.Connection
) -> None:
    source, reports = await group_of(desk)
    other = reports[0]
    holder = await owner.fetchval(
        "SELECT i.holder_id FROM identities i WHERE token = $1", other.identity_token
    )
    async with owner.transaction():
        await owner.execute("SELECT FROM balances WHERE holder_id = $1 FOR UPDATE", holder)
        tasks = [asyncio.create_task(desk.intake.report(report)) for report in reports]
        await asyncio.sleep(0.1)  # the group waits for the one holder
        tasks[POISONED].cancel()
        tasks[0].cancel()
    async with asyncio.timeout(30):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(r, Result) and r.outcome == "credited" for r in results) == GROUP - 2
    # The group was under way, so theirs is stored too, and the same report is told so.
    for index in (0, POISONED):
        again = await desk.intake.report(reports[index])
        assert (again.outcome, again.replayed) == ("credited", True)
    assert await owner.fetchval("SELECT count(*) FROM activities WHERE source_id = $1", source) == GROUP


async def test_a_batch_whose_caller_goes_away_is_stored_whole(desk: Desk, owner: asyncpg.Connection) -> None:
    source, reports = await group_of(desk)
    holder = await owner.fetchval(
        "SELECT i.holder_id FROM identities i WHERE token = $1", reports[0].identity_token
    )
    async with owner.transaction():
        await owner.execute("SELECT FROM balances WHERE holder_id = $1 FOR UPDATE", holder)
        caller = asyncio.create_task(desk.intake.report_batch(reports))
        async with asyncio.timeout(10):
            while not await owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - the server's state
                await asyncio.sleep(0.01)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        # A shutdown waits for it.
        closing = asyncio.create_task(desk.intake.close())
        await asyncio.sleep(0.05)
        assert not closing.done()
    async with asyncio.timeout(10):
        await closing
    assert await owner.fetchval("SELECT count(*) FROM activities WHERE source_id = $1", source) == GROUP
    assert (
        await owner.fetchval(
            "SELECT count(*) FROM receipts r JOIN activities a ON a.id = r.activity_id WHERE a.source_id = $1",
            source,
        )
        == GROUP
    )


async def test_a_database_that_is_away_answers_all_and_recovers(
    desk: Desk, stack: Stack, database_urls: tuple[str, str]
) -> None:
    assert stack.postgres is not None
    name = make_url(database_urls[0]).database
    root = await asyncpg.connect(stack.postgres.url("postgres", "postgres"))
    source, reports = await group_of(desk)
    try:
        await root.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await root.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        results = await report_together(desk, reports)
        assert {type(result) for result in results} == {StorageUnavailable}
        async with asyncio.timeout(30):
            with pytest.raises(StorageUnavailable):
                await desk.intake.report_batch(reports)

        await root.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert [r.outcome for r in await report_together(desk, reports)] == ["credited"] * GROUP

        # And in the middle of a commit: nobody hangs, and what comes again is one activity.
        more = [desk.prepare(source, metro(phone, 900, 920)) for phone, _ in await desk.people(GROUP, source)]
        tasks = [asyncio.create_task(desk.intake.report(report)) for report in more]
        for _ in range(20):
            await asyncio.sleep(0.002)
            await root.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
            )
        async with asyncio.timeout(30):
            first = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(each) for each in first} <= {Result, StorageUnavailable}
        second = await report_together(desk, more)
        assert [r.outcome for r in second] == ["credited"] * GROUP
        for before, after in zip(first, second, strict=True):
            if isinstance(before, Result):
                assert (after.activity_id, after.replayed) == (before.activity_id, True)
    finally:
        await root.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await root.close()


async def test_an_event_twice_in_a_batch_is_one_activity(desk: Desk) -> None:
    source = await desk.source()
    phone, _ = await desk.person(source)
    report = metro(phone)
    other = report | {"distance_m": 9_000}
    first, second, third = await desk.intake.report_batch(
        [desk.prepare(source, each) for each in (report, report, other)]
    )
    assert isinstance(first, Result)
    assert isinstance(second, Result)
    assert isinstance(third, Result)
    assert (first.outcome, first.replayed) == ("credited", False)
    assert (second.activity_id, second.replayed) == (first.activity_id, True)
    assert third.reason == "event_id_conflict"
    # The stored body counts, wherever in a batch it stands.
    conflict, same = await desk.intake.report_batch([desk.prepare(source, each) for each in (other, report)])
    assert isinstance(conflict, Result)
    assert isinstance(same, Result)
    assert conflict.reason == "event_id_conflict"
    assert (same.activity_id, same.replayed) == (first.activity_id, True)


async def test_a_group_decides_in_the_order_of_arrival(desk: Desk) -> None:
    source = await desk.source()
    people = await desk.people(GROUP, source)
    order = uuid.uuid4().hex
    reports = [desk.prepare(source, clothes(phone, order)) for phone, _ in people]
    results = await report_together(desk, reports)
    assert [result.outcome for result in results] == ["credited"] + ["duplicate"] * (GROUP - 1)
    assert {result.winner_id for result in results[1:]} == {results[0].activity_id}


async def test_waiting_for_a_lock_is_seen(desk: Desk, owner: asyncpg.Connection) -> None:
    """What the tests above rest on: a report of a locked holder waits, and goes on when the lock is released."""
    source = await desk.source()
    phone, holder = await desk.person(source)
    database = desk.service.database
    async with database.driver_transaction() as locking:
        await locking.execute("SELECT FROM balances WHERE holder_id = $1 FOR UPDATE", holder)
        task = asyncio.create_task(desk.intake.report(desk.prepare(source, metro(phone))))
        pid = None
        async with asyncio.timeout(10):
            while pid is None:
                await asyncio.sleep(0.01)
                pid = await owner.fetchval("SELECT pid FROM pg_locks WHERE NOT granted LIMIT 1")
        await waits(owner, pid)
        assert not task.done()
    assert (await task).outcome == "credited"


async def test_the_database_is_sound_after_all_this(desk: Desk) -> None:
    assert await desk.breaches() == []
