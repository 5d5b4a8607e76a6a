"""Whether archived months of claims are as they were written, and hold what holds claims of their days. Reads all."""

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pyarrow as pa

from dedup.archive import Archive, archives_of
from dedup.archive_files import opened
from dedup.archiving import PARENTS, sha256_of

if TYPE_CHECKING:
    import asyncpg
    import duckdb

_PAGE: Final = 20_000
_HELD: Final = """
    SELECT token, day, activity_id, starts_at, ends_at FROM archived a
    WHERE NOT EXISTS (SELECT 1 FROM brought b WHERE b.token = a.token AND b.day = a.day)
"""
_RULES: Final = (
    f"""
    SELECT activity_id FROM holding h WHERE NOT EXISTS (
        SELECT 1 FROM ({_HELD}) a WHERE a.token = h.token AND a.activity_id = h.activity_id) ORDER BY 1 LIMIT 1
    """,
    f"""
    SELECT activity_id FROM ({_HELD}) a WHERE NOT EXISTS (
        SELECT 1 FROM holding h WHERE a.token = h.token AND a.activity_id = h.activity_id) ORDER BY 1 LIMIT 1
    """,
    f"""
    SELECT activity_id FROM (
        SELECT activity_id, starts_at, max(ends_at) OVER (
            PARTITION BY token, day ORDER BY starts_at, activity_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken_until
        FROM ({_HELD})) WHERE starts_at < taken_until ORDER BY 1 LIMIT 1
    """,
)
"""What holds is archived, what is archived holds, and no two overlap."""


async def check_archives(driver: "asyncpg.Connection", holding: str) -> UUID | str | None:
    """The first owner of a claim that breaks a rule, or the name of a file that is not as written; None where all is.

    `holding` is SQL of (owner, token) of what holds claims that are in archives.
    """
    months = [row[0] for row in await driver.fetch("SELECT month FROM claim_archives")]
    archives = await archives_of(driver, months)
    if not archives:
        return None
    for archive in archives:
        for parent, expected in zip(PARENTS, await _checksums(driver, archive), strict=True):
            if archive.exported and await asyncio.to_thread(_sha256, archive, parent) != expected:
                return str(archive.file(parent))
    # The snapshot is the caller's, and waits while files are read.
    await driver.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder) / "check.duckdb") as lab:
        lab.execute("CREATE TABLE holding (activity_id VARCHAR, token VARCHAR)")
        lab.execute("CREATE TABLE brought (token VARCHAR, day DATE)")
        lab.execute(
            "CREATE TABLE archived (token VARCHAR, day DATE, activity_id VARCHAR, starts_at BIGINT, ends_at BIGINT)"
        )
        await _copy(driver, lab, "holding", holding)
        for archive in archives:
            await _copy(driver, lab, "brought", _BROUGHT, archive.month)
            if archive.exported:
                path = str(archive.file("interval_claims"))
                await asyncio.to_thread(lab.execute, _READ, [path])
            else:
                await _copy(driver, lab, "archived", _DETACHED.format(archive.table("interval_claims")))
        for rule in _RULES:
            found = (await asyncio.to_thread(lab.execute, rule)).fetchone()
            if found is not None:
                return UUID(found[0])
    return None


_BROUGHT: Final = """
    SELECT token, day FROM interval_tokens WHERE day >= $1 AND day < ($1::date + interval '1 month')::date
"""
_READ: Final = """
    INSERT INTO archived SELECT token, day, activity_id, starts_at, ends_at FROM read_parquet(?)
"""
_DETACHED: Final = """
    SELECT token, day, activity_id, extract(epoch FROM starts_at)::bigint, extract(epoch FROM ends_at)::bigint FROM {}
"""


async def _checksums(driver: "asyncpg.Connection", archive: Archive) -> tuple[str | None, str | None]:
    row = await driver.fetchrow(
        "SELECT claims_sha256, tokens_sha256 FROM claim_archives WHERE month = $1", archive.month
    )
    return row[0], row[1]


def _sha256(archive: Archive, parent: str) -> str | None:
    try:
        return sha256_of(archive.file(parent))
    except OSError:
        return None


async def _copy(
    driver: "asyncpg.Connection", lab: "duckdb.DuckDBPyConnection", table: str, query: str, *arguments: Any
) -> None:
    """Bring rows of a query into a table of the same columns, some at a time."""
    cursor = await driver.cursor(query, *arguments)
    while rows := await cursor.fetch(_PAGE):
        page = pa.table(
            {
                f"c{place}": [value.hex if isinstance(value, UUID) else value for value in column]
                for place, column in enumerate(zip(*rows, strict=True))
            }
        )
        lab.register("page", page)
        lab.execute(f"INSERT INTO {table} SELECT * FROM page")
        lab.unregister("page")
