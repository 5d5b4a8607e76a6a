"""Tables of what revisions in shadow would have given."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column
from sqlmodel import Field, SQLModel


class ShadowProgress(SQLModel, table=True):
    """Up to which activity a revision was compared."""

    __tablename__: ClassVar[str] = "shadow_progress"

    revision_id: UUID = Field(primary_key=True)
    content_hash: str
    through_id: UUID


class ShadowDay(SQLModel, table=True):
    """One day's credited acts of one region, under the text that counted and under the revision. mg, before caps."""

    __tablename__: ClassVar[str] = "shadow_days"
    __table_args__ = (
        CheckConstraint(
            "activities >= refused AND refused >= 0 AND active_mg >= 0 AND shadow_mg >= 0",
            name="shadow_days_counts",
        ),
    )

    revision_id: UUID = Field(primary_key=True)
    region: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    activities: int = Field(sa_column=Column(BigInteger, nullable=False))
    refused: int = Field(sa_column=Column(BigInteger, nullable=False))
    active_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    shadow_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
