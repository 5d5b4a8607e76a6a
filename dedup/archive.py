"""Months of interval claims that were taken out of the database, and how what they hold is brought back.

A month is swapped for an empty partition of the same name. From then on, a token of one of its days that has no row in
`interval_tokens` may have claims in the archive: whoever writes that row first brings them back, under the row's lock,
and the archive is not asked for that token again. So reports, claims, moves and releases go on as if nothing had been
taken out. Until its files are written and checked, a month is read from the tables that were taken out.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from dedup.archive_files import rows_of
from dedup.writes import columns

if TYPE_CHECKING:
    import asyncpg

LOCK: Final = "tanpuhui_claim_archives"
"""Name of the advisory lock that keeps what is read of an archive from being dropped."""
DETACHED: Final = "detached"
CLAIM_COLUMNS: Final = (
    *("token", "day", "activity_id", "starts_at", "ends_at", "raw_starts_at", "raw_ends_at"),
    *("source_id", "scene", "amount", "order_issuer", "order_number"),
)


@dataclass(frozen=True, slots=True)
class Archive:
    """A month that was taken out. The numbers are of rows, and known once it is exported."""

    month: date
    state: str
    folder: str
    claims: int | None
    tokens: int | None

    @property
    def exported(self) -> bool:
        """Whether it is read from its files."""
        return self.state != DETACHED

    def table(self, parent: str) -> str:
        """Name of what was taken out of a table, while it is there."""
        return f"{parent}_{self.month:%Y_%m}_detached"

    def file(self, parent: str) -> Path:
        """Its Parquet file."""
        return Path(self.folder) / f"{parent}_{self.month:%Y_%m}.parquet"


ClaimRow = tuple[
    UUID, date, UUID, int, int, int, int, UUID | None, str | None, int | None, UUID | None, UUID | None
]
"""(token, day, owner, start, end, raw start, raw end, source, scene, amount, issuer, number), times in epoch s."""


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


async def archives_of(driver: "asyncpg.Connection", months: Collection[date]) -> list[Archive]:
    """Those of the months that are taken out; they cannot be dropped until the transaction ends."""
    if not months:
        return []
    query = """
        SELECT month, state, folder, claims, tokens FROM claim_archives WHERE month = ANY($1::date[]) ORDER BY month
    """
    if not await driver.fetch(query, list(months)):
        return []
    await driver.execute("SELECT pg_advisory_xact_lock_shared(hashtext($1))", LOCK)
    # By a statement of its own: what was dropped while the lock was waited for is read from its files.
    return [Archive(*row) for row in await driver.fetch(query, list(months))]


async def archived_claims(driver: "asyncpg.Connection", pairs: Iterable[tuple[UUID, date]]) -> list[ClaimRow]:
    """The claims that archives hold on tokens of days. Raises `ArchiveUnavailable`."""
    of_month: dict[date, set[UUID]] = defaultdict(set)
    for token, day in pairs:
        of_month[month_of(day)].add(token)
    found: list[ClaimRow] = []
    for archive in await archives_of(driver, of_month):
        tokens = of_month[archive.month]
        if archive.exported:
            found += await asyncio.to_thread(_claims_in_file, archive, tokens)
        else:
            rows = await driver.fetch(_CLAIMS.format(archive.table("interval_claims")), list(tokens))
            found += [tuple(row) for row in rows]
    return found


async def archived_days(
    driver: "asyncpg.Connection", tokens: Collection[UUID], months: Collection[date]
) -> dict[UUID, date]:
    """Token → its local day, of those that archives of some months know. Raises `ArchiveUnavailable`."""
    found: dict[UUID, date] = {}
    for archive in await archives_of(driver, months):
        if archive.exported:
            found.update(await asyncio.to_thread(_days_in_file, archive, tokens))
        else:
            rows = await driver.fetch(
                f"SELECT token, day FROM {archive.table('interval_tokens')} WHERE token = ANY($1::uuid[])",
                list(tokens),
            )
            found.update((row[0], row[1]) for row in rows)
    return found


async def bring_back(driver: "asyncpg.Connection", pairs: Sequence[tuple[UUID, date]]) -> None:
    """Write the claims that archives hold on tokens whose rows this transaction has just made, and so locked."""
    rows = await archived_claims(driver, pairs)
    if rows:
        await driver.execute(
            """
            INSERT INTO interval_claims (token, day, activity_id, starts_at, ends_at, raw_starts_at, raw_ends_at,
                                         source_id, scene, amount, order_issuer, order_number)
            SELECT token, day, owner, to_timestamp(starts), to_timestamp(ends), to_timestamp(raw_starts),
                   to_timestamp(raw_ends), source, scene, amount, issuer, number
            FROM unnest($1::uuid[], $2::date[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                        $8::uuid[], $9::varchar[], $10::bigint[], $11::uuid[], $12::uuid[])
                AS c (token, day, owner, starts, ends, raw_starts, raw_ends, source, scene, amount, issuer, number)
            """,
            *columns(rows),
        )


_CLAIMS: Final = """
    SELECT token, day, activity_id, extract(epoch FROM starts_at)::bigint, extract(epoch FROM ends_at)::bigint,
           extract(epoch FROM raw_starts_at)::bigint, extract(epoch FROM raw_ends_at)::bigint, source_id, scene,
           amount, order_issuer, order_number
    FROM {} WHERE token = ANY($1::uuid[])
"""


def _claims_in_file(archive: Archive, tokens: Collection[UUID]) -> list[ClaimRow]:
    return [
        (
            *(UUID(row["token"]), row["day"], UUID(row["activity_id"])),
            *(row["starts_at"], row["ends_at"], row["raw_starts_at"], row["raw_ends_at"]),
            *(_uuid(row["source_id"]), row["scene"], row["amount"]),
            *(_uuid(row["order_issuer"]), _uuid(row["order_number"])),
        )
        for row in rows_of(
            archive.file("interval_claims"), archive.claims, [token.hex for token in tokens], CLAIM_COLUMNS
        )
    ]


def _days_in_file(archive: Archive, tokens: Collection[UUID]) -> dict[UUID, date]:
    names = [token.hex for token in tokens]
    rows = rows_of(archive.file("interval_tokens"), archive.tokens, names, ("token", "day"))
    return {UUID(row["token"]): row["day"] for row in rows}


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
