"""What a holder sees of its account."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast
from uuid import UUID

from sqlalchemy import and_, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import public_id
from accounts.models import OF_ACTIVITIES, AccountKind, Asset, AssetKind, Balance, Entry, EntryKind, Holder
from accounts.quantities import grams
from accounts.schemas import EntryView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accounts.schemas import EntryWord

HOLDER_SIDES = (AccountKind.HOLDER_OPEN, AccountKind.HOLDER_POINTS, AccountKind.HOLDER_OWED)
"""What is repaid comes in as well: a holder's points are those that are there less those that are owed."""


async def find_holder(session: AsyncSession, holder_id: UUID) -> tuple[Holder, Balance] | None:
    """A holder with its balance."""
    rows = await session.exec(
        select(Holder, Balance)
        .join(Balance, col(Balance.holder_id) == col(Holder.id))
        .where(col(Holder.id) == holder_id)
    )
    return rows.first()


async def page_of_entries(
    session: AsyncSession, holder_id: UUID, before: UUID | None, limit: int
) -> Sequence[tuple[Entry, Asset]]:
    """At most `limit` entries of the holder's accounts older than `before`, the newest first."""
    query = (
        select(Entry, Asset)
        .join(Asset, col(Asset.id) == col(Entry.asset_id))
        .where(
            col(Entry.holder_id) == holder_id,
            # Not what moves between the system's accounts, nor what was on hold and is spent: the hold told of it.
            or_(
                and_(
                    col(Entry.debit) >= AccountKind.HOLDER_OPEN, col(Entry.debit) != AccountKind.HOLDER_HELD
                ),
                col(Entry.credit) >= AccountKind.HOLDER_OPEN,
            ),
        )
        .order_by(col(Entry.id).desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(col(Entry.id) < before)
    return (await session.exec(query)).all()


def entry_view(entry: Entry, asset: Asset, scenes: "Mapping[UUID, str]") -> EntryView:
    """An entry as its holder sees it: what came in is positive."""
    signed = entry.amount if entry.credit in HOLDER_SIDES else -entry.amount
    reduction = asset.kind == AssetKind.REDUCTION
    return EntryView(
        entry_id=public_id("ent", entry.id),
        activity_id=public_id("act", entry.cause_id) if entry.kind in OF_ACTIVITIES else None,
        kind=cast("EntryWord", EntryKind(entry.kind).name.lower()),
        asset="reduction" if reduction else "points",
        scene=scenes.get(entry.cause_id),
        co2e_g=grams(signed) if reduction else None,
        points=None if reduction else signed,
        booked_at=entry.booked_at.isoformat(),
    )
