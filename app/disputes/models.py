"""Tables of disputes, and of the claims that they moved."""

import enum
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, Index, text
from sqlmodel import Field, SQLModel


class State(enum.StrEnum):
    """How far a dispute has come."""

    OPEN = "open"
    UPHELD = "upheld"
    MOVED = "moved"
    WITHDRAWN = "withdrawn"


class Party(enum.StrEnum):
    """Who contests."""

    HOLDER = "holder"
    PLATFORM = "platform"


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class Dispute(SQLModel, table=True):
    """What a party says of an activity's outcome, and what became of it. `region` and `source_id` are the activity's.

    `party_id` is the holder or the organisation.
    """

    __tablename__: ClassVar[str] = "disputes"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'upheld', 'moved', 'withdrawn')", name="disputes_state"),
        CheckConstraint("party IN ('holder', 'platform')", name="disputes_party"),
        CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="disputes_ended"),
        CheckConstraint("(decided_by IS NOT NULL) = (state IN ('upheld', 'moved'))", name="disputes_decided"),
        Index("disputes_of_party", "party_id", "id"),
        Index("disputes_of_holder", "holder_id", "activity_id"),
        Index("disputes_waiting", "id", postgresql_where=text("state = 'open'")),
    )

    id: UUID = Field(primary_key=True)
    holder_id: UUID
    activity_id: UUID
    region: str = Field(max_length=6)
    source_id: UUID
    party: str
    party_id: UUID
    explanation: str
    state: str
    opened_at: datetime = Field(sa_column=_moment())
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    decided_by: str | None = None
    reason: str


class ClaimMove(SQLModel, table=True):
    """A claim that went from one activity to another, each at most once. Never changed, never deleted.

    Without `from_activity_id` nobody had the credit any more.
    """

    __tablename__: ClassVar[str] = "claim_moves"
    to_activity_id: UUID = Field(primary_key=True)
    to_holder_id: UUID
    from_activity_id: UUID | None = None
    from_holder_id: UUID | None = None
    dispute_id: UUID
    at: datetime = Field(sa_column=_moment())
