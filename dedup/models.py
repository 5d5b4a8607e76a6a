"""Tables of the dedup index: receipts and claims. Tokens are 16 opaque bytes, kept in uuid columns."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Integer, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

MAX_INTERVAL = "interval '1 day'"
"""No interval claim is longer than the local day that its token names."""


class Receipt(SQLModel, table=True):
    """What holds that one (source, event id) is one activity. Never released."""

    __tablename__: ClassVar[str] = "receipts"

    token: UUID = Field(primary_key=True)
    body_mac: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    holder_id: UUID
    activity_id: UUID


class WholeClaim(SQLModel, table=True):
    """A token claimed for ever or for a calendar period: the primary key is the exclusion."""

    __tablename__: ClassVar[str] = "whole_claims"

    token: UUID = Field(primary_key=True)
    activity_id: UUID


class IntervalToken(SQLModel, table=True):
    """The lock of a token of one local day: taken before its interval claims are read."""

    __tablename__: ClassVar[str] = "interval_tokens"
    __table_args__ = ({"postgresql_partition_by": "RANGE (day)", "postgresql_with": {"fillfactor": "80"}},)

    token: UUID = Field(primary_key=True)
    day: date = Field(primary_key=True)
    claimed: int = Field(sa_column=Column(Integer, nullable=False))


class IntervalClaim(SQLModel, table=True):
    """Exclusive use of a token during `[starts_at, ends_at)`, the act's own period trimmed at both ends.

    What was seen of the act (amount in m or Wh, order number as tokens) is what later reports are compared with.
    """

    __tablename__: ClassVar[str] = "interval_claims"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="interval_claims_not_empty"),
        CheckConstraint(f"ends_at - starts_at <= {MAX_INTERVAL}", name="interval_claims_bounded"),
        CheckConstraint(
            "raw_starts_at <= starts_at AND ends_at <= raw_ends_at", name="interval_claims_trimmed"
        ),
        {"postgresql_partition_by": "RANGE (day)"},
    )

    token: UUID = Field(primary_key=True)
    day: date = Field(primary_key=True)
    activity_id: UUID = Field(primary_key=True)
    starts_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    ends_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    raw_starts_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    raw_ends_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    source_id: UUID | None = None
    scene: str | None = None
    amount: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    order_issuer: UUID | None = None
    order_number: UUID | None = None


class ClaimArchive(SQLModel, table=True):
    """A month whose interval claims were taken out of the database, and how far that is."""

    __tablename__: ClassVar[str] = "claim_archives"
    __table_args__ = (
        CheckConstraint("state IN ('detached', 'exported', 'archived')", name="claim_archives_state"),
        CheckConstraint("(state = 'detached') = (claims_sha256 IS NULL)", name="claim_archives_exported"),
        CheckConstraint("(state = 'archived') = (archived_at IS NOT NULL)", name="claim_archives_archived"),
    )

    month: date = Field(primary_key=True)
    state: str
    folder: str
    claims: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    tokens: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    claims_sha256: str | None = None
    tokens_sha256: str | None = None
    detached_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    archived_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=True)
    )


class PlatformClaim(SQLModel, table=True):
    """A claim of a platform that keeps its own accounts, and a lost one too. It knows no person.

    `comparison` is the decision by which it was lost, where it was compared.

    The id is made of organisation and claim id, so that the same claim is the same row: `dedup.owners`. While it is
    `claimed` and not released, it owns its tokens, as an activity does.
    """

    __tablename__: ClassVar[str] = "platform_claims"
    __table_args__ = (
        CheckConstraint("outcome IN ('claimed', 'duplicate')", name="platform_claims_outcome"),
        CheckConstraint("(outcome = 'duplicate') = (winner_id IS NOT NULL)", name="platform_claims_winner"),
        CheckConstraint("first_day <= last_day", name="platform_claims_days"),
    )

    id: UUID = Field(primary_key=True)
    organisation_id: UUID
    body_mac: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    scene: str
    region: str
    outcome: str
    reason: str | None = None
    winner_id: UUID | None = None
    claim_tokens: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    first_day: date
    last_day: date
    claimed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    released_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=True)
    )
    comparison: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB, nullable=True))
