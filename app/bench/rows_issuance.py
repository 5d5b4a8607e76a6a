"""Rows of period close: ten million entries of a million holders under mandates, with evidence and tree.

Holders, mandates and entries are made on the server, of one month that is over. They come last, since nothing else
expects so many.
"""

import asyncio
import datetime as dt
import sys
import weakref
from typing import Final
from uuid import UUID

import asyncpg

from accounts.ids import uuid7
from app.bench.history import take_constraints
from app.bench.lab import Lab
from app.bench.registry import BenchError, Measured, row
from app.wiring import utc_now
from dedup.periods import LOCAL

HOLDERS: Final = 1_000_000
QUICK_HOLDERS: Final = 20_000
EACH: Final = 10
"""Entries of one holder; one in a hundred is taken back."""
MB: Final = 1_000_000
_UUID: Final = "(lpad(to_hex({ms}), 12, '0') || '7' || substr({h}, 1, 3) || '8' || substr({h}, 4, 15))::uuid"
_HOLDERS: Final = f"""
CREATE UNLOGGED TABLE bench_mandated AS
SELECT n, {_UUID.format(ms="(1600000000000 + n)::bigint", h="md5(n::text)")} AS id FROM generate_series(1, $1::int) n
"""
_ENTRIES: Final = f"""
INSERT INTO entries (holder_id, id, cause_id, asset_id, kind, debit, credit, amount, booked_at)
SELECT id, {_UUID.format(ms="ms", h="md5(n || 'e' || s)")}, {_UUID.format(ms="ms - 1000", h="md5(n || 'a' || s)")},
    $1, 1, 1, 10, 100000 + (n::bigint * 7919 + s * 104729) % 900000, to_timestamp(ms / 1000.0)
FROM (SELECT b.n, b.id, s, $2::bigint + (b.n::bigint * 48271 + s * 16807::bigint * 7) % $3::bigint AS ms
      FROM bench_mandated b, generate_series(1, $4::int) s) e
"""
_REVERSALS: Final = f"""
INSERT INTO entries (holder_id, id, cause_id, asset_id, kind, debit, credit, amount, booked_at)
SELECT e.holder_id, {_UUID.format(ms="$2::bigint - 1000", h="md5(e.id::text)")}, e.cause_id, $1, 2, 10, 1, e.amount,
    to_timestamp(($2::bigint - 1000) / 1000.0)
FROM entries e WHERE e.asset_id = $1 AND e.amount % 100 = 7
"""
_found: "weakref.WeakKeyDictionary[Lab, tuple[float, float, str]]" = weakref.WeakKeyDictionary()


@row("close_10m_s", unit="s", floor=300, aim=60)
async def close_10m_s(lab: Lab) -> Measured:
    """From the closed books to `submitted`: selection, evidence in two formats, tree, all holders' grams."""
    took, _, told = await _closed(lab)
    return Measured(took, told)


@row("close_memory_mb", unit="MB", floor=2000, aim=1000)
async def close_memory_mb(lab: Lab) -> Measured:
    """Most memory of the process that closes; PostgreSQL's own is beside it."""
    _, memory, told = await _closed(lab)
    return Measured(memory / MB, told)


async def _closed(lab: Lab) -> tuple[float, float, str]:
    found = _found.get(lab)
    if found is None:
        found = _found[lab] = await _close(lab)
    return found


async def _close(lab: Lab) -> tuple[float, float, str]:
    issuance = await _world(lab)
    await lab.checkpoint()
    folder = lab.settings.issuances
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.bench.close_period", lab.stack.database_url, str(issuance), str(folder)),
        stdout=asyncio.subprocess.PIPE,
    )
    answer, _ = await process.communicate()
    if process.returncode:
        raise BenchError("the close failed")
    took, memory = map(float, answer.split())
    async with lab.database() as driver:
        status, entries, quantity, issued = await driver.fetchrow(
            """
            SELECT status, entries, quantity_kg, (SELECT sum(issued_mg)::bigint FROM balances b
                JOIN bench_mandated m ON m.id = b.holder_id) FROM issuances WHERE id = $1
            """,
            issuance,
        )
    if status != "submitted" or issued // 1_000_000 != quantity:
        raise BenchError(f"the close came to {status} with {quantity} kg of {issued} mg")
    holders = _holders(lab)
    written = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    return (
        took,
        memory,
        (
            f"{entries:,} entries of {holders:,} holders, {quantity:,} kg; evidence and tree of "
            f"{written / MB:,.0f} MB; the process has {memory / MB:,.0f} MB at most"
        ),
    )


def _holders(lab: Lab) -> int:
    return QUICK_HOLDERS if lab.quick else HOLDERS


async def _world(lab: Lab) -> UUID:
    now = utc_now()
    until = now.astimezone(LOCAL).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    begins = (until - dt.timedelta(days=1)).replace(day=1)
    issuance, applicant = uuid7(now), uuid7(now)
    first, last = (int(moment.timestamp() * 1000) for moment in (begins, until))
    lab.say(f"  writing {_holders(lab):,} holders with {EACH} entries each")
    async with lab.database() as driver:
        await driver.execute("SET maintenance_work_mem = '512MB'")
        methodology = await driver.fetchval(
            """
            INSERT INTO methodology_versions (region, scene, code, version, content_hash, content, issuable,
                recorded_at)
            VALUES ('440300', 'trip.bench', 'BENCH', '1', 'bench', '{}', false, now()) RETURNING id
            """
        )
        asset = await driver.fetchval(
            "INSERT INTO assets (kind, methodology_id, vintage, programme) VALUES ('reduction', $1, 1999, '')"
            " RETURNING id",
            methodology,
        )
        await driver.execute(_HOLDERS, _holders(lab))
        await _write(driver, asset, first, last, applicant)
        await driver.execute(
            """
            INSERT INTO issuances (id, number, applicant_id, methodology_version_id, asset_id, region, vintage, place,
                booked_from, booked_until, status, version, opened_by, opened_at, secret, brought_mg, last_error,
                remarks)
            SELECT $1, 'bench', $2, id, $3, region, 1999, 1, $4, $5, 'closing', 1, 'bench', now(), $6, 0, '', ''
            FROM methodology_versions WHERE id = $7
            """,
            *(issuance, applicant, asset, begins, until, bytes(32), methodology),
        )
        await driver.execute("SELECT tanpuhui_close_bookings($1, $2)", asset, until)
    return issuance


async def _write(driver: asyncpg.Connection, asset: int, first: int, last: int, applicant: UUID) -> None:
    back = await take_constraints(driver, "entries")
    await driver.execute(_ENTRIES, asset, first, last - first - 2000, EACH)
    await driver.execute(_REVERSALS, asset, last)
    await driver.execute(
        "INSERT INTO holders (id, kind, region, person_key, created_at)"
        " SELECT id, 'person', '440300', uuid_send(id), to_timestamp($1 / 1000.0) - interval '1 day'"
        " FROM bench_mandated",
        first,
    )
    await driver.execute(
        """
        INSERT INTO balances (holder_id, status, open_mg, points)
        SELECT holder_id, 1, sum(CASE WHEN credit = 10 THEN amount ELSE -amount END), 0 FROM entries
        WHERE asset_id = $1 GROUP BY holder_id
        """,
        asset,
    )
    await driver.execute(
        """
        INSERT INTO mandates (holder_id, id, applicant_id, terms_id, granted_at, valid_from, receipt_id)
        SELECT id, id, $1, $1, t, t, id FROM bench_mandated, (SELECT to_timestamp($2 / 1000.0) AS t) m
        """,
        applicant,
        first,
    )
    for statement in back:
        await driver.execute(statement)
    for table in ("entries", "balances", "mandates", "bench_mandated"):
        await driver.execute(f"VACUUM (ANALYZE) {table}")
