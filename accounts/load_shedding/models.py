"""Tables of load shedding: what lines can do, version by version, and plans."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


def _watts() -> Column[int | None]:
    return Column(BigInteger, nullable=True)


class LineSheddingData(SQLModel, table=True):
    """What a line can do when load is to be shed; the highest version counts, the others tell what plans stood on."""

    __tablename__: ClassVar[str] = "line_shedding_data"
    __table_args__ = (
        CheckConstraint(
            "value_fen_per_kwh >= 0 AND least_off_minutes >= 0 AND load_w >= 0 AND least_w >= 0"
            " AND ramp_w_per_minute > 0",
            name="line_shedding_data_amounts",
        ),
        CheckConstraint("feeds_line_id <> line_id", name="line_shedding_data_feeds"),
    )

    holder_id: UUID = Field(primary_key=True)
    line_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    value_fen_per_kwh: int
    can_stop: bool
    load_w: int | None = Field(default=None, sa_column=_watts())
    least_w: int | None = Field(default=None, sa_column=_watts())
    least_off_minutes: int
    ramp_w_per_minute: int | None = Field(default=None, sa_column=_watts())
    feeds_line_id: UUID | None = None
    entered_at: datetime = Field(sa_column=_moment())


class SheddingPlan(SQLModel, table=True):
    """A plan with its alternatives (`options`, JSON), as computed; `chosen` is the one that was accepted."""

    __tablename__: ClassVar[str] = "load_shedding_plans"
    __table_args__ = (
        CheckConstraint("state IN ('proposed', 'accepted', 'dropped')", name="load_shedding_plans_state"),
        CheckConstraint("(state = 'accepted') = (chosen IS NOT NULL)", name="load_shedding_plans_chosen"),
        CheckConstraint("ends_at > starts_at", name="load_shedding_plans_period"),
        CheckConstraint("cut_kw > 0 AND solar_kw >= 0", name="load_shedding_plans_amounts"),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    site_id: UUID | None = None
    cut_kw: int
    solar_kw: int
    starts_at: datetime = Field(sa_column=_moment())
    ends_at: datetime = Field(sa_column=_moment())
    options: str
    skipped: str
    state: str
    chosen: int | None = None
    made_at: datetime = Field(sa_column=_moment())
    decided_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
