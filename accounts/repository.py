"""SQL that an intake batch needs of holders, consents and the ledger: array-shaped, in the batch's transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    import asyncpg


async def resolve(driver: "asyncpg.Connection", identity_tokens: Sequence[UUID]) -> dict[UUID, tuple[UUID, bytes]]:
    """Identity token → (holder, person key)."""
    rows = await driver.fetch(
        """
        SELECT i.token, h.id, h.person_key
        FROM unnest($1::uuid[]) AS t (token)
        JOIN identities i ON i.token = t.token
        JOIN holders h ON h.id = i.holder_id
        """,
        identity_tokens,
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def lock_holders(driver: "asyncpg.Connection", holder_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Take the holders' locks in id order; answers holder → status, read under the lock."""
    rows = await driver.fetch(
        """
        SELECT holder_id, status FROM balances WHERE holder_id = ANY($1::uuid[])
        ORDER BY holder_id FOR NO KEY UPDATE
        """,
        holder_ids,
    )
    return {row[0]: row[1] for row in rows}


async def read_consents(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID], source_ids: Sequence[UUID], now: datetime
) -> list[tuple[UUID, UUID, str, datetime]]:
    """(holder, source, scene group, granted at) of the consents that are live now, for pairs of holder and source.

    Read after the holders' locks are held: a withdrawal takes the same lock.
    """
    rows = await driver.fetch(
        """
        SELECT c.holder_id, c.source_id, c.scene_group, c.granted_at
        FROM unnest($1::uuid[], $2::uuid[]) AS p (holder, source)
        JOIN consents c ON c.holder_id = p.holder AND c.source_id = p.source
        WHERE c.withdrawn_at IS NULL OR c.withdrawn_at > $3
        """,
        holder_ids,
        source_ids,
        now,
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


EntryRow = tuple[UUID, UUID, UUID, int, int, int, int, int, datetime]


async def write_entries(driver: "asyncpg.Connection", rows: Sequence[EntryRow]) -> None:
    """Append (holder, id, activity, asset, kind, debit, credit, amount, booked at)."""
    await driver.copy_records_to_table(
        "entries",
        records=rows,
        columns=[
            "holder_id",
            "id",
            "activity_id",
            "asset_id",
            "kind",
            "debit",
            "credit",
            "amount",
            "booked_at",
        ],
    )


async def add_to_balances(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID], open_mg: Sequence[int], points: Sequence[int]
) -> None:
    """Add to locked balances, one row for each holder; amounts may be negative, balances may not become so."""
    await driver.execute(
        """
        UPDATE balances b SET open_mg = b.open_mg + d.mg, points = b.points + d.points
        FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS d (holder, mg, points) WHERE b.holder_id = d.holder
        """,
        holder_ids,
        open_mg,
        points,
    )


AssetKey = tuple[str, int, int, str]
"""(kind, methodology, vintage, programme)."""


async def know_assets(driver: "asyncpg.Connection", wanted: Sequence[AssetKey]) -> dict[AssetKey, int]:
    """Ids of all assets, after creating those of `wanted` that are new.

    To be committed before the ids are used by another transaction.
    """
    kinds, methodologies, vintages, programmes = map(list, zip(*wanted, strict=True))
    await driver.execute(
        """
        INSERT INTO assets (kind, methodology_id, vintage, programme)
        SELECT * FROM unnest($1::varchar[], $2::int[], $3::smallint[], $4::varchar[]) ON CONFLICT DO NOTHING
        """,
        kinds,
        methodologies,
        vintages,
        programmes,
    )
    rows = await driver.fetch("SELECT id, kind, methodology_id, vintage, programme FROM assets")
    return {(row[1], row[2], row[3], row[4]): row[0] for row in rows}
