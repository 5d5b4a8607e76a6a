"""Table of the clocks of sources, measured."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime
from sqlmodel import Field, SQLModel


class SourceClock(SQLModel, table=True):
    """How far the right source's clock is ahead of the left one's, s, by acts that both reported. Tells no act."""

    __tablename__: ClassVar[str] = "source_clocks"
    __table_args__ = (
        CheckConstraint("left_id < right_id", name="source_clocks_order"),
        CheckConstraint("tolerance_s > 0 AND differences > 0", name="source_clocks_positive"),
    )

    left_id: UUID = Field(primary_key=True)
    right_id: UUID = Field(primary_key=True)
    ahead_s: int
    tolerance_s: int
    differences: int
    """How many differences of starts and ends it was measured from."""
    measured_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
