"""Redemptions as payments know them: orders that wait for their money."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.errors import DomainError
from points import redemption_repository, redemptions
from points.payments.errors import NotPayable
from points.payments.models import Subject
from points.payments.service import Payable
from points.redemption_errors import RedemptionNotFound
from points.redemption_states import State

if TYPE_CHECKING:
    import asyncpg


class RedemptionOrders:
    """Asks and changes redemptions within the payment's own transaction."""

    def __init__(self, policy: redemptions.Policy) -> None:
        self._policy = policy

    async def payable(
        self, driver: "asyncpg.Connection", payer_id: UUID, subject_id: UUID, now: datetime.datetime
    ) -> Payable:
        """The order of this holder that waits for its payment; `RedemptionNotFound`, or `NotPayable` if it does not."""
        found = await redemption_repository.find_own(driver, payer_id, subject_id)
        if found is None or found.terms is None:
            raise RedemptionNotFound
        if found.state != State.AWAITING_PAYMENT or found.hold_until <= now or not found.fen:
            raise NotPayable
        return Payable(
            subject=Subject.REDEMPTION,
            subject_id=found.id,
            payer_id=payer_id,
            region=found.terms.region,
            amount_fen=found.fen,
            expires_at=found.hold_until,
            description=found.terms.title_zh,
        )

    async def mark_paid(
        self,
        driver: "asyncpg.Connection",
        subject_id: UUID,
        reference: str,
        paid_at: datetime.datetime,
        now: datetime.datetime,
    ) -> bool:
        """Spend the points of the order; False where it is over, so that the money goes back."""
        answer = await redemptions.mark_paid(driver, subject_id, reference, paid_at, self._policy, now)
        return not isinstance(answer, DomainError)
