"""Tables of emissions. Rows are added and not changed: a correction is another row, or an end written once."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, DateTime, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


def _day(*, nullable: bool = False) -> Column[date]:
    return Column(Date, nullable=nullable)


class EmissionFactor(SQLModel, table=True):
    """A factor that operators put in force over those that ship; `value` is a decimal in the unit of its kind.

    The accounting year follows from the days; the year of the data and the day of publication are others.
    """

    __tablename__: ClassVar[str] = "emission_factors"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('grid', 'residual', 'solid_or_liquid', 'gas', 'heat')", name="emission_factors_kind"
        ),
        CheckConstraint("last_day IS NULL OR last_day >= first_day", name="emission_factors_order"),
        CheckConstraint("(approved_at IS NULL) = (approved_by IS NULL)", name="emission_factors_approver"),
        CheckConstraint("approved_by IS NULL OR approved_by <> proposed_by", name="emission_factors_second"),
        Index("emission_factors_region", "region", "id"),
        Index("emission_factors_approved", "approved_at", postgresql_where=text("approved_at IS NOT NULL")),
    )

    id: UUID = Field(primary_key=True)
    kind: str
    region: str = Field(max_length=6)
    fuel: str
    value: str
    first_day: date = Field(sa_column=_day())
    last_day: date | None = Field(default=None, sa_column=_day(nullable=True))
    data_year: int | None = None
    published: date | None = Field(default=None, sa_column=_day(nullable=True))
    notice_no: str | None = None
    source: str
    url: str | None = None
    confidence: str
    reason: str
    proposed_by: str
    proposed_at: datetime = Field(sa_column=_moment())
    approved_by: str | None = None
    approved_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class MeterFuel(SQLModel, table=True):
    """What a meter's coal, oil or gas is from a month on; the last word for a month counts."""

    __tablename__: ClassVar[str] = "meter_fuels"
    __table_args__ = (CheckConstraint("extract(day FROM from_month) = 1", name="meter_fuels_month"),)

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    meter_id: UUID
    from_month: date = Field(sa_column=_day())
    fuel: str
    furnace: str | None = None
    document_reference: str
    entered_by: str
    created_at: datetime = Field(sa_column=_moment())


class GreenCertificate(SQLModel, table=True):
    """绿证: a green power certificate that was cancelled for the enterprise. A number counts once in a deployment."""

    __tablename__: ClassVar[str] = "green_certificates"
    __table_args__ = (
        CheckConstraint("energy_wh > 0", name="green_certificates_energy"),
        CheckConstraint(
            "last_month >= first_month AND extract(year FROM last_month) = extract(year FROM first_month)"
            " AND extract(day FROM first_month) = 1 AND extract(day FROM last_month) = 1",
            name="green_certificates_months",
        ),
        CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name="green_certificates_withdrawn"
        ),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    number: str
    issuer: str
    energy_wh: int = Field(sa_column=Column(BigInteger, nullable=False))
    first_month: date = Field(sa_column=_day())
    last_month: date = Field(sa_column=_day())
    cancelled_on: date = Field(sa_column=_day())
    document_reference: str
    document_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    entered_by: str
    created_at: datetime = Field(sa_column=_moment())
    withdrawn_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    withdrawn_by: str | None = None
    withdrawn_reason: str = ""


class ProcessEmission(SQLModel, table=True):
    """Emissions of a process in one month, with evidence. A correction is a row that replaces another, once."""

    __tablename__: ClassVar[str] = "process_emissions"
    __table_args__ = (
        CheckConstraint("co2e_mg >= 0", name="process_emissions_amount"),
        CheckConstraint("extract(day FROM month) = 1", name="process_emissions_month"),
        Index("process_emissions_place", "holder_id", "month"),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    site_id: UUID
    line_id: UUID | None = None
    month: date = Field(sa_column=_day())
    process: str
    co2e_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    document_reference: str
    document_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    replaces: UUID | None = None
    reason: str
    entered_by: str
    created_at: datetime = Field(sa_column=_moment())


class EmissionStatement(SQLModel, table=True):
    """A month's emissions as they were computed at a moment, with all that they were computed from.

    `content` is canonical JSON, `content_hash` its SHA-256; `changed` says what differs from the statement before.
    """

    __tablename__: ClassVar[str] = "emission_statements"
    __table_args__ = (
        CheckConstraint("total_mg >= 0", name="emission_statements_total"),
        CheckConstraint("extract(day FROM month) = 1", name="emission_statements_month"),
    )

    holder_id: UUID = Field(primary_key=True)
    month: date = Field(sa_column=Column(Date, primary_key=True))
    id: UUID = Field(primary_key=True)
    computed_at: datetime = Field(sa_column=_moment())
    total_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    content: str
    content_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    changed: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))


class EmissionCheck(SQLModel, table=True):
    """When the statements of an enterprise were last computed by the job."""

    __tablename__: ClassVar[str] = "emission_checks"
    __table_args__ = (Index("emission_checks_due", "checked_at", "holder_id"),)

    holder_id: UUID = Field(primary_key=True)
    checked_at: datetime = Field(sa_column=_moment())
