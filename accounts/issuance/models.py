"""Tables of period closes: issuances, what stays out of them, objections, and until when bookings are closed."""

import enum
from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    SmallInteger,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class Status(enum.StrEnum):
    """How far an issuance has come. `closing` and `opening` are what a job works at."""

    DRAFT = "draft"
    PREVIEWED = "previewed"
    CLOSING = "closing"
    SUBMITTED = "submitted"
    SIGNED = "signed"
    RETURNED = "returned"
    OPENING = "opening"
    NOTICED = "noticed"
    ISSUED = "issued"
    WITHDRAWN = "withdrawn"


class Reason(enum.StrEnum):
    """Why an act stays out of an issuance."""

    DISPUTED = "disputed"
    HELD = "held"
    OUTSIDE_BOUNDARY = "outside_boundary"
    USED = "used"
    EVIDENCE = "evidence"
    OBJECTION = "objection"


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


def _figure(*, nullable: bool = True) -> Column[int]:
    return Column(BigInteger, nullable=nullable)


class BookingClose(SQLModel, table=True):
    """Until when no entry of an asset can be booked any more. Only `tanpuhui_close_bookings` writes it."""

    __tablename__: ClassVar[str] = "booking_closes"

    asset_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    closed_until: datetime = Field(sa_column=_moment())


class Issuance(SQLModel, table=True):
    """签发: the close of `[booked_from, booked_until)` of an applicant's reductions of one asset in one region.

    Issuances of one applicant, asset and region are a series: each begins where the one before ends (`place`), and
    takes its remainder; a unique index keeps each place
    for one that is not withdrawn. `moved_until` is the last holder whose grams were moved from open to issued.
    """

    __tablename__: ClassVar[str] = "issuances"
    __table_args__ = (
        UniqueConstraint("number", name="issuances_number"),
        CheckConstraint("booked_from < booked_until", name="issuances_period"),
        CheckConstraint(
            "status IN ('draft', 'previewed', 'closing', 'submitted', 'signed', 'returned', 'noticed', 'issued',"
            " 'withdrawn', 'opening')",
            name="issuances_status",
        ),
        CheckConstraint(
            "status IN ('draft', 'previewed', 'closing', 'returned', 'opening', 'withdrawn') OR credits_mg >= 0"
            " AND reversals_mg >= 0"
            " AND entries >= 0 AND quantity_kg >= 0 AND moved_until IS NOT NULL"
            " AND brought_mg + credits_mg - reversals_mg = quantity_kg * 1000000 + carried_mg"
            " AND carried_mg < 1000000 AND (quantity_kg = 0 OR carried_mg >= 0)",
            name="issuances_closed",
        ),
        CheckConstraint("approved_by IS NULL OR approved_by <> opened_by", name="issuances_two_operators"),
        CheckConstraint("(status = 'issued') = (approved_at IS NOT NULL)", name="issuances_units"),
        Index("issuances_region", "region", "id"),
        Index("issuances_asset", "asset_id", "booked_from"),
    )

    id: UUID = Field(primary_key=True)
    number: str
    applicant_id: UUID
    methodology_version_id: int
    asset_id: int
    region: str
    vintage: int = Field(sa_column=Column(SmallInteger, nullable=False))
    place: int
    booked_from: datetime = Field(sa_column=_moment())
    booked_until: datetime = Field(sa_column=_moment())
    status: str
    version: int = 1
    opened_by: str
    opened_at: datetime = Field(sa_column=_moment())
    secret: bytes
    preview: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSONB(none_as_null=True), nullable=True)
    )
    previewed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    last_error: str = ""
    closed_by: str | None = None
    closed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    credits_mg: int | None = Field(default=None, sa_column=_figure())
    reversals_mg: int | None = Field(default=None, sa_column=_figure())
    entries: int | None = Field(default=None, sa_column=_figure())
    brought_mg: int | None = Field(default=None, sa_column=_figure())
    quantity_kg: int | None = Field(default=None, sa_column=_figure())
    carried_mg: int | None = Field(default=None, sa_column=_figure())
    root: bytes | None = None
    evidence: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSONB(none_as_null=True), nullable=True)
    )
    moved_until: UUID | None = None
    verifier_id: UUID | None = None
    stated_by: str | None = None
    stated_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    remarks: str = ""
    noticed_by: str | None = None
    noticed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    notice_ends_on: date | None = None
    approved_by: str | None = None
    approved_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    first_unit: int | None = Field(default=None, sa_column=_figure())
    last_unit: int | None = Field(default=None, sa_column=_figure())


class IssuanceExclusion(SQLModel, table=True):
    """What stays out of an issuance: the entries of an act up to `entry_id`, which moved what stood of it.

    For what was used, which an offset moved, that is the highest id: the act stays out for ever.
    """

    __tablename__: ClassVar[str] = "issuance_exclusions"
    __table_args__ = (
        CheckConstraint("amount_mg >= 0", name="issuance_exclusions_amount"),
        CheckConstraint(
            "reason IN ('disputed', 'held', 'outside_boundary', 'used', 'evidence', 'objection')",
            name="issuance_exclusions_reason",
        ),
        Index("issuance_exclusions_issuance", "issuance_id", "cause_id"),
    )

    holder_id: UUID = Field(primary_key=True)
    cause_id: UUID = Field(primary_key=True)
    entry_id: UUID = Field(primary_key=True)
    issuance_id: UUID
    amount_mg: int = Field(sa_column=_figure(nullable=False))
    reason: str
    note: str
    excluded_by: str
    excluded_at: datetime = Field(sa_column=_moment())
    included_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class IssuanceObjection(SQLModel, table=True):
    """What somebody said against an issuance while it was on public notice, and what was answered."""

    __tablename__: ClassVar[str] = "issuance_objections"
    __table_args__ = (
        CheckConstraint("(upheld IS NULL) = (decided_at IS NULL)", name="issuance_objections_decided"),
        Index("issuance_objections_issuance", "issuance_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    issuance_id: UUID
    objector: str
    text: str
    received_at: datetime = Field(sa_column=_moment())
    recorded_by: str
    upheld: bool | None = None
    answer: str = ""
    decided_by: str | None = None
    decided_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
