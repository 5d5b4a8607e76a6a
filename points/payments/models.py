"""Tables of payments beside points, and of what differs between them and the provider's bills."""

import enum
from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, UniqueConstraint
from sqlmodel import Field, SQLModel


class Subject(enum.StrEnum):
    """What is paid for."""

    REDEMPTION = "redemption"
    EVENT = "event"
    MARKET_FUNDING = "market_funding"


class PaymentState(enum.StrEnum):
    """Where a payment stands. `refunding` is sure to be given back; `refund_failed` needs a person."""

    AWAITING = "awaiting"
    PAID = "paid"
    CLOSED = "closed"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"


def _moment(*, nullable: bool = True) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class Payment(SQLModel, table=True):
    """What is paid for one subject: a resident's redemption, an event, money for the market.

    `payer_id`: the holder or organisation that owes it. Whose purse it came from is the provider's to know.

    `look_at`: when to ask the provider next, also the lease of who asks; null: there is nothing to ask.
    """

    __tablename__: ClassVar[str] = "payments"
    __table_args__ = (
        CheckConstraint(
            "state IN ('awaiting', 'paid', 'closed', 'refunding', 'refunded', 'refund_failed')",
            name="payments_state",
        ),
        CheckConstraint("amount_fen > 0", name="payments_amount"),
        CheckConstraint(
            "state IN ('awaiting', 'closed') OR (transaction_id IS NOT NULL AND paid_fen IS NOT NULL)",
            name="payments_paid",
        ),
        UniqueConstraint("out_trade_no", name="payments_out_trade_no"),
        CheckConstraint("subject IN ('redemption', 'event', 'market_funding')", name="payments_subject"),
        UniqueConstraint("subject_id", name="payments_subject_id"),
        Index("payments_look", "look_at", postgresql_where="look_at IS NOT NULL"),
        Index("payments_paid_at", "paid_at"),
        Index("payments_refund_at", "refund_at", postgresql_where="refund_at IS NOT NULL"),
    )

    id: UUID = Field(primary_key=True)
    subject: str
    subject_id: UUID
    payer_id: UUID
    region: str
    provider: str
    out_trade_no: str
    amount_fen: int = Field(sa_column=Column(BigInteger, nullable=False))
    state: str
    created_at: datetime = Field(sa_column=_moment(nullable=False))
    expires_at: datetime = Field(sa_column=_moment(nullable=False))
    look_at: datetime | None = Field(default=None, sa_column=_moment())
    looks: int = 0
    transaction_id: str | None = None
    paid_fen: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    paid_at: datetime | None = Field(default=None, sa_column=_moment())
    refund_reason: str | None = None
    refund_at: datetime | None = Field(default=None, sa_column=_moment())
    refunded_at: datetime | None = Field(default=None, sa_column=_moment())
    trouble: str | None = None


class PaymentBill(SQLModel, table=True):
    """A day whose bill was, or is to be, compared."""

    __tablename__: ClassVar[str] = "payment_bills"

    provider: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    look_at: datetime = Field(sa_column=_moment(nullable=False))
    lines: int | None = None
    compared_at: datetime | None = Field(default=None, sa_column=_moment())


class PaymentDifference(SQLModel, table=True):
    """Something that the provider's bill of a day says otherwise than our books. Append-only."""

    __tablename__: ClassVar[str] = "payment_differences"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('missing', 'unknown', 'amount_differs', 'state_differs', 'refund_missing', 'refund_unknown',"
            " 'refund_amount_differs')",
            name="payment_differences_kind",
        ),
        Index("payment_differences_region", "region", "id"),
    )

    id: UUID = Field(primary_key=True)
    provider: str
    day: date
    out_trade_no: str
    kind: str
    region: str = Field(description="Whose operators may read it; empty: the nation's only")
    ours_fen: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    theirs_fen: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    found_at: datetime = Field(sa_column=_moment(nullable=False))
