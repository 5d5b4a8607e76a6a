"""SQL of reviews, signals and traces."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col, select

from app.auth.principal import prefix
from app.review.models import ActSignal, ActTrace, HeldActivity, State

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.crediting.models import Activity
    from dedup.writes import Writes

REJECTED_IN_REVIEW = "rejected_in_review"


async def find(session: "AsyncSession", activity_id: UUID, *, lock: bool = False) -> HeldActivity | None:
    """The review of an act; locked where it is going to end."""
    query = select(HeldActivity).where(col(HeldActivity.activity_id) == activity_id)
    return (
        await session.exec(
            query.with_for_update().execution_options(populate_existing=True) if lock else query
        )
    ).first()


async def page(
    session: "AsyncSession", region: str, before: UUID | None, limit: int, *, waiting: bool
) -> Sequence[HeldActivity]:
    """Of a region and below, the newest first; only those that wait, or all."""
    query = select(HeldActivity).where(col(HeldActivity.region).startswith(prefix(region)))
    if waiting:
        query = query.where(col(HeldActivity.state) == State.WAITING.value)
    if before is not None:
        query = query.where(col(HeldActivity.activity_id) < before)
    return (await session.exec(query.order_by(col(HeldActivity.activity_id).desc()).limit(limit))).all()


async def due(session: "AsyncSession", now: datetime.datetime, limit: int) -> Sequence[HeldActivity]:
    """Those that nobody decided in time, the longest due first."""
    query = (
        select(HeldActivity)
        .where(col(HeldActivity.state) == State.WAITING.value, col(HeldActivity.due_at) <= now)
        .order_by(col(HeldActivity.due_at))
    )
    return (await session.exec(query.limit(limit))).all()


async def signals_of(
    session: "AsyncSession", acts: Sequence[tuple[UUID, UUID]]
) -> dict[UUID, list[ActSignal]]:
    """Activity → its signals, of (holder, activity)."""
    found: dict[UUID, list[ActSignal]] = {}
    query = select(ActSignal).where(
        col(ActSignal.holder_id).in_([holder for holder, _ in acts]),
        col(ActSignal.activity_id).in_([activity for _, activity in acts]),
    )
    for each in (await session.exec(query.order_by(col(ActSignal.signal)))).all():
        found.setdefault(each.activity_id, []).append(each)
    return found


def end_reversed(writes: "Writes", activity: "Activity", now: datetime.datetime) -> None:
    """What is taken back waits for nobody any more."""
    writes.add(
        """
        UPDATE held_activities SET state = 'reversed', ended_at = $2::timestamptz
        WHERE activity_id = $1::uuid AND state = 'waiting'
        """,
        activity.id,
        now,
    )


def forget_trace(writes: "Writes", activity: "Activity") -> None:
    """An act that does not count is nothing that later ones are compared with."""
    writes.add(
        "DELETE FROM act_traces WHERE holder_id = $1::uuid AND started_at = $2::timestamptz AND activity_id = $3::uuid",
        activity.holder_id,
        activity.started_at,
        activity.id,
    )


async def forget_before(session: "AsyncSession", moment: datetime.datetime) -> None:
    """Drop traces of acts that no window reaches any more."""
    await session.exec(delete(ActTrace).where(col(ActTrace.started_at) < moment))
