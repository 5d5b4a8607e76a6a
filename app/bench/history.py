"""Earlier activities with all their rows, written on the server month by month.

A day's activities are of different holders, so each has its own token, cap window and period of the day; a holder
comes again on other days. Sums hold: balances are the sums of entries and of lots. Claim tokens are random, so
that reports of today rarely meet them, as it is with any other day's.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from app.bench.world import HISTORY, Say, forget_history
from dedup.periods import LOCAL

Connect = Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]
BY_MONTH: Final = ("activities", "interval_tokens", "interval_claims", "cap_usage", "entries")
WHOLE: Final = ("receipts", "whole_claims", "lots")
_STRIDE: Final = 618_033_989
_LOADERS: Final = 2
FULL: Final = 70
"""Per cent: how full random inserts leave the pages of an index. A new one would be denser than any in use."""

_STAGE: Final = """
CREATE UNLOGGED TABLE {stage} AS
SELECT h.id AS holder, uuidv7(a.ends + interval '9 seconds' - clock_timestamp()) AS activity,
       a.day, a.starts, a.ends, a.ends + interval '9 seconds' AS booked, a.place % 16 AS place,
       gen_random_uuid() AS receipt, gen_random_uuid() AS whole, gen_random_uuid() AS token,
       (200 + a.place * 7 % 900)::bigint AS grams
FROM (
    SELECT d::date AS day, i AS place, d.days,
           d.day + make_interval(secs => 25200 + i * (50400.0 / $1)) AS starts,
           d.day + make_interval(secs => 25200 + i * (50400.0 / $1) + 600 + i % 1500) AS ends
    FROM d, generate_series(0, $1 - 1) AS i
) a
JOIN bench_holders h ON h.n = ((a.days + a.place)::bigint * {stride}) % {holders}
"""
_LOADS: Final = {
    "receipts": "SELECT receipt, uuid_send(token), holder, activity FROM {stage}",
    "activities": """
        SELECT s.holder, s.activity, r.source, r.scene, r.region, s.starts, s.ends, 'platform',
               jsonb_build_object('distance_m', s.grams * 20, 'duration_s', 600 + s.grams),
               'credited', NULL, r.methodology, s.grams * 1000, s.grams * 1000, s.grams, NULL,
               uuid_send(s.whole) || uuid_send(s.token), NULL
        FROM {stage} s JOIN bench_rules r USING (place)""",
    "whole_claims": "SELECT whole, activity FROM {stage}",
    "interval_tokens": "SELECT token, day, 1 FROM {stage} WHERE place < 15",
    "interval_claims": """
        SELECT token, day, activity, starts + interval '60 seconds', ends - interval '60 seconds', starts, ends
        FROM {stage} WHERE place < 15""",
    "cap_usage": """
        SELECT s.holder, r.rule, s.day, 1, 20 FROM {stage} s JOIN bench_rules r USING (place)""",
    "entries": """
        SELECT s.holder, uuidv7(s.booked - clock_timestamp()), s.activity,
               CASE leg WHEN 1 THEN r.asset ELSE r.points_asset END, 1, leg,
               CASE leg WHEN 1 THEN 10 ELSE 20 END, CASE leg WHEN 1 THEN s.grams * 1000 ELSE s.grams END, s.booked
        FROM {stage} s JOIN bench_rules r USING (place), generate_series(1, 2) AS leg""",
    "lots": """
        SELECT holder, (SELECT min(points_asset) FROM bench_rules),
               (date_trunc('month', day) + interval '25 months')::date, sum(grams), sum(grams), min(booked)
        FROM {stage} GROUP BY 1, 3""",
}


@dataclass(frozen=True)
class Month:
    """A month's days, and how it is called in the names of partitions."""

    first_day: dt.date
    days: int

    @property
    def name(self) -> str:
        """As partitions end."""
        return f"{self.first_day:%Y_%m}"


def months_before(today: dt.date) -> list[Month]:
    """The last year up to yesterday: eleven whole months and the parts of two, or twelve."""
    first, found = (today - dt.timedelta(days=365)), []
    while first < today:
        following = (first.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
        ends = min(following, today)
        found.append(Month(first, (ends - first).days))
        first = following
    return found


async def write(connect: Connect, activities: int, holders: int, say: Say) -> int:
    """Replace what there is by so many activities of the same rules and assets; answers how many it became."""
    today = dt.datetime.now(LOCAL).date()
    months = months_before(today)
    a_day = activities // sum(month.days for month in months)
    async with connect() as driver:
        await _note_rules(driver)
        await forget_history(driver)
        kept = [await take_constraints(driver, table) for table in WHOLE]
    queue = list(months)

    async def load() -> None:
        async with connect() as driver:
            await driver.execute("SET work_mem = '256MB'; SET timezone = 'Asia/Shanghai'")
            while queue:
                month = queue.pop(0)
                await _write_month(driver, month, a_day, holders)
                say(f"  {month.name}: {month.days * a_day:,} activities; {len(queue)} months wait")

    await together([load() for _ in range(_LOADERS)])
    say("  indexes of receipts, claims and lots")
    jobs = [statement for statements in kept for statement in statements]

    async def build() -> None:
        async with connect() as driver:
            while jobs:
                await driver.execute(jobs.pop(0))

    await together([build() for _ in range(_LOADERS)])
    say("  balances")
    async with connect() as driver:
        await driver.execute(
            """
            UPDATE balances b SET points = l.points, open_mg = l.points * 1000
            FROM (SELECT holder_id, sum(earned) AS points FROM lots GROUP BY 1) l WHERE l.holder_id = b.holder_id
            """
        )
        await driver.execute("DROP TABLE bench_rules")
        for table in (*HISTORY, "balances"):
            await driver.execute(f"VACUUM (ANALYZE) {table}")
    return a_day * sum(month.days for month in months)


async def sizes(driver: asyncpg.Connection, tables: Sequence[str] = HISTORY) -> dict[str, int]:
    """Bytes of each table of a history with its indexes."""
    rows = await driver.fetch(
        """
        SELECT t AS name, coalesce((SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(t::regclass)),
                                   pg_total_relation_size(t::regclass)) AS bytes
        FROM unnest($1::text[]) AS t
        """,
        list(tables),
    )
    return {row["name"]: int(row["bytes"]) for row in rows}


async def together(works: Sequence[Awaitable[None]]) -> None:
    """Run works at once, and end all where one fails."""
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(_await(work))


async def _await(work: Awaitable[None]) -> None:
    await work


async def _note_rules(driver: asyncpg.Connection) -> None:
    """Sixteen places of a mix: what the reports before were credited by, the frequent ones more often."""
    await driver.execute("DROP TABLE IF EXISTS bench_rules")
    await driver.execute(
        """
        CREATE UNLOGGED TABLE bench_rules AS
        WITH used AS (
            SELECT a.source_id, a.scene, a.region, a.methodology_id, min(e.asset_id) AS asset, count(*) AS times
            FROM (SELECT * FROM activities WHERE outcome = 'credited' LIMIT 20000) a
            JOIN entries e ON e.holder_id = a.holder_id AND e.cause_id = a.id AND e.debit = 1
            WHERE a.scene LIKE 'trip.%' GROUP BY 1, 2, 3, 4
        ), ranked AS (
            SELECT *, sum(times) OVER (ORDER BY times DESC, scene, region, source_id) AS upto,
                   sum(times) OVER () AS total
            FROM used
        )
        SELECT p AS place, r.source_id AS source, r.scene, r.region, r.methodology_id AS methodology, r.asset,
               (SELECT min(id) FROM assets WHERE kind = 'points') AS points_asset,
               coalesce((SELECT rule FROM cap_usage c WHERE c.rule LIKE '%/' || r.scene || '/%' LIMIT 1),
                        r.scene) AS rule
        FROM generate_series(0, 15) AS p, LATERAL (
            SELECT * FROM ranked WHERE upto > p * total / 16 ORDER BY upto LIMIT 1
        ) r
        """
    )


async def take_constraints(driver: asyncpg.Connection, table: str) -> list[str]:
    """Drop a table's key and indexes; answers the statements that bring them back."""
    back: list[str] = []
    keys = await driver.fetch(
        """
        SELECT conname, pg_get_constraintdef(oid) AS text FROM pg_constraint
        WHERE conrelid = $1::regclass AND contype IN ('p', 'u')
        """,
        table,
    )
    for key in keys:
        await driver.execute(f"ALTER TABLE {table} DROP CONSTRAINT {key['conname']}")
        back.append(
            f"ALTER TABLE {table} ADD CONSTRAINT {key['conname']} {key['text']} WITH (fillfactor = {FULL})"
        )
    indexes = await driver.fetch("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = $1", table)
    for index in indexes:
        await driver.execute(f"DROP INDEX {index['indexname']}")
        back.append(_as_full(index["indexdef"]))
    return back


def _as_full(definition: str) -> str:
    """An index as full as one in use; what is no B-tree keeps its own options."""
    if " USING btree " not in definition:
        return definition
    head, where, condition = definition.partition(" WHERE ")
    return f"{head} WITH (fillfactor = {FULL}){where}{condition}"


async def _write_month(driver: asyncpg.Connection, month: Month, a_day: int, holders: int) -> None:
    """Take the month's partitions out, fill them, build their indexes, put them back."""
    stage = f"bench_stage_{month.name}"
    days = f"""
        WITH d AS MATERIALIZED (
            SELECT day, (day::date - date '2000-01-01') * {a_day} AS days
            FROM generate_series(timestamptz '{month.first_day} 00:00+08',
                                 timestamptz '{month.first_day} 00:00+08' + interval '{month.days - 1} days',
                                 interval '1 day') AS day
        )"""
    made = _STAGE.format(stage=stage, stride=_STRIDE, holders=holders)
    made = made.replace(" AS\nSELECT", f" AS{days}\nSELECT", 1)
    made = made.replace("d::date AS day", "d.day::date AS day").replace("$1", str(a_day))
    await driver.execute(made)
    for table in WHOLE:
        await driver.execute(f"INSERT INTO {table} " + _LOADS[table].format(stage=stage))
    for table in BY_MONTH:
        await fill_partition(driver, table, f"{table}_{month.name}", _LOADS[table].format(stage=stage))
    await driver.execute(f"DROP TABLE {stage}")


async def fill_partition(driver: asyncpg.Connection, parent: str, partition: str, rows: str) -> None:
    """Take a partition out, fill it by a query, build its indexes, put it back."""
    bound: Any = await driver.fetchval(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = $1::regclass", partition
    )
    await driver.execute(f"ALTER TABLE {parent} DETACH PARTITION {partition}")
    back = await take_constraints(driver, partition)
    await driver.execute(f"INSERT INTO {partition} {rows}")
    for statement in back:
        await driver.execute(statement)
    await driver.execute(f"ALTER TABLE {parent} ATTACH PARTITION {partition} {bound}")
