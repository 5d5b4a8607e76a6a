"""Tables of carbon-neutral events: what units are sold for them, what they emit, who pays, and participants' shares."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


def _kg() -> Column[int]:
    return Column(BigInteger, nullable=False)


class OrderState(StrEnum):
    """Where an order stands. Units are locked for what awaits its payment, and retired for what is paid."""

    AWAITING = "awaiting_payment"
    PAID = "paid"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class EventPool(SQLModel, table=True):
    """What is sold for events at a price: units of one stock of an account, or, without one, all that it holds."""

    __tablename__: ClassVar[str] = "event_pools"
    __table_args__ = (
        CheckConstraint("price_fen_per_t > 0", name="event_pools_price"),
        Index("event_pools_region", "region", "id"),
    )

    id: UUID = Field(primary_key=True)
    organisation_id: UUID
    account_id: UUID
    origin_id: UUID | None = None
    region: str = Field(max_length=6)
    title_zh: str
    title_en: str
    price_fen_per_t: int = Field(sa_column=_kg())
    opened_at: datetime = Field(sa_column=_moment())
    closed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class NeutralEvent(SQLModel, table=True):
    """活动: what it emits, line by line, and how many kg of it are ordered and paid."""

    __tablename__: ClassVar[str] = "neutral_events"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('meeting', 'tourism', 'activity', 'personal_life')", name="neutral_events_kind"
        ),
        CheckConstraint("co2e_mg > 0 AND kg = (co2e_mg + 999999) / 1000000", name="neutral_events_amount"),
        CheckConstraint("participants > 0", name="neutral_events_participants"),
        CheckConstraint(
            "paid_kg >= 0 AND paid_kg <= ordered_kg AND ordered_kg <= kg", name="neutral_events_covered"
        ),
        UniqueConstraint("code", name="neutral_events_code"),
        Index("neutral_events_organiser", "organiser_id", "id"),
        Index("neutral_events_region", "region", "day"),
    )

    id: UUID = Field(primary_key=True)
    code: str
    organiser_id: UUID
    of_enterprise: bool
    kind: str
    title: str
    department: str
    region: str = Field(max_length=6)
    day: date
    participants: int
    co2e_mg: int = Field(sa_column=_kg())
    kg: int = Field(sa_column=_kg())
    ordered_kg: int = Field(sa_column=_kg())
    paid_kg: int = Field(sa_column=_kg())
    lines: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = Field(sa_column=_moment())


class EventOrder(SQLModel, table=True):
    """Units for an event. The lock and the retirement of units have its id as their subject."""

    __tablename__: ClassVar[str] = "event_orders"
    __table_args__ = (
        CheckConstraint(
            "state IN ('awaiting_payment', 'paid', 'expired', 'cancelled')", name="event_orders_state"
        ),
        CheckConstraint(
            "kg > 0 AND amount_fen = (kg * price_fen_per_t + 999) / 1000", name="event_orders_amount"
        ),
        CheckConstraint(
            "(state = 'paid') = (paid_at IS NOT NULL) AND (state = 'paid') = (payment_ref IS NOT NULL)",
            name="event_orders_paid",
        ),
        Index("event_orders_event", "event_id", "id"),
        Index("event_orders_buyer", "buyer_id", "id"),
        Index("event_orders_due", "expires_at", postgresql_where=text("state = 'awaiting_payment'")),
    )

    id: UUID = Field(primary_key=True)
    event_id: UUID
    pool_id: UUID
    buyer_id: UUID
    region: str = Field(max_length=6)
    kg: int = Field(sa_column=_kg())
    price_fen_per_t: int = Field(sa_column=_kg())
    amount_fen: int = Field(sa_column=_kg())
    state: str
    created_at: datetime = Field(sa_column=_moment())
    expires_at: datetime = Field(sa_column=_moment())
    paid_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    payment_ref: str | None = None


class EventShare(SQLModel, table=True):
    """A participant's part of an event; `order_id` is the order that pays it, of whoever buys."""

    __tablename__: ClassVar[str] = "event_shares"
    __table_args__ = (
        CheckConstraint("co2e_mg > 0", name="event_shares_amount"),
        UniqueConstraint("event_id", "holder_id", name="event_shares_once"),
        Index("event_shares_holder", "holder_id", "id"),
        Index("event_shares_order", "order_id", postgresql_where=text("order_id IS NOT NULL")),
    )

    id: UUID = Field(primary_key=True)
    event_id: UUID
    holder_id: UUID
    co2e_mg: int = Field(sa_column=_kg())
    taken_at: datetime = Field(sa_column=_moment())
    order_id: UUID | None = None
