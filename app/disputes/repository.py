"""SQL of disputes and moves."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import func, or_, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.auth.principal import prefix
from app.crediting.models import Activity
from app.disputes.models import ClaimMove, Dispute, Party, State

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


async def lock_party(session: AsyncSession, party_id: UUID) -> None:
    """One dispute of a party is opened at a time, so that their number stays bounded."""
    await session.exec(  # type: ignore[call-overload]
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))").bindparams(
            key=f"tanpuhui disputes of {party_id}"
        )
    )


async def open_of(session: AsyncSession, party_id: UUID) -> int:
    """How many disputes of a party are open."""
    query = select(func.count()).where(
        col(Dispute.party_id) == party_id, col(Dispute.state) == State.OPEN.value
    )
    return int((await session.exec(query)).one())


async def is_contested(session: AsyncSession, activity_id: UUID, party: Party) -> bool:
    """Whether an activity is disputed, or was by this party."""
    query = select(col(Dispute.id)).where(
        col(Dispute.activity_id) == activity_id,
        or_(
            col(Dispute.state) == State.OPEN.value,
            (col(Dispute.party) == party.value) & (col(Dispute.state) != State.WITHDRAWN.value),
        ),
    )
    return (await session.exec(query.limit(1))).first() is not None


async def add(session: AsyncSession, dispute: Dispute) -> bool:
    """Store a new dispute; False where the activity is disputed, or was by this party."""
    row = await session.exec(
        insert(Dispute).values(**dispute.model_dump()).on_conflict_do_nothing().returning(col(Dispute.id))
    )
    return row.first() is not None


async def find(session: AsyncSession, dispute_id: UUID, *, lock: bool = False) -> Dispute | None:
    """A dispute, locked where it is going to end."""
    query = select(Dispute).where(col(Dispute.id) == dispute_id)
    return (await session.exec(query.with_for_update() if lock else query)).first()


async def page_of_party(
    session: AsyncSession, party: Party, party_id: UUID, before: UUID | None, limit: int
) -> Sequence[Dispute]:
    """A party's own, the newest first."""
    return await _page(
        session, [col(Dispute.party) == party.value, col(Dispute.party_id) == party_id], before, limit
    )


async def page_of_region(
    session: AsyncSession, region: str, before: UUID | None, limit: int, *, waiting: bool
) -> Sequence[Dispute]:
    """Of a region and below, the newest first; only those that are open, or all."""
    wanted: list[ColumnElement[bool]] = [col(Dispute.region).startswith(prefix(region))]
    if waiting:
        wanted.append(col(Dispute.state) == State.OPEN.value)
    return await _page(session, wanted, before, limit)


async def _page(
    session: AsyncSession, wanted: "list[ColumnElement[bool]]", before: UUID | None, limit: int
) -> Sequence[Dispute]:
    query = select(Dispute).where(*wanted)
    if before is not None:
        query = query.where(col(Dispute.id) < before)
    return (await session.exec(query.order_by(col(Dispute.id).desc()).limit(limit))).all()


async def moves_of(session: AsyncSession, dispute_ids: Sequence[UUID]) -> dict[UUID, ClaimMove]:
    """Dispute → what it moved."""
    found = await session.exec(select(ClaimMove).where(col(ClaimMove.dispute_id).in_(dispute_ids)))
    return {move.dispute_id: move for move in found.all()}


async def was_moved(session: AsyncSession, *activity_ids: UUID) -> bool:
    """Whether one of the activities got or lost its credit by a move."""
    query = select(col(ClaimMove.dispute_id)).where(
        or_(
            col(ClaimMove.to_activity_id).in_(activity_ids), col(ClaimMove.from_activity_id).in_(activity_ids)
        )
    )
    return (await session.exec(query.limit(1))).first() is not None


async def was_contested(session: AsyncSession, *activity_ids: UUID) -> bool:
    """Whether one of the activities is disputed, or an operator decided on it."""
    query = select(col(Dispute.id)).where(
        col(Dispute.activity_id).in_(activity_ids), col(Dispute.state) != State.WITHDRAWN.value
    )
    if (await session.exec(query.limit(1))).first() is not None:
        return True
    return await was_moved(session, *activity_ids)


async def about(session: AsyncSession, activity: Activity) -> list[tuple[Dispute, ClaimMove | None]]:
    """Disputes of an activity, and those that moved a claim to it or from it; the first one first."""
    moved = (
        await session.exec(
            select(ClaimMove).where(
                or_(
                    col(ClaimMove.to_activity_id) == activity.id,
                    col(ClaimMove.from_activity_id) == activity.id,
                )
            )
        )
    ).all()
    moves = {move.dispute_id: move for move in moved}
    query = select(Dispute).where(
        or_(
            (col(Dispute.holder_id) == activity.holder_id) & (col(Dispute.activity_id) == activity.id),
            col(Dispute.id).in_(list(moves)),
        )
    )
    found = (await session.exec(query.order_by(col(Dispute.id)))).all()
    return [(each, moves.get(each.id)) for each in found]


async def activity(session: AsyncSession, activity_id: UUID) -> Activity | None:
    """An activity by its id."""
    return (await session.exec(select(Activity).where(col(Activity.id) == activity_id))).first()
