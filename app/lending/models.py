"""Tables of banks' green-loan products, the quotes given on them, and the loans that banks report back."""

import enum
from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class Basis(enum.StrEnum):
    """What a product's table goes by: the tier on a score card, or the label of an enterprise."""

    TIER = "tier"
    LABEL = "label"


class LoanState(enum.StrEnum):
    """What a version of a loan says of it."""

    GRANTED = "granted"
    CANCELLED = "cancelled"


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


def _big(*, nullable: bool = False) -> Column[int]:
    return Column(BigInteger, nullable=nullable)


def _within(table: str, *, nullable: bool = False) -> tuple[CheckConstraint, CheckConstraint]:
    """At most 1.5 times the limit, at most 100 basis points off."""
    free = "eligible = false OR " if nullable else ""
    return (
        CheckConstraint(
            f"{free}(limit_from_bp >= 10000 AND limit_from_bp <= limit_to_bp AND limit_to_bp <= 15000)",
            name=f"{table}_limit",
        ),
        CheckConstraint(
            f"{free}(discount_from_bp >= 0 AND discount_from_bp <= discount_to_bp AND discount_to_bp <= 100)",
            name=f"{table}_discount",
        ),
    )


class BankProduct(SQLModel, table=True):
    """A version of a product. Versions are never changed; the newest that has begun counts, until its last day."""

    __tablename__: ClassVar[str] = "bank_products"
    __table_args__ = (
        UniqueConstraint("bank_id", "code", "version", name="bank_products_code"),
        CheckConstraint("version > 0", name="bank_products_version"),
        CheckConstraint("basis IN ('tier', 'label')", name="bank_products_basis"),
        CheckConstraint("(basis = 'tier') = (card IS NOT NULL)", name="bank_products_card"),
        CheckConstraint("holder_kind IN ('person', 'organisation')", name="bank_products_kind"),
        CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="bank_products_days"),
        CheckConstraint("quote_days >= 1 AND quote_days <= 365", name="bank_products_quote_days"),
    )

    id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    bank_id: UUID
    code: str
    name_zh: str
    name_en: str
    holder_kind: str
    basis: str
    card: str | None = None
    valid_from: date
    valid_until: date | None = None
    quote_days: int
    source: str
    created_at: datetime = Field(sa_column=_moment())
    created_by: str


class BankProductTerms(SQLModel, table=True):
    """A rule of a product's table."""

    __tablename__: ClassVar[str] = "bank_product_terms"
    __table_args__ = _within("bank_product_terms")

    product_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    level: str = Field(primary_key=True)
    limit_from_bp: int
    limit_to_bp: int
    discount_from_bp: int
    discount_to_bp: int


class BankQuote(SQLModel, table=True):
    """What a bank was told of one holder's terms. Append-only."""

    __tablename__: ClassVar[str] = "bank_quotes"
    __table_args__ = (
        *_within("bank_quotes", nullable=True),
        CheckConstraint(
            "eligible = (limit_from_bp IS NOT NULL AND limit_to_bp IS NOT NULL"
            " AND discount_from_bp IS NOT NULL AND discount_to_bp IS NOT NULL AND level IS NOT NULL)",
            name="bank_quotes_eligible",
        ),
        Index("bank_quotes_bank", "bank_id", "id"),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    bank_id: UUID
    grant_id: UUID
    product_id: UUID
    product_version: int
    region: str = Field(max_length=6)
    basis: str
    level: str | None = None
    eligible: bool
    reason: str
    limit_from_bp: int | None = None
    limit_to_bp: int | None = None
    discount_from_bp: int | None = None
    discount_to_bp: int | None = None
    answer: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    made_at: datetime = Field(sa_column=_moment())
    valid_until: datetime = Field(sa_column=_moment())


class GreenLoan(SQLModel, table=True):
    """A version of a loan as its bank reported it. The latest counts; older ones are kept as they were said.

    The first version of a bank's number and of a quote, and the latest of a loan, are unique each.
    """

    __tablename__: ClassVar[str] = "green_loans"
    __table_args__ = (
        CheckConstraint("version > 0", name="green_loans_version"),
        CheckConstraint("state IN ('granted', 'cancelled')", name="green_loans_state"),
        CheckConstraint("amount_fen > 0", name="green_loans_amount"),
        CheckConstraint("rate_bp >= 0 AND rate_bp <= 10000", name="green_loans_rate"),
        CheckConstraint("funded_mg IS NULL OR funded_mg >= 0", name="green_loans_funded"),
        CheckConstraint("ends_on IS NULL OR ends_on >= granted_on", name="green_loans_days"),
        Index("green_loans_bank", "bank_id", "id", postgresql_where=text("latest")),
        Index("green_loans_granted", "granted_on", postgresql_where=text("latest")),
        Index("green_loans_holder", "holder_id"),
    )

    id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    latest: bool
    bank_id: UUID
    number: str
    quote_id: UUID
    holder_id: UUID
    region: str = Field(max_length=6)
    product_id: UUID
    product_version: int
    basis: str
    level: str
    amount_fen: int = Field(sa_column=_big())
    rate_bp: int
    granted_on: date
    ends_on: date | None = None
    funded_mg: int | None = Field(default=None, sa_column=_big(nullable=True))
    state: str
    reason: str
    recorded_at: datetime = Field(sa_column=_moment())
    recorded_by: str
