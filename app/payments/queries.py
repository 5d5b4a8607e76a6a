"""Payments and differences as operators read them."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlmodel import col, select

from app.auth.principal import prefix
from points.payments.models import Payment, PaymentDifference, PaymentState

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession


async def payments(
    session: "AsyncSession", within: str, state: PaymentState | None, before: UUID | None, limit: int
) -> list[Payment]:
    """Payments of a region and its parts, the latest first."""
    query = select(Payment).where(col(Payment.region).startswith(prefix(within)))
    if state is not None:
        query = query.where(col(Payment.state) == state.value)
    if before is not None:
        query = query.where(col(Payment.id) < before)
    return list((await session.exec(query.order_by(col(Payment.id).desc()).limit(limit))).all())


async def differences(
    session: "AsyncSession", within: str, day: datetime.date | None, before: UUID | None, limit: int
) -> list[PaymentDifference]:
    """Differences of a region and its parts, the latest first; what is nobody's region's is the nation's."""
    query = select(PaymentDifference).where(col(PaymentDifference.region).startswith(prefix(within)))
    if day is not None:
        query = query.where(col(PaymentDifference.day) == day)
    if before is not None:
        query = query.where(col(PaymentDifference.id) < before)
    return list((await session.exec(query.order_by(col(PaymentDifference.id).desc()).limit(limit))).all())
