"""Orders of events as payments know them, and the certificates that a payment brings in its own commit."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from app.events import repository, service
from app.events.certifying import certify
from app.events.models import OrderState
from points.payments.errors import NotPayable
from points.payments.models import Subject
from points.payments.service import Payable

if TYPE_CHECKING:
    import asyncpg

    from app.auth.keys import KeyRing


class EventOrders:
    """Asks and changes orders of events within the payment's own transaction; `keys` sign certificates."""

    def __init__(self, keys: "KeyRing") -> None:
        self._keys = keys

    async def payable(
        self, driver: "asyncpg.Connection", payer_id: UUID, subject_id: UUID, now: datetime.datetime
    ) -> Payable:
        """The order of this buyer that waits for its payment; `EventOrderNotFound`, or `NotPayable`."""
        found = await service.own_order(driver, payer_id, subject_id)
        if found["state"] != OrderState.AWAITING or found["expires_at"] <= now:
            raise NotPayable
        pool = await repository.pool(driver, found["pool_id"])
        return Payable(
            subject=Subject.EVENT,
            subject_id=found["id"],
            payer_id=payer_id,
            region=found["region"],
            amount_fen=found["amount_fen"],
            expires_at=found["expires_at"],
            description=f"活动碳中和 {found['kg']} kg {pool['title_zh']}"[:40],
        )

    async def mark_paid(
        self,
        driver: "asyncpg.Connection",
        subject_id: UUID,
        reference: str,
        paid_at: datetime.datetime,
        now: datetime.datetime,
    ) -> bool:
        """Retire the units of the order and certify it; False where it is over, so that the money goes back."""
        paid = await service.pay(driver, subject_id, reference, paid_at, now)
        if paid is None:
            return False
        await certify(driver, self._keys, *paid, now)
        return True
