"""Human review: a holder contests what a bank was answered, an operator of the region looks and answers, once."""

import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import public_id, uuid7
from accounts.repository import regions_of
from app.auth import audit
from app.auth.principal import prefix
from app.banking.desk_errors import AnswerNotFound, ReviewExists, ReviewNotFound, ReviewOver, TooManyReviews
from app.banking.desk_models import ReviewState, ScoreReview
from app.banking.models import BankGrant, BankReference
from app.database import driver_of
from app.my_data.models import AccessRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmodel.sql.expression import SelectOfScalar

    from app.auth.principal import Principal

MOST_WAITING: Final = 10
"""Of one holder."""


async def open_review(
    session: AsyncSession, holder_id: UUID, access_id: UUID, explanation: str, now: datetime.datetime
) -> ScoreReview:
    """Ask for a review of an answer that a bank got about a locked holder.

    Raises `AnswerNotFound`, `ReviewExists`, `TooManyReviews`.
    """
    asked = (
        await session.exec(
            select(AccessRecord).where(
                col(AccessRecord.holder_id) == holder_id,
                col(AccessRecord.id) == access_id,
                col(AccessRecord.purpose).is_not(None),
                col(AccessRecord.refused).is_(None),
            )
        )
    ).first()
    if asked is None or asked.reader_id is None:
        raise AnswerNotFound
    own = (await session.exec(select(ScoreReview).where(col(ScoreReview.holder_id) == holder_id))).all()
    if any(each.access_id == access_id for each in own):
        raise ReviewExists
    if sum(each.state == ReviewState.WAITING for each in own) >= MOST_WAITING:
        raise TooManyReviews
    made = ScoreReview(
        id=uuid7(now),
        holder_id=holder_id,
        access_id=access_id,
        bank_id=asked.reader_id,
        bank_name=asked.reader_name,
        region=(await regions_of(await driver_of(session), [holder_id]))[holder_id],
        what=asked.what,
        explanation=explanation,
        state=ReviewState.WAITING,
        opened_at=now,
    )
    session.add(made)
    await session.flush()
    return made


async def answer(
    session: AsyncSession,
    principal: "Principal",
    review_id: UUID,
    decision: tuple[ReviewState, str],
    now: datetime.datetime,
    address: str,
) -> ScoreReview:
    """A person's answer, once: (whether it stands, why). Raises `ReviewNotFound`, `ReviewOver`."""
    found = (
        await session.exec(select(ScoreReview).where(col(ScoreReview.id) == review_id).with_for_update())
    ).first()
    if found is None or not principal.may_see_region(found.region):
        raise ReviewNotFound
    if found.state != ReviewState.WAITING:
        raise ReviewOver
    found.state, found.answer = decision
    found.ended_at, found.decided_by = now, principal.client_id
    session.add(found)
    await audit.append(
        session,
        principal,
        now,
        "score_review.answered",
        ("score_review", public_id("srv", review_id)),
        region=found.region,
        address=address,
        reason=found.answer,
        after={"state": found.state},
    )
    return found


async def page_of_holder(
    session: AsyncSession, holder_id: UUID, before: UUID | None, limit: int
) -> "Sequence[ScoreReview]":
    """A holder's reviews, the newest first."""
    query = select(ScoreReview).where(col(ScoreReview.holder_id) == holder_id)
    return await _page(session, query, before, limit)


async def page_of_region(
    session: AsyncSession, region: str, before: UUID | None, limit: int, *, waiting: bool
) -> "Sequence[ScoreReview]":
    """Reviews of an operator's region, the newest first."""
    query = select(ScoreReview).where(col(ScoreReview.region).startswith(prefix(region)))
    if waiting:
        query = query.where(col(ScoreReview.state) == ReviewState.WAITING)
    return await _page(session, query, before, limit)


async def page_of_bank(
    session: AsyncSession, bank_id: UUID, before: UUID | None, limit: int, now: datetime.datetime
) -> "Sequence[tuple[ScoreReview, UUID]]":
    """Reviews of what a bank was answered, with its name for the customer, of those who grant it anything now."""
    granted = (
        select(col(BankGrant.id))
        .where(
            col(BankGrant.holder_id) == col(ScoreReview.holder_id),
            col(BankGrant.bank_id) == bank_id,
            col(BankGrant.ended_at).is_(None),
            col(BankGrant.valid_until) > now,
        )
        .exists()
    )
    query = (
        select(ScoreReview, col(BankReference.reference))
        .join(
            BankReference,
            (col(BankReference.holder_id) == col(ScoreReview.holder_id))
            & (col(BankReference.bank_id) == col(ScoreReview.bank_id)),
        )
        .where(col(ScoreReview.bank_id) == bank_id, granted)
    )
    if before is not None:
        query = query.where(col(ScoreReview.id) < before)
    return (await session.exec(query.order_by(col(ScoreReview.id).desc()).limit(limit))).all()


async def _page(
    session: AsyncSession, query: "SelectOfScalar[ScoreReview]", before: UUID | None, limit: int
) -> "Sequence[ScoreReview]":
    if before is not None:
        query = query.where(col(ScoreReview.id) < before)
    return (await session.exec(query.order_by(col(ScoreReview.id).desc()).limit(limit))).all()


async def forget(session: AsyncSession, holder_id: UUID) -> None:
    """Drop the words of a holder that is erased."""
    await session.exec(
        update(ScoreReview).where(col(ScoreReview.holder_id) == holder_id).values(explanation="")
    )
