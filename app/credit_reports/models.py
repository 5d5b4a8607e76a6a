"""The table of reports that banks were given."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, Index, LargeBinary
from sqlmodel import Field, SQLModel


class CreditReport(SQLModel, table=True):
    """A report as it was signed. `jws` is forgotten when the holder is erased; `digest`, its SHA-256, stays."""

    __tablename__: ClassVar[str] = "credit_reports"
    __table_args__ = (
        CheckConstraint("kind IN ('resident', 'enterprise')", name="credit_reports_kind"),
        Index("credit_reports_bank", "bank_id", "id"),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    bank_id: UUID
    grant_id: UUID
    purpose: str
    kind: str
    as_of: date
    issued_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    jws: str | None = None
