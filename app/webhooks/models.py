"""Tables of the endpoints that organisations registered, and of what is to be told to them."""

import enum
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Identity, Index, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel


class DeliveryState(enum.StrEnum):
    """What became of a delivery. `dead`: every attempt failed; it can be replayed."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class WebhookEndpoint(SQLModel, table=True):
    """Where an organisation wants to be told. Secrets are encrypted with a key derived from the deployment's."""

    __tablename__: ClassVar[str] = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint(
            "(disabled_at IS NULL) = (disabled_reason IS NULL)", name="webhook_endpoints_disabled"
        ),
        Index("webhook_endpoints_organisation", "organisation_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    organisation_id: UUID
    url: str
    description: str
    event_types: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    version: int
    secret: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    previous_secret: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    previous_until: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    created_at: datetime = Field(sa_column=_moment())
    failing_since: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    disabled_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    disabled_reason: str | None = None


class WebhookDelivery(SQLModel, table=True):
    """One event for one endpoint, written in the transaction that made it true.

    `seq` orders the events of a subject. `due_at` is also the lease: who takes the row moves it ahead, and `attempts`
    tells takers apart.
    """

    __tablename__: ClassVar[str] = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'delivered', 'dead')", name="webhook_deliveries_state"),
        Index(
            "webhook_deliveries_due",
            "endpoint_id",
            "due_at",
            postgresql_where="state = 'pending'",
        ),
        Index(
            "webhook_deliveries_subject",
            "endpoint_id",
            "subject",
            "seq",
            postgresql_where="state = 'pending'",
        ),
        Index("webhook_deliveries_dead", "endpoint_id", "event_id", postgresql_where="state = 'dead'"),
    )

    endpoint_id: UUID = Field(primary_key=True)
    event_id: UUID = Field(primary_key=True)
    seq: int = Field(sa_column=Column(BigInteger, Identity(always=True), nullable=False))
    type: str
    subject: str
    data: str
    happened_at: datetime = Field(sa_column=_moment())
    state: str
    attempts: int
    due_at: datetime = Field(sa_column=_moment())
    settled_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    last_status: int | None = None
    last_error: str | None = None
    last_answer: str | None = None
