"""Tables of the methodologies that operators change, and the states that follow from what they record."""

import enum
from datetime import date, datetime
from typing import ClassVar
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


class Closure(SQLModel, table=True):
    """The last day in force of a version, decided after its text. Written once; the earliest of a version counts."""

    __tablename__: ClassVar[str] = "methodology_closures"
    __table_args__ = (
        CheckConstraint("cause IN ('succession', 'retirement')", name="methodology_closures_cause"),
        Index("methodology_closures_place", "scene", "region"),
    )

    id: UUID = Field(primary_key=True)
    region: str
    scene: str
    code: str
    version: str
    last_day: date
    cause: str
    recorded_at: datetime = Field(sa_column=_moment())


class Exclusion(SQLModel, table=True):
    """Days on which a scene earns nothing in a region and below it, and the legal basis. Only its end may be set."""

    __tablename__: ClassVar[str] = "methodology_exclusions"
    __table_args__ = (
        CheckConstraint("last_day IS NULL OR last_day >= first_day", name="methodology_exclusions_order"),
        Index("methodology_exclusions_place", "scene", "region"),
    )

    id: UUID = Field(primary_key=True)
    region: str
    scene: str
    first_day: date
    last_day: date | None = None
    legal_basis: str
    created_by: str
    created_at: datetime = Field(sa_column=_moment())
