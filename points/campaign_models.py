"""Tables of campaigns at work: what is left of budgets, how far people have come, what acts were awarded."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, SmallInteger
from sqlmodel import Field, SQLModel


def _points() -> Column[int]:
    return Column(BigInteger, nullable=False)


class CampaignSlice(SQLModel, table=True):
    """A part of a campaign's budget. Whoever has its row locked holds the lease: it ends with the transaction."""

    __tablename__: ClassVar[str] = "campaign_slices"
    __table_args__ = (
        CheckConstraint("points_left >= 0", name="campaign_slices_not_negative"),
        {"postgresql_with": {"fillfactor": "50"}},
    )

    campaign_id: UUID = Field(primary_key=True, foreign_key="points_texts.id")
    slice: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    points_left: int = Field(sa_column=_points())


class CampaignProgress(SQLModel, table=True):
    """How far a person has come in a campaign, and how much of it they have got in all and on the last day."""

    __tablename__: ClassVar[str] = "campaign_progress"
    __table_args__ = (
        CheckConstraint("awarded >= 0 AND awarded_on_day >= 0", name="campaign_progress_not_negative"),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    holder_id: UUID = Field(primary_key=True)
    campaign_id: UUID = Field(primary_key=True)
    acts: int = Field(sa_column=_points())
    streak: int
    last_day: date | None = None
    awarded: int = Field(sa_column=_points())
    day: date | None = None
    awarded_on_day: int = Field(sa_column=_points())


class CampaignAward(SQLModel, table=True):
    """Extra points of one act by one campaign, and the lot that they were earned into. Never changed."""

    __tablename__: ClassVar[str] = "campaign_awards"
    __table_args__ = (CheckConstraint("points > 0", name="campaign_awards_amount"),)

    holder_id: UUID = Field(primary_key=True)
    activity_id: UUID = Field(primary_key=True)
    campaign_id: UUID = Field(primary_key=True)
    asset_id: int
    expires_on: date
    points: int = Field(sa_column=_points())
