"""Table of the programmes and campaigns that operators write."""

import enum
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, Index, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel


class Kind(enum.StrEnum):
    """What a text is of."""

    PROGRAMME = "programme"
    CAMPAIGN = "campaign"
    REVIEW_POLICY = "review_policy"
    NEIGHBOUR_AGREEMENT = "neighbour_agreement"
    LABEL_RULES = "label_rules"
    SCORE_CARDS = "score_cards"
    OFFSET_RULES = "offset_rules"


class State(enum.StrEnum):
    """How far a text has come. Follows from the moments that its row keeps."""

    DRAFT = "draft"
    APPROVED = "approved"
    LIVE = "live"
    ENDED = "ended"


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class PointsText(SQLModel, table=True):
    """One version of a programme, or a campaign, on its way. `content` is canonical JSON.

    `authors` are the clients that wrote it, none of whom may approve it. What is approved does not change, but for the
    end of a campaign, which may come earlier.
    """

    __tablename__: ClassVar[str] = "points_texts"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('programme', 'campaign', 'review_policy', 'neighbour_agreement', 'label_rules', 'score_cards',"
            " 'offset_rules')",
            name="points_texts_kind",
        ),
        CheckConstraint("(approved_at IS NULL) = (approved_by IS NULL)", name="points_texts_approver"),
        CheckConstraint("approved_by IS NULL OR approved_by <> ALL (authors)", name="points_texts_second"),
        CheckConstraint("counts_until IS NULL OR counts_until >= counts_from", name="points_texts_order"),
        Index("points_texts_place", "kind", "region"),
    )

    id: UUID = Field(primary_key=True)
    kind: str
    region: str = Field(max_length=6)
    content: str
    counts_from: datetime = Field(sa_column=_moment())
    counts_until: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    authors: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    created_at: datetime = Field(sa_column=_moment())
    updated_at: datetime = Field(sa_column=_moment())
    approved_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    approved_by: str | None = None
    etag: int = 1

    def state(self, now: datetime) -> State:
        """The state at a moment: a later programme of the region goes before a live one without ending it."""
        if self.approved_at is None:
            return State.DRAFT
        if self.counts_until is not None and self.counts_until <= now:
            return State.ENDED
        return State.LIVE if self.counts_from <= now else State.APPROVED
