"""What a holder sees of its points."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from points.models import Lot


async def expiring(session: AsyncSession, holder_id: UUID) -> Sequence[tuple[date, int]]:
    """(day, points that go then) of a holder, the next first."""
    rows = await session.exec(
        select(col(Lot.expires_on), func.sum(col(Lot.remaining)))
        .where(col(Lot.holder_id) == holder_id, col(Lot.remaining) > 0)
        .group_by(col(Lot.expires_on))
        .order_by(col(Lot.expires_on))
        .limit(200)
    )
    return [(row[0], int(row[1])) for row in rows.all()]
