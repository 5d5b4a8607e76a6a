"""Tables of signals, of the acts that they held, and of what they look back over."""

import enum
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class State(enum.StrEnum):
    """How far the review of an act has come; `reversed` where the act was taken back meanwhile."""

    WAITING = "waiting"
    RELEASED = "released"
    REJECTED = "rejected"
    REVERSED = "reversed"


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class ActTrace(SQLModel, table=True):
    """What signals look back over, of acts in watched regions; dropped when no window reaches it any more.

    `device` is a keyed hash.
    """

    __tablename__: ClassVar[str] = "act_traces"
    __table_args__ = (
        Index("act_traces_device", "device", "started_at", postgresql_where=text("device IS NOT NULL")),
        Index("act_traces_age", "started_at"),
    )

    holder_id: UUID = Field(primary_key=True)
    started_at: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    activity_id: UUID = Field(primary_key=True)
    ended_at: datetime = Field(sa_column=_moment())
    scene: str
    region: str = Field(max_length=6)
    distance_m: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    device: UUID | None = None


class ActSignal(SQLModel, table=True):
    """What a signal said of an act, by which policy, and what followed. Never changed, never deleted."""

    __tablename__: ClassVar[str] = "act_signals"
    __table_args__ = (
        CheckConstraint("score >= 1 AND score <= 100", name="act_signals_score"),
        CheckConstraint("action IN ('pass', 'hold', 'reject')", name="act_signals_action"),
    )

    holder_id: UUID = Field(primary_key=True)
    activity_id: UUID = Field(primary_key=True)
    signal: str = Field(primary_key=True)
    score: int = Field(sa_column=Column(SmallInteger, nullable=False))
    action: str
    evidence: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    policy_id: UUID


class HeldActivity(SQLModel, table=True):
    """An act that waits for an operator, or did. `undecided` is what becomes of it at `due_at`."""

    __tablename__: ClassVar[str] = "held_activities"
    __table_args__ = (
        CheckConstraint(
            "state IN ('waiting', 'released', 'rejected', 'reversed')", name="held_activities_state"
        ),
        CheckConstraint("undecided IN ('release', 'reject')", name="held_activities_undecided"),
        CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="held_activities_ended"),
        Index("held_activities_due", "due_at", postgresql_where=text("state = 'waiting'")),
        Index("held_activities_waiting", "activity_id", postgresql_where=text("state = 'waiting'")),
    )

    activity_id: UUID = Field(primary_key=True)
    holder_id: UUID
    region: str = Field(max_length=6)
    held_at: datetime = Field(sa_column=_moment())
    due_at: datetime = Field(sa_column=_moment())
    undecided: str
    state: str
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    decided_by: str | None = None
    reason: str
