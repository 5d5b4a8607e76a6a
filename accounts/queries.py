"""What a holder sees of its account."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import public_id
from accounts.models import AccountKind, Asset, AssetKind, Balance, Entry, EntryKind, Holder
from accounts.quantities import grams
from accounts.schemas import EntryView

if TYPE_CHECKING:
    from collections.abc import Mapping

HOLDER_SIDES = (AccountKind.HOLDER_OPEN, AccountKind.HOLDER_POINTS)


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
            or_(col(Entry.debit).in_(HOLDER_SIDES), col(Entry.credit).in_(HOLDER_SIDES)),
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
        activity_id=public_id("act", entry.activity_id),
        kind="credit" if entry.kind == EntryKind.CREDIT else "reversal",
        asset="reduction" if reduction else "points",
        scene=scenes.get(entry.activity_id),
        co2e_g=grams(signed) if reduction else None,
        points=None if reduction else signed,
        booked_at=entry.booked_at.isoformat(),
    )
