"""SQL of footprints and offsets."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import lowest_uuid7
from accounts.models import AccountKind, AssetKind
from accounts.offsetting.models import Footprint, Offset

if TYPE_CHECKING:
    import asyncpg

_SKEW = datetime.timedelta(days=1)


async def open_by_asset(driver: "asyncpg.Connection", holder_id: UUID) -> list[tuple[int, int]]:
    """(asset, open mg) of a locked holder, the oldest vintage first. Its entries are younger than the holder itself."""
    since = await driver.fetchval("SELECT created_at FROM holders WHERE id = $1", holder_id)
    rows = await driver.fetch(
        f"""
        SELECT e.asset_id, sum(CASE WHEN e.credit = {AccountKind.HOLDER_OPEN:d} THEN e.amount ELSE -e.amount END)
        FROM entries e JOIN assets a ON a.id = e.asset_id
        WHERE e.holder_id = $1 AND e.id >= $2 AND a.kind = '{AssetKind.REDUCTION}'
          AND {AccountKind.HOLDER_OPEN:d} IN (e.debit, e.credit)
        GROUP BY e.asset_id, a.vintage
        HAVING sum(CASE WHEN e.credit = {AccountKind.HOLDER_OPEN:d} THEN e.amount ELSE -e.amount END) > 0
        ORDER BY a.vintage, e.asset_id
        """,
        holder_id,
        lowest_uuid7(since - _SKEW),
    )
    return [(row[0], int(row[1])) for row in rows]


async def used_mg(driver: "asyncpg.Connection", holder_id: UUID) -> int:
    """What a locked holder has used or had issued."""
    return int(
        await driver.fetchval("SELECT used_mg + issued_mg FROM balances WHERE holder_id = $1", holder_id)
    )


async def open_of_users(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID]
) -> dict[UUID, dict[int, int]]:
    """Locked holder → asset → open mg, of those who have used grams or had them issued; all others have theirs open."""
    users = await driver.fetch(
        """
        SELECT b.holder_id, h.created_at FROM balances b JOIN holders h ON h.id = b.holder_id
        WHERE b.holder_id = ANY($1::uuid[]) AND b.used_mg + b.issued_mg + b.excluded_mg > 0
        """,
        holder_ids,
    )
    if not users:
        return {}
    rows = await driver.fetch(
        f"""
        SELECT e.holder_id, e.asset_id,
            sum(CASE WHEN e.credit = {AccountKind.HOLDER_OPEN:d} THEN e.amount ELSE -e.amount END)::bigint
        FROM entries e WHERE e.holder_id = ANY($1::uuid[]) AND e.id >= $2
          AND {AccountKind.HOLDER_OPEN:d} IN (e.debit, e.credit)
        GROUP BY 1, 2
        """,
        [row[0] for row in users],
        lowest_uuid7(min(row[1] for row in users) - _SKEW),
    )
    found: dict[UUID, dict[int, int]] = {row[0]: {} for row in users}
    for holder_id, asset, mg in rows:
        found[holder_id][asset] = mg
    return found


async def find_footprint(session: AsyncSession, holder_id: UUID, footprint_id: UUID) -> Footprint | None:
    """A holder's own footprint."""
    rows = await session.exec(
        select(Footprint).where(col(Footprint.holder_id) == holder_id, col(Footprint.id) == footprint_id)
    )
    return rows.first()


async def page_of_footprints(
    session: AsyncSession, holder_id: UUID, before: UUID | None, limit: int
) -> Sequence[Footprint]:
    """At most `limit` footprints older than `before`, the newest first."""
    query = select(Footprint).where(col(Footprint.holder_id) == holder_id)
    if before is not None:
        query = query.where(col(Footprint.id) < before)
    return (await session.exec(query.order_by(col(Footprint.id).desc()).limit(limit))).all()


async def offsets_of(
    session: AsyncSession, holder_id: UUID, footprint_ids: Sequence[UUID]
) -> dict[UUID, Offset]:
    """Footprint → the offset that used grams for it."""
    rows = await session.exec(
        select(Offset).where(col(Offset.holder_id) == holder_id, col(Offset.footprint_id).in_(footprint_ids))
    )
    return {offset.footprint_id: offset for offset in rows.all() if offset.footprint_id is not None}


async def page_of_offsets(
    session: AsyncSession, holder_id: UUID, before: UUID | None, limit: int
) -> Sequence[Offset]:
    """At most `limit` offsets older than `before`, the newest first."""
    query = select(Offset).where(col(Offset.holder_id) == holder_id)
    if before is not None:
        query = query.where(col(Offset.id) < before)
    return (await session.exec(query.order_by(col(Offset.id).desc()).limit(limit))).all()


async def forget_footprints(driver: "asyncpg.Connection", holder_id: UUID) -> None:
    """Drop what a locked holder told of its life; of a footprint that is offset, what the certificate needs stays."""
    await driver.execute(
        """
        DELETE FROM footprints f WHERE holder_id = $1 AND NOT EXISTS (
            SELECT FROM offsets o WHERE o.holder_id = f.holder_id AND o.footprint_id = f.id)
        """,
        holder_id,
    )
    await driver.execute("UPDATE footprints SET lines = '[]' WHERE holder_id = $1", holder_id)


async def move_footprints(driver: "asyncpg.Connection", holder_id: UUID, absorbed: UUID) -> None:
    """Give a holder the footprints of a blank account, which has offset none; both locked."""
    await driver.execute(
        """
        INSERT INTO footprints (holder_id, id, month, region, co2e_mg, lines, created_at)
        SELECT $1, id, month, region, co2e_mg, lines, created_at FROM footprints WHERE holder_id = $2
        """,
        holder_id,
        absorbed,
    )
    await driver.execute("DELETE FROM footprints WHERE holder_id = $1", absorbed)


async def find_offset(session: AsyncSession, offset_id: UUID) -> Offset | None:
    """An offset, whosever it is: for its certificate."""
    return (await session.exec(select(Offset).where(col(Offset.id) == offset_id))).first()
