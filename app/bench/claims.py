"""Claims of platforms with their own accounts: the acts of the reports, and earlier claims written on the server.

The history is written month by month, like that of activities: each claim has a number and a time of its own, and
tokens are random, as any other day's are to claims of today.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from app.bench.history import Connect, Month, fill_partition, months_before, take_constraints, together
from app.bench.reports import Reports
from app.bench.world import Say
from dedup.encoding import encoded
from dedup.periods import LOCAL

BATCH: Final = 5_000
TABLES: Final = ("platform_claims", "whole_claims", "interval_tokens", "interval_claims")
_FIELDS: Final = (
    *("scene", "region", "occurred_at", "started_at", "ended_at"),
    *("order_no", "bill_no", "asset_id", "issuer", "distance_m", "energy_wh"),
)
_LOADERS: Final = 2
_STAGE: Final = """
CREATE UNLOGGED TABLE {stage} AS
SELECT encode(set_byte(uuid_send(gen_random_uuid()), 6, 128), 'hex')::uuid AS id, d.day::date AS day,
       gen_random_uuid() AS whole, gen_random_uuid() AS token, gen_random_uuid() AS mac,
       d.day + make_interval(secs => 25200 + i * (50400.0 / {a_day})) AS starts,
       d.day + make_interval(secs => 25200 + i * (50400.0 / {a_day}) + 600 + i % 1500) AS ends
FROM generate_series(timestamptz '{first} 00:00+08', timestamptz '{first} 00:00+08' + interval '{last} days',
                     interval '1 day') AS d (day), generate_series(0, {a_day} - 1) AS i
"""
_LOADS: Final = {
    "platform_claims": """
        SELECT id, '{organisation}', uuid_send(mac), 'trip.metro', '440300', 'claimed', NULL, NULL,
               uuid_send(whole) || uuid_send(token), day, day, ends + interval '9 seconds', NULL
        FROM {stage}""",
    "whole_claims": "SELECT whole, id FROM {stage}",
    "interval_tokens": "SELECT token, day, 1 FROM {stage}",
    "interval_claims": """
        SELECT token, day, id, starts + interval '60 seconds', ends - interval '60 seconds', starts, ends
        FROM {stage}""",
}


def bodies(reports: Reports, count: int) -> Iterator[tuple[int, bytes]]:
    """Platform and JSON array of the next batches: the acts of the reports, with person keys for their people."""
    open_: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    made = 0
    while made < count:
        for platform, report in reports.take(BATCH):
            batch = open_[platform]
            batch.append(_claim(report))
            if len(batch) == BATCH and made < count:
                yield platform, orjson.dumps(batch)
                made += 1
                batch.clear()


def _claim(report: dict[str, Any]) -> dict[str, Any]:
    person = report["subject"]["value"][-6:].encode()  # both platforms' names of a person end alike
    claim: dict[str, Any] = {name: report[name] for name in _FIELDS if name in report}
    claim["claim_id"] = report["event_id"]
    claim["person_keys"] = [encoded(hashlib.blake2b(person, digest_size=32).digest())]
    return claim


async def write(connect: Connect, claims: int, organisation: UUID, say: Say) -> int:
    """Put so many earlier claims of a year in place of what there is; answers how many it became."""
    months = months_before(dt.datetime.now(LOCAL).date())
    a_day = claims // sum(month.days for month in months)
    async with connect() as driver:
        jobs = [
            *(await take_constraints(driver, "platform_claims")),
            *(await take_constraints(driver, "whole_claims")),
        ]
    queue = list(months)

    async def load() -> None:
        async with connect() as driver:
            await driver.execute("SET timezone = 'Asia/Shanghai'")
            while queue:
                month = queue.pop(0)
                await _write_month(driver, month, a_day, organisation)
                say(f"  {month.name}: {month.days * a_day:,} claims; {len(queue)} months wait")

    async def build() -> None:
        async with connect() as driver:
            while jobs:
                await driver.execute(jobs.pop(0))

    await together([load() for _ in range(_LOADERS)])
    say("  indexes of what is never partitioned")
    await together([build() for _ in range(_LOADERS)])
    async with connect() as driver:
        for table in TABLES:
            await driver.execute(f"VACUUM (ANALYZE) {table}")
    return a_day * sum(month.days for month in months)


async def _write_month(driver: asyncpg.Connection, month: Month, a_day: int, organisation: UUID) -> None:
    stage = f"bench_claims_{month.name}"
    made = _STAGE.format(stage=stage, a_day=a_day, first=month.first_day, last=month.days - 1)
    await driver.execute(made)
    for table in TABLES[:2]:
        rows = _LOADS[table].format(stage=stage, organisation=organisation)
        await driver.execute(f"INSERT INTO {table} {rows}")
    for table in TABLES[2:]:
        await fill_partition(driver, table, f"{table}_{month.name}", _LOADS[table].format(stage=stage))
    await driver.execute(f"DROP TABLE {stage}")
