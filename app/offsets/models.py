"""Tables of obligations, of what was filed against them, and of what each limit has left."""

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
    SmallInteger,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlmodel import Field, SQLModel


class FilingState(enum.StrEnum):
    """How far a filing has come. What is accepted is retired, and stays."""

    FILED = "filed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


LIVE = (FilingState.FILED, FilingState.ACCEPTED)
"""States in which a filing uses up its limits."""


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class OffsetObligation(SQLModel, table=True):
    """履约义务: what a firm has to surrender in a market and a year, as an operator recorded it from a document."""

    __tablename__: ClassVar[str] = "offset_obligations"
    __table_args__ = (
        UniqueConstraint("organisation_id", "market", "period", name="offset_obligations_once"),
        CheckConstraint("version > 0", name="offset_obligations_version"),
        CheckConstraint("period >= 2000 AND period <= 2199", name="offset_obligations_period"),
        CheckConstraint(
            "(allowances_issued_t IS NULL OR allowances_issued_t >= 0)"
            " AND (allowances_to_surrender_t IS NULL OR allowances_to_surrender_t >= 0)",
            name="offset_obligations_figures",
        ),
        Index("offset_obligations_region", "region", "id"),
    )

    id: UUID = Field(primary_key=True)
    organisation_id: UUID
    market: str
    region: str = Field(max_length=6, description="Where the firm is")
    period: int = Field(sa_column=Column(SmallInteger, nullable=False))
    allowances_issued_t: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    allowances_to_surrender_t: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    file_by: date | None = None
    boundary_ids: list[UUID] = Field(
        sa_column=Column(ARRAY(PgUUID(as_uuid=True)), nullable=False),
        description="Organisations within the firm's boundary, beside itself",
    )
    boundary_projects: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    document_title: str
    document_number: str
    document_issued_on: date
    version: int
    recorded_at: datetime = Field(sa_column=_moment())
    recorded_by: str


class OffsetFiling(SQLModel, table=True):
    """抵销申报: reductions filed against an obligation, with the check that let them in."""

    __tablename__: ClassVar[str] = "offset_filings"
    __table_args__ = (
        CheckConstraint(
            "state IN ('filed', 'accepted', 'rejected', 'withdrawn')", name="offset_filings_state"
        ),
        CheckConstraint("(state = 'filed') = (decided_at IS NULL)", name="offset_filings_decided"),
        CheckConstraint("(decided_at IS NULL) = (decided_by IS NULL)", name="offset_filings_decider"),
        CheckConstraint("state <> 'accepted' OR decided_by <> filed_by", name="offset_filings_two"),
        Index("offset_filings_obligation", "obligation_id", "id"),
        Index("offset_filings_organisation", "organisation_id", "id"),
        Index("offset_filings_region", "region", "id"),
    )

    id: UUID = Field(primary_key=True)
    obligation_id: UUID
    organisation_id: UUID
    region: str = Field(max_length=6)
    beneficiary: str
    rule: str
    report: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    elsewhere: bool = Field(description="Reductions of another registry, by its document")
    document: str
    state: str
    filed_at: datetime = Field(sa_column=_moment())
    filed_by: str
    decided_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    decided_by: str | None = None
    reason: str = ""


class OffsetLine(SQLModel, table=True):
    """Units of one origin within a filing, or, of another registry, what its document says. Never changed."""

    __tablename__: ClassVar[str] = "offset_lines"
    __table_args__ = (
        CheckConstraint("quantity_kg > 0 AND quantity_kg % 1000 = 0", name="offset_lines_lots"),
        CheckConstraint("(origin_id IS NULL) = (serials <> '')", name="offset_lines_from"),
        Index("offset_lines_filing", "filing_id", "line"),
        Index("offset_lines_obligation", "obligation_id"),
    )

    id: UUID = Field(primary_key=True, description="Also the subject of its lock and its retirement")
    filing_id: UUID
    obligation_id: UUID
    line: int = Field(sa_column=Column(SmallInteger, nullable=False))
    origin_id: UUID | None = None
    kind: str
    region: str = Field(max_length=6)
    vintage: int = Field(sa_column=Column(SmallInteger, nullable=False))
    quantity_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    serials: str = ""


class OffsetLimit(SQLModel, table=True):
    """How much of a limit is used: the sum of the live lines that count to it."""

    __tablename__: ClassVar[str] = "offset_limits"
    __table_args__ = (CheckConstraint("used_kg >= 0 AND used_kg <= cap_kg", name="offset_limits_cap"),)

    obligation_id: UUID = Field(primary_key=True)
    code: str = Field(primary_key=True)
    kinds: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    outside: str | None = Field(
        default=None, description="Beginning of the codes of a region that do not count"
    )
    cap_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    used_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
