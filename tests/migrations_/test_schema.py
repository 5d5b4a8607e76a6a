"""The schema as migrated: what the code believes, ready for the months ahead, and changed while credits go on."""

import asyncio
import datetime
import itertools
import re
import uuid
from typing import Any

import asyncpg
import httpx
import pytest
from helpers import City, metro
from sqlalchemy import CheckConstraint, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from app.application import create_app
from app.embedded.stack import Stack
from app.jobs.service import MONTHS_AHEAD, make_partitions
from app.migrate import latest_revision, migrate
from app.server import serve
from app.settings import Settings
from app.wiring import Services, services
from migrations.schema import METADATA

HOT = (
    "activities",
    "entries",
    "interval_tokens",
    "interval_claims",
    "cap_usage",
    "meter_days",
    "reading_revisions",
)


def said(type_: Any) -> str:
    """A column's type as PostgreSQL writes it."""
    text = type_.compile(dialect=postgresql.dialect()).lower()
    return {
        "timestamp with time zone": "timestamp with time zone",
        "varchar": "character varying",
        "varchar(6)": "character varying(6)",
    }.get(text, text)


async def test_the_code_and_the_database_agree_on_every_column(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        """
        SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND c.relname <> 'alembic_version'
        """
    )
    there = {(row["table"], row["column"]): (row["type"], row["attnotnull"]) for row in rows}
    believed = {
        (table.name, column.name): (said(column.type), not column.nullable)
        for table in METADATA.tables.values()
        for column in table.columns
    }
    assert there == believed


async def constraints(owner: asyncpg.Connection, kind: str) -> dict[tuple[str, str], str]:
    rows = await owner.fetch(
        """
        SELECT c.relname, k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint k
        JOIN pg_class c ON c.oid = k.conrelid
        WHERE k.contype = $1 AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
          AND c.relname <> 'alembic_version'
        """,
        kind.encode(),
    )
    return {(row[0], row[1]): row[2] for row in rows}


def words(expression: str) -> list[str]:
    """An expression without brackets, casts and spelling."""
    text = re.sub(r"::[a-z ]+(\[\])?", " ", expression.lower()).replace("any", " ").replace("array", " ")
    text = text.replace("check", " ").replace("'1 day'", "'1 day'").replace("interval", " ")
    return sorted(word for word in re.split(r"[\s()\[\],=]+", text) if word and word not in ("in", "and"))


async def test_keys_checks_and_indexes_agree(owner: asyncpg.Connection) -> None:
    primary = await constraints(owner, "p")
    unique = await constraints(owner, "u")
    checks = await constraints(owner, "c")
    indexes = {
        row[0]
        for row in await owner.fetch(
            "SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid"
            " JOIN pg_class c ON c.oid = x.indrelid"
            " WHERE NOT x.indisunique AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition"
        )
    }
    believed_indexes, believed_checks, believed_unique = set(), {}, set()
    for table in METADATA.tables.values():
        key = next(k for k in table.constraints if isinstance(k, PrimaryKeyConstraint))
        columns = ", ".join(column.name for column in key.columns)
        assert (
            primary[table.name, f"{table.name}_pkey"].partition(" INCLUDE")[0] == f"PRIMARY KEY ({columns})"
        )
        for constraint in table.constraints:
            if isinstance(constraint, CheckConstraint):
                believed_checks[table.name, str(constraint.name)] = str(constraint.sqltext)
            if isinstance(constraint, UniqueConstraint):
                believed_unique.add((table.name, tuple(column.name for column in constraint.columns)))
        believed_indexes |= {str(index.name) for index in table.indexes}
        believed_indexes |= {str(c.name) for c in table.constraints if isinstance(c, ExcludeConstraint)}
    assert len(primary) == len(METADATA.tables)
    assert {place: words(text) for place, text in checks.items()} == {
        place: words(text) for place, text in believed_checks.items()
    }
    assert {
        (table, tuple(text.removeprefix("UNIQUE (").rstrip(")").split(", ")))
        for (table, _), text in unique.items()
    } == believed_unique
    assert indexes == believed_indexes


async def test_hot_tables_are_partitioned_and_keyed_by_distribution(owner: asyncpg.Connection) -> None:
    partitioned = {
        row[0] for row in await owner.fetch("SELECT partrelid::regclass::text FROM pg_partitioned_table")
    }
    assert partitioned == set(HOT)
    for table in HOT:
        wanted = METADATA.tables[table].dialect_options["postgresql"]["partition_by"]
        said_ = await owner.fetchval("SELECT pg_get_partkeydef($1::regclass)", table)
        assert said_ == wanted
        first = next(iter(METADATA.tables[table].primary_key.columns)).name
        assert first in ("holder_id", "token", "meter_id")
    # Tokens claimed for ever, and receipts, are never partitioned by time.
    assert not {"whole_claims", "receipts"} & partitioned


async def partitions(owner: asyncpg.Connection) -> set[str]:
    return {
        row[0]
        for row in await owner.fetch(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'"
            " AND relnamespace = 'public'::regnamespace"
        )
    }


def month(today: datetime.date, ahead: int) -> str:
    count = today.year * 12 + today.month - 1 + ahead
    return f"{count // 12}_{count % 12 + 1:02d}"


async def test_partitions_are_there_ahead_and_made_by_the_services_role(
    service: Services, owner: asyncpg.Connection
) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    there = await partitions(owner)
    for table in HOT:
        assert f"{table}_past" in there
        assert {f"{table}_{month(today, ahead)}" for ahead in range(-12, 4)} <= there
    future = datetime.datetime(2031, 11, 30, 23, 59, tzinfo=datetime.UTC)
    assert await service_role(service) == "tanpuhui_service"
    for _ in range(2):
        async with service.database.transaction() as session:
            await make_partitions(session, future)
        made = await partitions(owner) - there
        assert made == {
            f"{table}_{month(future.date(), ahead)}" for table in HOT for ahead in range(MONTHS_AHEAD)
        }
    # The owner's they are, and nobody may change an entry in them.
    for name in made:
        assert await owner.fetchval(
            "SELECT relowner::regrole::text FROM pg_class WHERE relname = $1", name
        ) == ("tanpuhui_owner")
        assert not await owner.fetchval(
            "SELECT has_table_privilege('tanpuhui_service', $1, 'TRUNCATE')", name
        )
    # Bounds meet exactly: what one month ends with, the next begins with; in Asia/Shanghai.
    bounds = await owner.fetch(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relkind = 'r' AND relname = ANY($1)"
        " ORDER BY relname",
        [f"entries_{month(future.date(), ahead)}" for ahead in range(MONTHS_AHEAD)],
    )
    assert len(bounds) == MONTHS_AHEAD
    edges = [re.findall(r"'([^']+)'", row[0]) for row in bounds]
    assert all(before[1] == after[0] for before, after in itertools.pairwise(edges))
    first = int(uuid.UUID(edges[0][0]).hex[:12], 16) / 1000
    assert datetime.datetime.fromtimestamp(first, datetime.UTC) == datetime.datetime(
        2031, 10, 31, 16, tzinfo=datetime.UTC
    )


async def service_role(service: Services) -> str:
    async with service.database.driver_transaction() as driver:
        return str(await driver.fetchval("SELECT current_user"))


async def test_partitions_made_by_many_at_once(service: Services, owner: asyncpg.Connection) -> None:
    before = await partitions(owner)

    async def make() -> None:
        async with service.database.transaction() as session:
            await make_partitions(session, datetime.datetime(2040, 1, 15, tzinfo=datetime.UTC))

    await asyncio.gather(*(make() for _ in range(4)))
    assert len(await partitions(owner) - before) == len(HOT) * MONTHS_AHEAD
    for months in (0, -1, 61):
        with pytest.raises(asyncpg.RaiseError):
            async with service.database.driver_transaction() as driver:
                await driver.execute("SELECT tanpuhui_make_partitions('2041-01-01', $1::int)", months)


async def dump(owner: asyncpg.Connection) -> list[str]:
    """All that a second migration could change."""
    rows = await owner.fetch(
        """
        SELECT format('%s %s %s %s', c.relname, c.relkind, c.relacl, c.reloptions) FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace
        UNION ALL SELECT format('%s %s', p.proname, p.prosrc) FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace
        UNION ALL SELECT format('%s %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT version_num FROM alembic_version
        """
    )
    return sorted(row[0] for row in rows)


async def test_migrating_again_changes_nothing(
    database_urls: tuple[str, str], owner: asyncpg.Connection
) -> None:
    before = await dump(owner)
    assert latest_revision() in before
    for _ in range(2):
        assert await migrate(database_urls[1], "tanpuhui_service") == latest_revision()
    assert await dump(owner) == before


async def test_two_migrate_an_empty_database_at_once(
    stack: Stack, template: str, owner: asyncpg.Connection
) -> None:
    assert stack.postgres is not None
    name = "fresh_" + uuid.uuid4().hex[:8]
    server = await asyncpg.connect(stack.postgres.owner_url)
    try:
        await server.execute(f"CREATE DATABASE {name}")
    finally:
        await server.close()
    url = stack.postgres.url("tanpuhui_owner", name)
    reached = await asyncio.gather(*(migrate(url, "tanpuhui_service") for _ in range(3)))
    assert set(reached) == {latest_revision()}
    fresh, known = (
        await asyncpg.connect(url),
        await asyncpg.connect(stack.postgres.url("tanpuhui_owner", template)),
    )
    try:
        assert await dump(fresh) == await dump(known)
    finally:
        await fresh.close()
        await known.close()


async def test_the_service_starts_on_a_migrated_database(
    settings: Settings, stack: Stack, database_urls: tuple[str, str]
) -> None:
    for _ in range(2):
        async with services(settings, database_urls[0], stack.redis_url) as current:
            transport = httpx.ASGITransport(create_app(current))
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
                ready = await http.get("/readyz")
                assert (ready.status_code, ready.json()["status"]) == (200, "ok")
    own = Stack(database_urls[0], database_urls[1], stack.redis_url, stack.postgres, stack.valkey)
    ready_at: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stopping = asyncio.Event()
    task = asyncio.create_task(serve(settings, own, ready_at.set_result, until=stopping))
    async with asyncio.timeout(20), httpx.AsyncClient(base_url=await ready_at) as http:
        assert (await http.get("/readyz")).status_code == 200
        stopping.set()
    await task


async def test_migrations_and_partitions_pass_while_credits_go_on(
    city: City, service: Services, database_urls: tuple[str, str], owner: asyncpg.Connection, phones: Any
) -> None:
    source, operator = await city.client("platform"), await city.client("operator", "440000")
    people = [phones() for _ in range(12)]
    for phone in people:
        await city.holder(operator, phone, source)
    stopping = asyncio.Event()
    outcomes: list[str] = []

    async def report(phone: str) -> None:
        for day in range(300):
            if stopping.is_set():
                return
            date = f"2026-{1 + day // 28:02d}-{1 + day % 28:02d}"
            body = metro(
                uuid.uuid4().hex,
                phone,
                started_at=f"{date}T08:00:00+08:00",
                ended_at=f"{date}T08:20:00+08:00",
            )
            answer = await source.post("/v1/activities", json=body)
            assert answer.status_code == 200, answer.text
            outcomes.append(answer.json()["outcome"])

    work = [asyncio.create_task(report(phone)) for phone in people]
    while not outcomes:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    before = len(outcomes)
    for year in (2050, 2051):
        await migrate(database_urls[1], "tanpuhui_service")
        async with service.database.transaction() as session:
            await make_partitions(session, datetime.datetime(year, 1, 1, tzinfo=datetime.UTC))
    during = len(outcomes) - before
    stopping.set()
    await asyncio.gather(*work)
    assert during > 0
    assert set(outcomes) <= {"credited", "capped"}
    assert await owner.fetchval("SELECT count(*) FROM activities") == len(outcomes)


async def test_a_change_of_the_schema_does_not_wait_for_ever(
    database_urls: tuple[str, str], service: Services
) -> None:
    """Behind one that waits for a lock, everybody would wait: it gives up after five seconds."""
    blocker = await asyncpg.connect(database_urls[1])
    try:
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE entries IN SHARE UPDATE EXCLUSIVE MODE")
            task = asyncio.create_task(make_far_ahead(service))
            await asyncio.sleep(0.5)
            assert not task.done()
            async with asyncio.timeout(1), service.database.driver_transaction() as driver:
                assert await driver.fetchval("SELECT count(*) >= 0 FROM entries")
            async with asyncio.timeout(8):
                with pytest.raises(asyncpg.LockNotAvailableError):
                    await task
    finally:
        await blocker.close()
    assert await make_far_ahead(service) == len(HOT)


async def make_far_ahead(service: Services) -> int:
    async with service.database.driver_transaction() as driver:
        return int(await driver.fetchval("SELECT tanpuhui_make_partitions('2060-01-01', 1)"))
