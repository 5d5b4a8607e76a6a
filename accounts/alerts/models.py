"""Tables of what meters are expected to use, and of alerts."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class MeterExpectation(SQLModel, table=True):
    """What a meter's past taught (`profile`, JSON of `expectation.Profile`), and how far it was looked at.

    `run_quarters` is how many quarter-hours before `looked_until` read the same as `run_amount`; null where nothing
    was read.
    """

    __tablename__: ClassVar[str] = "meter_expectations"
    __table_args__ = (
        CheckConstraint("run_quarters >= 0", name="meter_expectations_run"),
        Index("meter_expectations_learn", "learn_at"),
        Index("meter_expectations_look", "looked_until"),
    )

    meter_id: UUID = Field(primary_key=True)
    holder_id: UUID
    learn_at: datetime = Field(sa_column=_moment())
    looked_until: datetime = Field(sa_column=_moment())
    run_amount: int | None = Field(default=None, sa_column=Column(BigInteger))
    run_quarters: int = 0
    profile: str | None = None


class MeterAlert(SQLModel, table=True):
    """One episode of a meter: from `starts_at` on, last seen at `last_at`, over since `ended_at`.

    People acknowledge and close it, while it lasts or afterwards; `amount` and `expected` are in the carrier's base
    unit, as they were when it was opened.
    """

    __tablename__: ClassVar[str] = "meter_alerts"
    __table_args__ = (
        CheckConstraint("kind IN ('deviation', 'stuck', 'gap')", name="meter_alerts_kind"),
        CheckConstraint(
            "verdict IS NULL OR verdict IN ('fault', 'false_alarm', 'known')", name="meter_alerts_verdict"
        ),
        CheckConstraint("(closed_at IS NULL) = (verdict IS NULL)", name="meter_alerts_closed"),
        CheckConstraint("last_at >= starts_at", name="meter_alerts_order"),
        Index("meter_alerts_meter", "meter_id", "starts_at"),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    meter_id: UUID
    kind: str
    starts_at: datetime = Field(sa_column=_moment())
    last_at: datetime = Field(sa_column=_moment())
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    amount: int | None = Field(default=None, sa_column=Column(BigInteger))
    expected: int | None = Field(default=None, sa_column=Column(BigInteger))
    opened_at: datetime = Field(sa_column=_moment())
    acknowledged_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    closed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    verdict: str | None = None
    note: str = ""
