"""Tables of scores: deeds by month, changes that are to be counted, cards, snapshots and their slices, conduct."""

import datetime as dt
from typing import ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[dt.datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class MonthlyDeeds(SQLModel, table=True):
    """A holder's credited acts of one month, scene and evidence grade (0 to 2), reversed ones absent.

    A month is that of the act, not of its booking. `co2e_mg` is what the acts reduced, also what a platform took of it.
    """

    __tablename__: ClassVar[str] = "monthly_deeds"
    __table_args__ = (
        CheckConstraint(
            "acts > 0 AND co2e_mg >= 0 AND grade >= 0 AND grade <= 2", name="monthly_deeds_counts"
        ),
    )

    holder_id: UUID = Field(primary_key=True)
    month: dt.date = Field(primary_key=True)
    scene: str = Field(primary_key=True)
    grade: int = Field(sa_column=Column(SmallInteger, primary_key=True))
    acts: int = Field(sa_column=Column(Integer, nullable=False))
    co2e_mg: int = Field(sa_column=Column(BigInteger, nullable=False))


class DeedChange(SQLModel, table=True):
    """An activity that changed after it was booked. Written by triggers, taken by the count; never waited for."""

    __tablename__: ClassVar[str] = "deed_changes"

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    holder_id: UUID
    activity_id: UUID


class DeedCount(SQLModel, table=True):
    """Up to when bookings are in the monthly deeds: one row."""

    __tablename__: ClassVar[str] = "deed_counts"
    __table_args__ = (CheckConstraint("id = 1", name="deed_counts_one"),)

    id: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    counted_until: dt.datetime = Field(sa_column=_moment())


class ScoreCard(SQLModel, table=True):
    """The text that scores were computed by, whole, so that each can be explained for ever."""

    __tablename__: ClassVar[str] = "score_cards"
    __table_args__ = (UniqueConstraint("card", "version", name="score_cards_version"),)

    id: int = Field(sa_column=Column(Integer, Identity(), primary_key=True))
    card: str
    version: str
    content_hash: str
    content: str
    recorded_at: dt.datetime = Field(sa_column=_moment())


class ScoreRow(SQLModel, table=True):
    """A holder's score as of the last day of a month: what was measured, points and tier; never changed.

    `totals` are the measures of the card's dimensions in their order; `conduct` the records that were counted.
    """

    __tablename__: ClassVar[str] = "scores"
    __table_args__ = (CheckConstraint("(points IS NULL) = (tier IS NULL)", name="scores_tier"),)

    holder_id: UUID = Field(primary_key=True)
    card_id: int = Field(sa_column=Column(Integer, primary_key=True))
    as_of: dt.date = Field(primary_key=True)
    totals: list[int] = Field(sa_column=Column(ARRAY(BigInteger), nullable=False))
    acts: int = Field(sa_column=Column(BigInteger, nullable=False))
    months: int = Field(sa_column=Column(Integer, nullable=False))
    conduct: list[UUID] | None = Field(default=None, sa_column=Column(ARRAY(PgUUID), nullable=True))
    points: int | None = Field(default=None, sa_column=Column(Integer, nullable=True))
    tier: str | None = None
    computed_at: dt.datetime = Field(sa_column=_moment())


class ScoreRun(SQLModel, table=True):
    """The snapshot of a card's version as of a day; `counted_until` tells which bookings are in it."""

    __tablename__: ClassVar[str] = "score_runs"

    card_id: int = Field(sa_column=Column(Integer, primary_key=True))
    as_of: dt.date = Field(primary_key=True)
    counted_until: dt.datetime = Field(sa_column=_moment())
    started_at: dt.datetime = Field(sa_column=_moment())
    finished_at: dt.datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class ScoreSlice(SQLModel, table=True):
    """A slice of a snapshot: the holders after one up to another. Done in one commit with their scores."""

    __tablename__: ClassVar[str] = "score_slices"
    __table_args__ = (
        Index("score_slices_left", "card_id", "as_of", "number", postgresql_where=text("done_at IS NULL")),
    )

    card_id: int = Field(sa_column=Column(Integer, primary_key=True))
    as_of: dt.date = Field(primary_key=True)
    number: int = Field(sa_column=Column(Integer, primary_key=True))
    after: UUID
    through: UUID
    done_at: dt.datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class ConductRecord(SQLModel, table=True):
    """A conduct on record: what an operator found, when it happened. Withdrawn, it counts in no score any more."""

    __tablename__: ClassVar[str] = "conduct_records"
    __table_args__ = (
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name="conduct_records_withdrawn"),
        Index("conduct_records_id", "id"),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    kind: str
    region: str = Field(max_length=6)
    happened_on: dt.date
    reason: str
    recorded_at: dt.datetime = Field(sa_column=_moment())
    recorded_by: str
    withdrawn_at: dt.datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    withdrawn_by: str | None = None
    withdrawal_reason: str | None = None
