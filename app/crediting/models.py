"""Tables of the reported acts and of what their credit was computed from."""

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
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class Outcome(enum.StrEnum):
    """What became of a reported act."""

    CREDITED = "credited"
    CAPPED = "capped"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    PENDING = "pending"


class MethodologyVersion(SQLModel, table=True):
    """The text that credits were computed by, whole, so that each can be computed again."""

    __tablename__: ClassVar[str] = "methodology_versions"
    __table_args__ = (UniqueConstraint("content_hash", name="methodology_versions_content"),)

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=True))
    region: str
    scene: str
    code: str
    version: str
    content_hash: str
    content: str
    issuable: bool
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Activity(SQLModel, table=True):
    """低碳行为: one reported act with its outcome. Carries no identifier and no coordinate.

    Of what was credited `co2e_mg` is the person's and `aggregated_mg` the platform's.
    """

    __tablename__: ClassVar[str] = "activities"
    __table_args__ = (
        CheckConstraint("co2e_mg >= 0 AND points >= 0", name="activities_not_negative"),
        CheckConstraint("started_at <= ended_at", name="activities_order"),
        CheckConstraint("aggregated_mg >= 0", name="activities_aggregated"),
        Index("activities_id", "id"),
        Index("activities_aggregating", "source_id", "id", postgresql_where=text("aggregated_mg > 0")),
        Index("activities_lost", "id", postgresql_where=text("outcome = 'duplicate'")),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    source_id: UUID
    scene: str
    region: str
    started_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    ended_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    evidence: str
    inputs: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    outcome: str
    reason: str | None = None
    methodology_id: int
    co2e_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    full_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    points: int = Field(sa_column=Column(BigInteger, nullable=False))
    winner_id: UUID | None = None
    claim_tokens: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    reversed_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=True)
    )
    aggregated_mg: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))


class CapUsage(SQLModel, table=True):
    """How much of a cap a holder has used in one window; `used` never exceeds `cap`."""

    __tablename__: ClassVar[str] = "cap_usage"
    __table_args__ = (
        CheckConstraint("used >= 0 AND used <= cap", name="cap_usage_within"),
        {"postgresql_partition_by": "RANGE (window_start)", "postgresql_with": {"fillfactor": "80"}},
    )

    holder_id: UUID = Field(primary_key=True)
    rule: str = Field(primary_key=True)
    window_start: date = Field(primary_key=True)
    used: int = Field(sa_column=Column(BigInteger, nullable=False))
    cap: int = Field(sa_column=Column(BigInteger, nullable=False))
