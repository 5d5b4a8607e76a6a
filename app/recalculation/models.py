"""Tables of recalculations, and of what each changed."""

import enum
from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class State(enum.StrEnum):
    """How far a recalculation has come."""

    PREVIEWING = "previewing"
    PREVIEWED = "previewed"
    APPROVED = "approved"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class Recalculation(SQLModel, table=True):
    """重算: the days of a corrected version computed again. `content_hash` is the text that the preview is of.

    `cursor` is the last holder that is done in this pass; what was done is committed together with it. A unique index
    lets a revision have one that is not over.
    """

    __tablename__: ClassVar[str] = "recalculations"
    __table_args__ = (
        CheckConstraint(
            "state IN ('previewing', 'previewed', 'approved', 'running', 'done', 'cancelled')",
            name="recalculations_state",
        ),
        CheckConstraint("approved_by IS NULL OR approved_by <> requested_by", name="recalculations_second"),
        CheckConstraint(
            "state <> ALL (ARRAY['approved', 'running', 'done'])"
            " OR approved_at IS NOT NULL AND approved_by IS NOT NULL AND activates_at IS NOT NULL"
            " AND runs_from IS NOT NULL AND previewed_at IS NOT NULL",
            name="recalculations_approved",
        ),
        CheckConstraint(
            "(ended_at IS NOT NULL) = (state IN ('done', 'cancelled'))", name="recalculations_ended"
        ),
    )

    id: UUID = Field(primary_key=True)
    region: str
    scene: str
    revision_id: UUID = Field(foreign_key="methodology_revisions.id")
    content_hash: str
    first_day: date
    last_day: date | None = None
    state: str
    requested_by: str
    reason: str
    created_at: datetime = Field(sa_column=_moment())
    replaces: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    cursor: UUID | None = None
    preview: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    previewed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    approved_by: str | None = None
    approved_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    approval_reason: str = ""
    activates_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    runs_from: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    totals: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    changed_in_pass: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    cancelled_by: str | None = None
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class RecalculatedActivity(SQLModel, table=True):
    """What one recalculation changed of one activity. Written once, in the commit that changed it."""

    __tablename__: ClassVar[str] = "recalculated_activities"

    holder_id: UUID = Field(primary_key=True)
    activity_id: UUID = Field(primary_key=True)
    recalculation_id: UUID = Field(sa_column=Column(ForeignKey("recalculations.id"), primary_key=True))
    at: datetime = Field(sa_column=_moment())
    before_methodology_id: int
    before_outcome: str
    before_reason: str | None = None
    before_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    before_full_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    before_points: int = Field(sa_column=Column(BigInteger, nullable=False))
    after_methodology_id: int
    after_outcome: str
    after_reason: str | None = None
    after_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    after_full_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    after_points: int = Field(sa_column=Column(BigInteger, nullable=False))
    before_aggregated_mg: int = Field(
        default=0, sa_column=Column(BigInteger, nullable=False, server_default="0")
    )
    after_aggregated_mg: int = Field(
        default=0, sa_column=Column(BigInteger, nullable=False, server_default="0")
    )
