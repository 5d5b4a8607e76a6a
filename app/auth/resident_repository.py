"""SQL of residents' sessions, epochs and minors."""

import datetime
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, func, or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import public_id
from app.auth.resident_models import Minor, ResidentEpoch, ResidentSession


async def ended_sessions(session: AsyncSession, since: datetime.datetime) -> frozenset[str]:
    """Public ids of the sessions that ended since then."""
    rows = await session.exec(select(ResidentSession.id).where(col(ResidentSession.ended_at) > since))
    return frozenset(public_id("ses", row) for row in rows.all())


async def epochs(session: AsyncSession, since: datetime.datetime) -> dict[UUID, int]:
    """Holder → epoch, of those who signed out everywhere since then."""
    rows = await session.exec(
        select(ResidentEpoch.holder_id, ResidentEpoch.epoch).where(col(ResidentEpoch.revoked_at) > since)
    )
    return dict(rows.all())


async def epoch_of(session: AsyncSession, holder_id: UUID) -> int:
    """How often the holder signed out everywhere."""
    rows = await session.exec(select(ResidentEpoch.epoch).where(col(ResidentEpoch.holder_id) == holder_id))
    return rows.first() or 0


async def next_epoch(session: AsyncSession, holder_id: UUID, now: datetime.datetime) -> int:
    """Begin a new epoch; answers it."""
    statement = insert(ResidentEpoch).values(holder_id=holder_id, epoch=1, revoked_at=now)
    rows = await session.exec(
        statement.on_conflict_do_update(
            index_elements=[col(ResidentEpoch.holder_id)],
            set_={"epoch": col(ResidentEpoch.epoch) + 1, "revoked_at": now},
        ).returning(col(ResidentEpoch.epoch))
    )
    return int(rows.scalar_one())


async def lock_family(session: AsyncSession, family_hash: bytes) -> ResidentSession | None:
    """The session of a family of refresh tokens, locked: what is decided is read under the lock."""
    rows = await session.exec(
        select(ResidentSession).where(col(ResidentSession.family_hash) == family_hash).with_for_update()
    )
    return rows.first()


async def live_sessions(
    session: AsyncSession, holder_id: UUID, now: datetime.datetime
) -> list[ResidentSession]:
    """Sessions that can be refreshed, the latest used first."""
    rows = await session.exec(
        select(ResidentSession)
        .where(
            col(ResidentSession.holder_id) == holder_id,
            col(ResidentSession.ended_at).is_(None),
            col(ResidentSession.expires_at) > now,
        )
        .order_by(col(ResidentSession.last_used_at).desc(), col(ResidentSession.id).desc())
    )
    return list(rows.all())


async def end_sessions(
    session: AsyncSession,
    holder_id: UUID,
    now: datetime.datetime,
    reason: str,
    ids: Sequence[UUID] | None = None,
) -> list[UUID]:
    """End the holder's sessions, or those of `ids` only; answers which ended now."""
    statement = update(ResidentSession).where(
        col(ResidentSession.holder_id) == holder_id, col(ResidentSession.ended_at).is_(None)
    )
    if ids is not None:
        statement = statement.where(col(ResidentSession.id).in_(ids))
    rows = await session.exec(
        statement.values(ended_at=now, end_reason=reason)
        .returning(col(ResidentSession.id))
        .execution_options(synchronize_session=False)
    )
    return list(rows.scalars().all())


async def forget_sessions(session: AsyncSession, before: datetime.datetime) -> None:
    """Drop sessions that ended or expired before."""
    await session.exec(
        delete(ResidentSession).where(
            or_(col(ResidentSession.ended_at) < before, col(ResidentSession.expires_at) < before)
        )
    )


async def find_minor(session: AsyncSession, holder_id: UUID) -> Minor | None:
    """The guardianship of a child's account, while it lasts."""
    rows = await session.exec(
        select(Minor).where(col(Minor.holder_id) == holder_id, col(Minor.ended_at).is_(None))
    )
    return rows.first()


async def children_of(session: AsyncSession, guardian_id: UUID) -> list[Minor]:
    """The children in a guardian's care, the first added first."""
    rows = await session.exec(
        select(Minor)
        .where(col(Minor.guardian_id) == guardian_id, col(Minor.ended_at).is_(None))
        .order_by(col(Minor.holder_id))
    )
    return list(rows.all())


async def end_guardianship(session: AsyncSession, holder_id: UUID, now: datetime.datetime) -> None:
    """The child has its account to itself."""
    await session.exec(
        update(Minor)
        .where(col(Minor.holder_id) == holder_id, col(Minor.ended_at).is_(None))
        .values(ended_at=now)
        .execution_options(synchronize_session=False)
    )


async def count_children(session: AsyncSession, guardian_id: UUID) -> int:
    """How many children a guardian has added and not handed over."""
    rows = await session.exec(
        select(func.count()).where(col(Minor.guardian_id) == guardian_id, col(Minor.ended_at).is_(None))
    )
    return rows.one()
