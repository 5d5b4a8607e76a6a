"""SQL of programmes and campaigns as texts."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.auth.principal import prefix
from app.programmes.models import Kind, PointsText

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg


@dataclass(frozen=True)
class Approved:
    """A text that counts or is going to, without its content, which never changes."""

    id: UUID
    kind: str
    until: datetime.datetime | None


async def read_approved(driver: "asyncpg.Connection") -> tuple[Approved, ...]:
    """What counts, is going to, or did."""
    rows = await driver.fetch(
        "SELECT id, kind, counts_until FROM points_texts WHERE approved_at IS NOT NULL ORDER BY id"
    )
    return tuple(Approved(row[0], row[1], row[2]) for row in rows)


async def read_contents(driver: "asyncpg.Connection", ids: "Sequence[UUID]") -> dict[UUID, str]:
    """Id → content."""
    if not ids:
        return {}
    rows = await driver.fetch("SELECT id, content FROM points_texts WHERE id = ANY($1::uuid[])", ids)
    return {row[0]: row[1] for row in rows}


async def find(session: AsyncSession, kind: Kind, text_id: UUID, *, lock: bool = False) -> PointsText | None:
    """A text, locked where it is going to change."""
    query = select(PointsText).where(col(PointsText.id) == text_id, col(PointsText.kind) == kind)
    return (await session.exec(query.with_for_update() if lock else query)).first()


async def page(
    session: AsyncSession, kind: Kind, within: str, before: UUID | None, limit: int
) -> list[PointsText]:
    """Texts of the caller's region and below, the newest first."""
    query = select(PointsText).where(
        col(PointsText.kind) == kind, col(PointsText.region).startswith(prefix(within))
    )
    if before is not None:
        query = query.where(col(PointsText.id) < before)
    return list((await session.exec(query.order_by(col(PointsText.id).desc()).limit(limit))).all())


async def begins_then(session: AsyncSession, kind: Kind, region: str, moment: datetime.datetime) -> bool:
    """Whether an approved text of the kind and region begins at this moment."""
    rows = await session.exec(
        select(col(PointsText.id)).where(
            col(PointsText.kind) == kind,
            col(PointsText.region) == region,
            col(PointsText.counts_from) == moment,
            col(PointsText.approved_at).is_not(None),
        )
    )
    return rows.first() is not None
