"""Takes old months of interval claims out of the database into Parquet, each step whole or not at all.

`detached`: the month's partitions are swapped for empty ones; what was taken out is kept as tables that nobody writes.
`exported`: its files are written, synced and read back: the numbers of rows and a checksum of all values agree.
`archived`: the tables are dropped, by a function that counts once more. After a crash the next run goes on from there.
"""

import asyncio
import contextlib
import hashlib
import os
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from dedup.archive import Archive
from dedup.archive_files import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROW_GROUP: Final = 4_096
"""Rows of a group: what a look-up of one token reads."""
_TRIES: Final = 40
_PAUSE_S: Final = 0.25
_WEEK: Final = timedelta(days=7)
_RUNNING: Final = "tanpuhui_archiving"

# Column → how PostgreSQL writes it, and the type it is read back as. Tokens in hexadecimal, times in epoch seconds.
_HEX: Final = "replace({}::text, '-', '')"
_EPOCH: Final = "extract(epoch FROM {})::bigint"
_COLUMNS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "interval_claims": {
        "token": (_HEX, "VARCHAR"),
        "day": ("{}", "DATE"),
        "activity_id": (_HEX, "VARCHAR"),
        "starts_at": (_EPOCH, "BIGINT"),
        "ends_at": (_EPOCH, "BIGINT"),
        "raw_starts_at": (_EPOCH, "BIGINT"),
        "raw_ends_at": (_EPOCH, "BIGINT"),
        "source_id": (_HEX, "VARCHAR"),
        "scene": ("{}", "VARCHAR"),
        "amount": ("{}", "BIGINT"),
        "order_issuer": (_HEX, "VARCHAR"),
        "order_number": (_HEX, "VARCHAR"),
    },
    "interval_tokens": {"token": (_HEX, "VARCHAR"), "day": ("{}", "DATE")},
}
PARENTS: Final = tuple(_COLUMNS)


class ArchiveBroken(Exception):
    """What was read back from a file is not what was written; the month stays in the database."""


class ArchivingElsewhere(Exception):
    """Another process archives at this moment."""


@dataclass(frozen=True, slots=True)
class Month:
    """A month that can be taken out, or whose archiving has begun; `state` is None before."""

    month: date
    state: str | None


async def months_before(driver: asyncpg.Connection, before: date) -> list[Month]:
    """Months before a month that are not archived yet and not empty, the earliest first."""
    rows = await driver.fetch(
        """
        SELECT right(c.relname, 7) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'interval_tokens'::regclass AND c.relname ~ '_[0-9]{4}_[0-9]{2}$'
        """
    )
    states = dict(await driver.fetch("SELECT month, state FROM claim_archives"))
    found = []
    for (name,) in rows:
        month = date(int(name[:4]), int(name[5:]), 1)
        state = states.get(month)
        if month >= before or state == "archived":
            continue
        filled = "SELECT EXISTS (SELECT FROM interval_tokens WHERE day >= $1 AND day < $2)"
        if state is not None or await driver.fetchval(filled, month, following(month)):
            found.append(Month(month, state))
    return sorted(found, key=lambda each: each.month)


def following(month: date) -> date:
    """The first day of the next month."""
    return (month.replace(day=28) + _WEEK).replace(day=1)


async def archive_month(driver: asyncpg.Connection, folder: Path, month: date) -> Archive:
    """Take a month out, or go on where a crash left it. The connection is in no transaction, and its role owns nothing.

    Raises `ArchiveBroken`, `ArchivingElsewhere`, and what the database and the file system do.
    """
    async with _alone(driver):
        found = await _find(driver, month)
        if found is None:
            await detach(driver, folder, month)
            found = await _find(driver, month)
        if found is not None and not found.exported:
            await export(driver, found, folder)
        await drop(driver, month)
        found = await _find(driver, month)
    if found is None:
        raise ArchiveBroken(f"{month:%Y-%m} is in no archive")
    return found


async def detach(driver: asyncpg.Connection, folder: Path, month: date) -> None:
    """Swap the month's partitions for empty ones, between two transactions of the intake.

    Raises asyncpg's `LockNotAvailableError` where others read or write for too long.
    """
    for place in range(_TRIES):
        try:
            await driver.execute("SELECT tanpuhui_detach_claims($1::date, $2)", month, str(folder))
        except asyncpg.LockNotAvailableError:
            if place == _TRIES - 1:
                raise
            await asyncio.sleep(_PAUSE_S)
        else:
            return


async def export(driver: asyncpg.Connection, archive: Archive, folder: Path) -> None:
    """Write the files of a month that is detached, check what they hold, and have it read from them."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    at = Archive(archive.month, archive.state, str(folder), None, None)
    kept: dict[str, tuple[int, str]] = {}
    for parent in PARENTS:
        kept[parent] = await _write(driver, at, parent)
    (claims, claims_sha256), (tokens, tokens_sha256) = kept["interval_claims"], kept["interval_tokens"]
    await driver.execute(
        """
        UPDATE claim_archives SET state = 'exported', folder = $2, claims = $3, tokens = $4, claims_sha256 = $5,
            tokens_sha256 = $6 WHERE month = $1 AND state = 'detached'
        """,
        *(archive.month, str(folder), claims, tokens, claims_sha256, tokens_sha256),
    )


async def drop(driver: asyncpg.Connection, month: date) -> None:
    """Drop the tables of a month that is exported, once nobody reads them; files that are not as written stop it."""
    row = await driver.fetchrow(
        """
        SELECT month, state, folder, claims, tokens, claims_sha256, tokens_sha256 FROM claim_archives WHERE month = $1
        """,
        month,
    )
    if row is None or row["state"] == "archived":
        return
    archive = Archive(*row[:5])
    for parent, expected in zip(PARENTS, row[5:], strict=True):
        if await asyncio.to_thread(sha256_of, archive.file(parent)) != expected:
            raise ArchiveBroken(f"{archive.file(parent)} is not as it was written")
    await driver.execute("SELECT tanpuhui_drop_claims($1::date)", month)


def sha256_of(path: Path) -> str:
    """Checksum of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.asynccontextmanager
async def _alone(driver: asyncpg.Connection) -> "AsyncIterator[None]":
    if not await driver.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", _RUNNING):
        raise ArchivingElsewhere
    try:
        yield
    finally:
        with contextlib.suppress(asyncpg.InterfaceError, OSError):
            await driver.execute("SELECT pg_advisory_unlock(hashtext($1))", _RUNNING)


async def _find(driver: asyncpg.Connection, month: date) -> Archive | None:
    row = await driver.fetchrow(
        "SELECT month, state, folder, claims, tokens FROM claim_archives WHERE month = $1", month
    )
    return None if row is None else Archive(*row)


async def _write(driver: asyncpg.Connection, archive: Archive, parent: str) -> tuple[int, str]:
    """Write one file; answers its number of rows and its checksum."""
    table, path = archive.table(parent), archive.file(parent)
    draft, rows = path.with_suffix(".new"), path.with_suffix(".csv")
    wanted = ", ".join(how.format(name) for name, (how, _) in _COLUMNS[parent].items())
    try:
        await driver.copy_from_query(f"SELECT {wanted} FROM {table}", output=str(rows), format="csv")
        await asyncio.to_thread(_convert, rows, draft, parent)
    finally:
        rows.unlink(missing_ok=True)
    number, checksum = await driver.fetchrow(
        f"SELECT count(*), coalesce(sum({_digest(parent, postgres=True)}), 0)::text FROM {table}"
    )
    if await asyncio.to_thread(_contents, draft, parent) != (number, checksum):
        draft.unlink()
        raise ArchiveBroken(f"{path} does not hold what {table} does")
    draft.replace(path)
    await asyncio.to_thread(_sync, path)
    return number, await asyncio.to_thread(sha256_of, path)


def _convert(rows: Path, draft: Path, parent: str) -> None:
    types = {name: type_ for name, (_, type_) in _COLUMNS[parent].items()}
    with opened() as files:
        files.execute(f"SET temp_directory = {_quoted(draft.parent / 'sorting')}")
        files.execute(
            f"""
            COPY (
                SELECT * FROM read_csv(?, columns = {types!r}, header = false, auto_detect = false, delim = ',',
                    quote = '"', escape = '"', nullstr = '') ORDER BY token)
            TO {_quoted(draft)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})
            """,
            [str(rows)],
        )


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _contents(path: Path, parent: str) -> tuple[int, str]:
    with opened() as files:
        query = f"SELECT count(*), coalesce(sum({_digest(parent)}), 0)::VARCHAR FROM read_parquet(?)"
        found: Any = files.execute(query, [str(path)]).fetchone()
    return found[0], found[1]


def _digest(parent: str, *, postgres: bool = False) -> str:
    """SQL: sixty bits of a digest of all values of a row. Their sum tells whether two sets of rows are the same."""
    values = (
        f"coalesce(({how.format(name) if postgres else name})::text, '-')"
        for name, (how, _) in _COLUMNS[parent].items()
    )
    head = f"left(md5(concat_ws('|', {', '.join(values)})), 15)"
    return f"('x' || {head})::bit(60)::bigint" if postgres else f"('0x' || {head})::BIGINT"


def _sync(path: Path) -> None:
    """Have a file and its name outlive a power cut."""
    for place in (path, path.parent):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
