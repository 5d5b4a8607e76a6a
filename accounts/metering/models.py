"""Tables of readings. A day of a meter is one row; what follows from its readings lies beside them."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, LargeBinary, SmallInteger
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel


def _small() -> Column[int]:
    return Column(SmallInteger, nullable=False)


def _bytes() -> Column[bytes]:
    return Column(LargeBinary, nullable=True)


class MeterDay(SQLModel, table=True):
    """96 quarter-hours of a meter, NULL where nothing is known, and their totals, kept with each reading.

    `registers` are of cumulative meters, whose `amounts` follow from them. `marks` and `states` (a byte for each
    quarter-hour: `accounts.metering.marks`, `accounts.metering.days.State`) are NULL while all of the day was
    measured, one by one, and never corrected.
    """

    __tablename__: ClassVar[str] = "meter_days"
    __table_args__ = (
        CheckConstraint("cardinality(amounts) = 96", name="meter_days_amounts"),
        CheckConstraint("cardinality(registers) = 96", name="meter_days_registers"),
        CheckConstraint("octet_length(marks) = 96 AND octet_length(states) = 96", name="meter_days_bytes"),
        CheckConstraint(
            "measured >= 0 AND estimated >= 0 AND measured + estimated <= 96", name="meter_days_counts"
        ),
        {"postgresql_partition_by": "RANGE (day)"},
    )

    meter_id: UUID = Field(primary_key=True)
    day: date = Field(primary_key=True)
    amount: int = Field(sa_column=Column(BigInteger, nullable=False))
    measured: int = Field(sa_column=_small())
    estimated: int = Field(sa_column=_small())
    marks: bytes | None = Field(default=None, sa_column=_bytes())
    states: bytes | None = Field(default=None, sa_column=_bytes())
    amounts: list[int | None] = Field(sa_column=Column(ARRAY(BigInteger), nullable=False))
    registers: list[int | None] | None = Field(
        default=None, sa_column=Column(ARRAY(BigInteger), nullable=True)
    )


class ReadingRevision(SQLModel, table=True):
    """A reading that another one replaced, or that came when a later one was known: its value, by whom and when."""

    __tablename__: ClassVar[str] = "reading_revisions"
    __table_args__ = (
        CheckConstraint("place >= 0 AND place <= 95", name="reading_revisions_place"),
        CheckConstraint("mark >= 1 AND mark <= 127", name="reading_revisions_mark"),
        {"postgresql_partition_by": "RANGE (day)"},
    )

    meter_id: UUID = Field(primary_key=True)
    day: date = Field(primary_key=True)
    place: int = Field(sa_column=Column(SmallInteger, primary_key=True))
    mark: int = Field(sa_column=Column(SmallInteger, primary_key=True))
    value: int = Field(sa_column=Column(BigInteger, nullable=False))
    replaced_by: str
    replaced_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class MeterRegister(SQLModel, table=True):
    """The last day on which a cumulative meter was read. Its row is the lock of all that follows from registers."""

    __tablename__: ClassVar[str] = "meter_registers"

    meter_id: UUID = Field(primary_key=True)
    last_day: date


class MeterExchange(SQLModel, table=True):
    """换表: at the end of a quarter-hour another meter took over, at `first_register`."""

    __tablename__: ClassVar[str] = "meter_exchanges"
    __table_args__ = (
        CheckConstraint(
            "first_register >= 0 AND (last_register IS NULL OR last_register >= 0)",
            name="meter_exchanges_registers",
        ),
        CheckConstraint("register_max IS NULL OR register_max > first_register", name="meter_exchanges_max"),
    )

    meter_id: UUID = Field(primary_key=True)
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    last_register: int | None = Field(default=None, sa_column=Column(BigInteger))
    first_register: int = Field(sa_column=Column(BigInteger, nullable=False))
    register_max: int | None = Field(default=None, sa_column=Column(BigInteger))
    entered_by: str
    entered_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
