"""Tables of daily quotas: what was used of each, and what operators granted beyond them."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar, Final
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index
from sqlmodel import Field, SQLModel

ALL_TOGETHER: Final = UUID(int=0)
"""Stands for all organisations in `QuotaDay`."""


class QuotaKind(StrEnum):
    """What is counted."""

    EVALUATIONS = "evaluations"
    CLAIMS = "claims"
    QUERIES = "queries"


class QuotaDay(SQLModel, table=True):
    """What an organisation, or all together, used on one local day; the write itself holds it to what is allowed."""

    __tablename__: ClassVar[str] = "quota_days"
    __table_args__ = (CheckConstraint("used >= 0 AND used <= allowed", name="quota_days_within"),)

    organisation_id: UUID = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    used: int = Field(sa_column=Column(BigInteger, nullable=False))
    allowed: int = Field(sa_column=Column(BigInteger, nullable=False))


class QuotaGrant(SQLModel, table=True):
    """What an operator lets an organisation use beyond its days and those of all, for a time."""

    __tablename__: ClassVar[str] = "quota_grants"
    __table_args__ = (
        CheckConstraint("used >= 0 AND used <= amount", name="quota_grants_within"),
        CheckConstraint("starts_at < ends_at", name="quota_grants_order"),
        Index("quota_grants_organisation", "organisation_id", "kind", "ends_at"),
    )

    id: UUID = Field(primary_key=True)
    organisation_id: UUID
    kind: str
    amount: int = Field(sa_column=Column(BigInteger, nullable=False))
    used: int = Field(sa_column=Column(BigInteger, nullable=False))
    starts_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    ends_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    region: str
    reason: str
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
