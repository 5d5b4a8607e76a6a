"""The one way a payment changes: whoever tells of it, and however often, it counts once.

Everything runs in the caller's transaction and asks no provider. `docs/payments.md` draws the states.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from accounts.ids import uuid7
from points.payments import repository
from points.payments.errors import NotPayable
from points.payments.models import PaymentState, Subject
from points.payments.provider import Refund, RefundState, Trade, TradeState

if TYPE_CHECKING:
    import asyncpg

FIRST_LOOK = datetime.timedelta(seconds=30)
LEAST_TIME = datetime.timedelta(seconds=60)
"""The least that the provider lets a payer have."""
DONE = (PaymentState.REFUNDED, PaymentState.REFUND_FAILED)


@dataclass(frozen=True, slots=True)
class Payable:
    """An order that waits for its payment. Fen."""

    subject: Subject
    subject_id: UUID
    payer_id: UUID
    region: str
    amount_fen: int
    expires_at: datetime.datetime
    description: str


class Orders(Protocol):
    """What payments need of a kind of orders."""

    async def payable(
        self, driver: "asyncpg.Connection", payer_id: UUID, subject_id: UUID, now: datetime.datetime
    ) -> Payable:
        """The order of this payer that waits for its payment; raises a domain error where there is none."""

    async def mark_paid(
        self,
        driver: "asyncpg.Connection",
        subject_id: UUID,
        reference: str,
        paid_at: datetime.datetime,
        now: datetime.datetime,
    ) -> bool:
        """Take the payment for the order, in this transaction; False where the order is over."""


def refund_no(out_trade_no: str) -> str:
    """The one refund that a payment can have."""
    return "R" + out_trade_no


async def open_payment(
    driver: "asyncpg.Connection", provider: str, payable: Payable, now: datetime.datetime
) -> "asyncpg.Record":
    """The payment of an order, the same one each time; raises `NotPayable` where it is over or nearly so."""
    payment_id = uuid7(now)
    if payable.expires_at - now < LEAST_TIME:
        raise NotPayable
    order = (
        payable.subject.value,
        payable.subject_id,
        payable.payer_id,
        payable.region,
        payable.amount_fen,
        payable.expires_at,
    )
    # 32 characters, the longest number that WeChat Pay takes.
    number = payment_id.bytes.hex()
    row = await repository.open_payment(driver, payment_id, order, provider, number, now, now + FIRST_LOOK)
    if row["state"] != PaymentState.AWAITING:
        raise NotPayable
    return row


async def record_trade(
    driver: "asyncpg.Connection", orders: Mapping[Subject, Orders], trade: Trade, now: datetime.datetime
) -> PaymentState | None:
    """Take note of what the provider tells of a payment; answers the state it is in, None where it is not ours."""
    row = await repository.lock_payment(driver, trade.out_trade_no)
    if row is None:
        return None
    state = PaymentState(row["state"])
    if state not in (PaymentState.AWAITING, PaymentState.CLOSED) or trade.paid_at is None:
        return state
    after, reason, trouble = PaymentState.PAID, None, None
    if trade.state is TradeState.REFUNDED:
        # Given back at the provider by hand, before we ever heard of the payment.
        after, reason = PaymentState.REFUNDED, "elsewhere"
    elif trade.total_fen != row["amount_fen"]:
        after, reason, trouble = PaymentState.REFUNDING, "amount_differs", "amount_differs"
    elif not await orders[Subject(row["subject"])].mark_paid(
        driver, row["subject_id"], trade.out_trade_no, trade.paid_at, now
    ):
        after, reason = PaymentState.REFUNDING, "order_over"
    await repository.mark_paid(
        driver,
        row["id"],
        after,
        trade.transaction_id,
        trade.total_fen,
        trade.paid_at,
        reason,
        now if after is PaymentState.REFUNDING else None,
        trouble,
    )
    return after


async def record_refund(
    driver: "asyncpg.Connection", refund: Refund, now: datetime.datetime
) -> PaymentState | None:
    """Take note of how a refund of ours stands."""
    row = await repository.lock_payment(driver, refund.out_trade_no)
    if row is None or refund.refund_no != refund_no(refund.out_trade_no):
        return None
    if row["state"] not in (PaymentState.REFUNDING, PaymentState.REFUND_FAILED):
        return PaymentState(row["state"])
    if refund.refund_fen != row["paid_fen"]:
        after, trouble = PaymentState.REFUND_FAILED, "refund_amount_differs"
    elif refund.state is RefundState.DONE:
        after, trouble = PaymentState.REFUNDED, None
    elif refund.state is RefundState.FAILED:
        after, trouble = PaymentState.REFUND_FAILED, "refund_abnormal"
    else:
        after, trouble = PaymentState.REFUNDING, None
    await repository.mark_refund(
        driver,
        row["id"],
        after,
        refund.accepted_at or now,
        now if after is PaymentState.REFUNDED else None,
        row["look_at"] if after is PaymentState.REFUNDING else None,
        trouble,
    )
    return after
