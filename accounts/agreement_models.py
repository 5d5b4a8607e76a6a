"""Tables of what a holder agreed to: signed receipts, mandates with their terms, bindings to platforms."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, SmallInteger, UniqueConstraint
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class AgreementReceipt(SQLModel, table=True):
    """What was agreed or withdrawn, signed by the service (JWS). Append-only."""

    __tablename__: ClassVar[str] = "agreement_receipts"

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    kind: str
    issued_at: datetime = Field(sa_column=_moment())
    signed: str


class MandateTerms(SQLModel, table=True):
    """The terms on which an applicant takes mandates: the newest version is what it offers. Append-only.

    `holder_percent` of the proceeds are the holder's, the rest is the applicant's.
    """

    __tablename__: ClassVar[str] = "mandate_terms"
    __table_args__ = (
        UniqueConstraint("applicant_id", "version", name="mandate_terms_version"),
        CheckConstraint("holder_percent >= 0 AND holder_percent <= 100", name="mandate_terms_share"),
    )

    id: UUID = Field(primary_key=True)
    applicant_id: UUID
    version: str
    holder_percent: int = Field(sa_column=Column(SmallInteger, nullable=False))
    text_zh: str
    text_en: str
    content_hash: str
    published_at: datetime = Field(sa_column=_moment())


class Mandate(SQLModel, table=True):
    """归集授权: an applicant may issue what is booked from `valid_from` until `valid_until`. Append-only."""

    __tablename__: ClassVar[str] = "mandates"
    __table_args__ = (
        CheckConstraint(
            "valid_from >= granted_at AND (valid_until IS NULL OR valid_until > valid_from)",
            name="mandates_order",
        ),
        Index("mandates_applicant", "applicant_id", "holder_id", "id"),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    applicant_id: UUID
    terms_id: UUID
    granted_at: datetime = Field(sa_column=_moment())
    valid_from: datetime = Field(sa_column=_moment())
    valid_until: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    receipt_id: UUID


class MandateWithdrawal(SQLModel, table=True):
    """A mandate ends: what is booked from `ends_at` on is not under it. Append-only."""

    __tablename__: ClassVar[str] = "mandate_withdrawals"
    __table_args__ = (CheckConstraint("ends_at <= withdrawn_at", name="mandate_withdrawals_order"),)

    holder_id: UUID = Field(primary_key=True)
    mandate_id: UUID = Field(primary_key=True)
    withdrawn_at: datetime = Field(sa_column=_moment())
    ends_at: datetime = Field(sa_column=_moment())
    receipt_id: UUID


class MandateTotal(SQLModel, table=True):
    """How much was booked under the mandates of one version of terms, as counted last; never of one holder."""

    __tablename__: ClassVar[str] = "mandate_totals"

    terms_id: UUID = Field(primary_key=True)
    counted_at: datetime = Field(sa_column=_moment())
    holders: int
    net_mg: int = Field(sa_column=Column(BigInteger, nullable=False))


class Binding(SQLModel, table=True):
    """A platform's user is this holder. `agreed` is JSON: the consents (group, text version) that come with it."""

    __tablename__: ClassVar[str] = "bindings"
    __table_args__ = (
        CheckConstraint(
            "identity_token IS NULL OR (redeemed_at IS NOT NULL AND ended_at IS NULL)", name="bindings_live"
        ),
        Index("bindings_id", "id"),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    source_id: UUID
    agreed: str
    created_at: datetime = Field(sa_column=_moment())
    expires_at: datetime = Field(sa_column=_moment())
    redeemed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    identity_token: UUID | None = None
