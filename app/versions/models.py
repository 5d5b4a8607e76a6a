"""Tables of the methodologies that operators change, and the states that follow from what they record."""

import enum
from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, Index, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel


class State(enum.StrEnum):
    """How far a revision has come. Follows from the moments that its row keeps."""

    DRAFT = "draft"
    SHADOW = "shadow"
    APPROVED = "approved"
    ACTIVE = "active"
    RETIRED = "retired"


# Of columns that two tables share, each of which makes its own of it.
_ZONED: Any = DateTime(timezone=True)


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class Revision(SQLModel, table=True):
    """One version of a methodology on its way. `content` is JSON text, canonical from the submission on.

    `authors` are the clients that wrote it, none of whom may approve it. `first_day` and `last_day` are the
    text's own; closures may end it earlier.
    """

    __tablename__: ClassVar[str] = "methodology_revisions"
    __table_args__ = (
        UniqueConstraint("region", "code", "version", name="methodology_revisions_identity"),
        CheckConstraint(
            "submitted_at IS NULL OR content_hash IS NOT NULL", name="methodology_revisions_submitted"
        ),
        CheckConstraint("submitted_at IS NULL OR first_day IS NOT NULL", name="methodology_revisions_dated"),
        CheckConstraint(
            "approved_at IS NULL OR submitted_at IS NOT NULL", name="methodology_revisions_approved"
        ),
        CheckConstraint(
            "(approved_at IS NULL) = (approved_by IS NULL)", name="methodology_revisions_approver"
        ),
        CheckConstraint(
            "approved_by IS NULL OR approved_by <> ALL (authors)", name="methodology_revisions_second"
        ),
        CheckConstraint(
            "activates_at IS NULL OR approved_at IS NOT NULL", name="methodology_revisions_active"
        ),
        CheckConstraint("last_day IS NULL OR last_day >= first_day", name="methodology_revisions_order"),
        Index("methodology_revisions_place", "scene", "region"),
    )

    id: UUID = Field(primary_key=True)
    region: str
    scene: str
    code: str
    version: str
    origin: str = Field(description="`region code version` that it was made from; empty where from nothing")
    content: str
    content_hash: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    authors: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    created_at: datetime = Field(sa_column=_moment())
    updated_at: datetime = Field(sa_column=_moment())
    submitted_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    approved_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    approved_by: str | None = None
    activates_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    retired_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    etag: int = 1

    def state(self, now: datetime) -> State:
        """The state at a moment: what is to become active is approved until its moment comes."""
        if self.retired_at is not None:
            return State.RETIRED
        if self.activates_at is not None and self.activates_at <= now:
            return State.ACTIVE
        if self.approved_at is not None:
            return State.APPROVED
        return State.SHADOW if self.submitted_at is not None else State.DRAFT


class ProposalState(enum.StrEnum):
    """How far an exclusion or an adoption has come. Follows from its row and the day."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    ACTIVE = "active"
    OVER = "over"
    WITHDRAWN = "withdrawn"


class Closure(SQLModel, table=True):
    """The last day in force of a version, decided after its text. Written once; the earliest of a version counts.

    `revision_id` is the version that caused it: the one that follows, or the one that is retired itself; none where a
    pack's is retired. Where a version is cancelled before it counts (`cancellation`), what its succession closed
    does not count any more.

    One that a recalculation makes takes days that are past: it counts from the moment of `counts_from` on only.
    """

    __tablename__: ClassVar[str] = "methodology_closures"
    __table_args__ = (
        CheckConstraint(
            "cause IN ('succession', 'retirement', 'cancellation', 'recalculation')",
            name="methodology_closures_cause",
        ),
        Index("methodology_closures_place", "scene", "region"),
        Index("methodology_closures_revision", "revision_id"),
    )

    id: UUID = Field(primary_key=True)
    region: str
    scene: str
    code: str
    version: str
    last_day: date
    cause: str
    recorded_at: datetime = Field(sa_column=_moment())
    revision_id: UUID | None = None
    counts_from: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class SceneDays(SQLModel):
    """Days of a scene in a region and below it, decided by two clients, and the legal basis.

    One client proposes them (`created_by`), another approves; so with their end, which `ending_by` proposes for
    `ending_day` (none: before they begin) and `ended_by` approves.
    """

    id: UUID = Field(primary_key=True)
    region: str
    scene: str
    first_day: date
    last_day: date | None = None
    legal_basis: str
    created_by: str
    created_at: datetime = Field(sa_type=_ZONED)
    approved_by: str | None = None
    approved_at: datetime | None = Field(default=None, sa_type=_ZONED)
    withdrawn_at: datetime | None = Field(default=None, sa_type=_ZONED)
    ending_by: str | None = None
    ending_day: date | None = None
    ended_by: str | None = None
    ended_at: datetime | None = Field(default=None, sa_type=_ZONED)
    etag: int = 1

    @property
    def is_ending(self) -> bool:
        """Whether an end is proposed and waits for its approval."""
        return self.ending_by is not None and self.ended_by is None and self.withdrawn_at is None

    def state(self, today: date) -> ProposalState:
        """The state on a local day."""
        if self.withdrawn_at is not None:
            return ProposalState.WITHDRAWN
        if self.approved_at is None:
            return ProposalState.PROPOSED
        if today < self.first_day:
            return ProposalState.APPROVED
        if self.last_day is not None and self.last_day < today:
            return ProposalState.OVER
        return ProposalState.ACTIVE


def _two_clients(table: str) -> tuple[CheckConstraint | Index, ...]:
    """What the database wants of days that one client proposes and another approves."""
    return (
        CheckConstraint("last_day IS NULL OR last_day >= first_day", name=f"{table}_order"),
        CheckConstraint("(approved_at IS NULL) = (approved_by IS NULL)", name=f"{table}_approver"),
        CheckConstraint("approved_by <> created_by", name=f"{table}_second"),
        CheckConstraint("ending_by IS NULL OR approved_at IS NOT NULL", name=f"{table}_ending"),
        CheckConstraint(
            "(ended_at IS NULL) = (ended_by IS NULL) AND (ended_by IS NULL OR ending_by IS NOT NULL)",
            name=f"{table}_ender",
        ),
        CheckConstraint("ended_by <> ending_by", name=f"{table}_end_second"),
        Index(f"{table}_place", "scene", "region"),
    )


class Exclusion(SceneDays, table=True):
    """Days on which a scene earns nothing."""

    __tablename__: ClassVar[str] = "methodology_exclusions"
    __table_args__ = _two_clients("methodology_exclusions")


class Adoption(SceneDays, table=True):
    """Days on which the nation's rule counts where neither the region nor one above it has a rule of its own."""

    __tablename__: ClassVar[str] = "methodology_adoptions"
    __table_args__ = _two_clients("methodology_adoptions")
