"""Tables of what operators and holders add to what banks see: lawful channels, human reviews, monitoring."""

import enum
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, Index, text
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class ScoreChannel(SQLModel, table=True):
    """The lawful way by which scores are exported to a bank: one operator proposes it, another approves it."""

    __tablename__: ClassVar[str] = "score_channels"
    __table_args__ = (
        CheckConstraint("(approved_at IS NULL) = (approved_by IS NULL)", name="score_channels_approved"),
        CheckConstraint("approved_by IS NULL OR approved_by <> proposed_by", name="score_channels_two"),
        Index("score_channels_bank", "bank_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    bank_id: UUID
    region: str = Field(max_length=6)
    name: str
    basis: str
    proposed_by: str
    proposed_at: datetime = Field(sa_column=_moment())
    approved_by: str | None = None
    approved_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class ReviewState(enum.StrEnum):
    """How far a human review has come."""

    WAITING = "waiting"
    UPHELD = "upheld"
    CORRECTED = "corrected"


class ScoreReview(SQLModel, table=True):
    """A holder wants a person to look at what a bank was answered; `access_id` is the record of that answer."""

    __tablename__: ClassVar[str] = "score_reviews"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'upheld', 'corrected')", name="score_reviews_state"),
        CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="score_reviews_ended"),
        Index("score_reviews_waiting", "id", postgresql_where=text("state = 'waiting'")),
        Index("score_reviews_holder", "holder_id", "id"),
        Index("score_reviews_bank", "bank_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    holder_id: UUID
    access_id: UUID
    bank_id: UUID
    bank_name: str
    region: str = Field(max_length=6)
    what: str
    explanation: str
    state: str
    opened_at: datetime = Field(sa_column=_moment())
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    decided_by: str | None = None
    answer: str = ""


class BankMonitor(SQLModel, table=True):
    """A bank is told when a customer's tier or label falls. `tier` and `label` are as it was told last."""

    __tablename__: ClassVar[str] = "bank_monitors"
    __table_args__ = (Index("bank_monitors_holder", "holder_id"),)

    bank_id: UUID = Field(primary_key=True)
    holder_id: UUID = Field(primary_key=True)
    card: str
    tier: str | None = None
    label: str | None = None
    since: datetime = Field(sa_column=_moment())
    looked_at: datetime = Field(sa_column=_moment())
