"""Tables of settlement: statements, their lines, which entries are settled, disputes and corrections."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, UniqueConstraint
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Any:
    return Column(DateTime(timezone=True), nullable=nullable)


def _amount() -> Any:
    return Column(BigInteger, nullable=False)


class SettlementAccount(SQLModel, table=True):
    """A merchant and the money of one region: the lock under which statements are issued and corrected.

    No entry is older than `since`. `looked_until`: up to there a job found nothing to settle.
    """

    __tablename__: ClassVar[str] = "settlement_accounts"

    merchant_id: UUID = Field(primary_key=True)
    asset_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    region: str
    since: datetime = Field(sa_column=_moment())
    settled_until: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    looked_until: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class SettlementNumber(SQLModel, table=True):
    """The last number of a region's statements in a year."""

    __tablename__: ClassVar[str] = "settlement_numbers"

    region: str = Field(primary_key=True)
    year: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    last: int


class Settlement(SQLModel, table=True):
    """结算单: what a region's programme owes a merchant for a period, half-open. Amounts in fen.

    A negative total is carried: `carried_fen` is what a later statement took over of it, in its opening.
    """

    __tablename__: ClassVar[str] = "settlements"
    __table_args__ = (
        UniqueConstraint("number", name="settlements_number"),
        UniqueConstraint("merchant_id", "asset_id", "ends_at", name="settlements_period"),
        CheckConstraint("starts_at < ends_at", name="settlements_order"),
        CheckConstraint(
            "spent_fen >= 0 AND refunded_fen >= 0 AND carried_fen <= 0 AND redeemed >= 0 AND refunded >= 0",
            name="settlements_amounts",
        ),
        CheckConstraint(
            "state IN ('issued', 'agreed', 'disputed', 'corrected', 'upheld', 'in_payment', 'paid')",
            name="settlements_state",
        ),
        CheckConstraint(
            "(state <> 'agreed' OR agreed_at IS NOT NULL) AND (state <> 'disputed' OR disputed_at IS NOT NULL)"
            " AND (state <> 'corrected' OR resolution = 'corrected') AND (state <> 'upheld' OR resolution = 'upheld')",
            name="settlements_said",
        ),
        CheckConstraint(
            "(resolution IS NULL OR resolution IN ('corrected', 'upheld'))"
            " AND (resolution IS NULL) = (resolved_at IS NULL) AND (resolution IS NULL) = (resolved_by IS NULL)",
            name="settlements_resolved",
        ),
        CheckConstraint(
            "state IN ('issued', 'agreed', 'disputed', 'corrected', 'upheld')"
            " OR ((agreed_at IS NOT NULL OR resolution IS NOT NULL)"
            " AND bank_reference IS NOT NULL AND paid_on IS NOT NULL AND proposed_at IS NOT NULL"
            " AND proposed_by IS NOT NULL AND opening_fen + spent_fen - refunded_fen + adjusted_fen > 0)",
            name="settlements_payment",
        ),
        CheckConstraint(
            "(state = 'paid') = (paid_by IS NOT NULL) AND (paid_by IS NULL) = (paid_at IS NULL)"
            " AND (paid_by IS NULL OR (paid_by <> proposed_by AND (resolved_by IS NULL OR paid_by <> resolved_by)))",
            name="settlements_four_eyes",
        ),
        Index("settlements_merchant", "merchant_id", "id"),
        Index("settlements_region", "region", "id"),
    )

    id: UUID = Field(primary_key=True)
    number: str
    merchant_id: UUID
    asset_id: int
    region: str
    starts_at: datetime = Field(sa_column=_moment())
    ends_at: datetime = Field(sa_column=_moment())
    opening_fen: int = Field(sa_column=_amount())
    spent_fen: int = Field(sa_column=_amount())
    refunded_fen: int = Field(sa_column=_amount())
    adjusted_fen: int = Field(sa_column=_amount())
    carried_fen: int = Field(sa_column=_amount())
    redeemed: int = Field(sa_column=_amount())
    refunded: int = Field(sa_column=_amount())
    points: int = Field(sa_column=_amount())
    state: str
    version: int = 1
    issued_at: datetime = Field(sa_column=_moment())
    issued_by: str
    agreed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    agreed_by: str | None = None
    disputed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    disputed_by: str | None = None
    resolution: str | None = None
    resolution_note: str = ""
    resolved_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    resolved_by: str | None = None
    bank_reference: str | None = None
    paid_on: date | None = None
    proposed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    proposed_by: str | None = None
    paid_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    paid_by: str | None = None

    @property
    def total_fen(self) -> int:
        """What it comes to, fen; may be negative."""
        return self.opening_fen + self.spent_fen - self.refunded_fen + self.adjusted_fen

    @property
    def payable_fen(self) -> int:
        """What the merchant is paid, fen."""
        return max(self.total_fen, 0)

    @property
    def carry_fen(self) -> int:
        """What is left for a later statement to take over, fen; never positive."""
        return min(self.total_fen, 0)


class SettledEntry(SQLModel, table=True):
    """An entry that is in a statement: in one, for good. Never changed. `fen` is positive for what is owed."""

    __tablename__: ClassVar[str] = "settled_entries"
    __table_args__ = (
        CheckConstraint("fen <> 0", name="settled_entries_fen"),
        Index("settled_entries_settlement", "settlement_id", "entry_id"),
    )

    holder_id: UUID = Field(primary_key=True)
    entry_id: UUID = Field(primary_key=True)
    settlement_id: UUID
    redemption_id: UUID
    day: date
    fen: int = Field(sa_column=_amount())


class SettlementLine(SQLModel, table=True):
    """What a statement says of an offer at a shop on a local day. Never changed.

    `quantity` and `points` are net of refunds. No shop: the merchant's own system took it.
    """

    __tablename__: ClassVar[str] = "settlement_lines"

    settlement_id: UUID = Field(primary_key=True)
    line: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    day: date
    offer_id: UUID
    shop_id: UUID | None = None
    redeemed: int = Field(sa_column=_amount())
    refunded: int = Field(sa_column=_amount())
    quantity: int = Field(sa_column=_amount())
    points: int = Field(sa_column=_amount())
    spent_fen: int = Field(sa_column=_amount())
    refunded_fen: int = Field(sa_column=_amount())


class SettlementDispute(SQLModel, table=True):
    """Why a merchant does not agree: with one line, or with the whole. Never changed."""

    __tablename__: ClassVar[str] = "settlement_disputes"
    __table_args__ = (Index("settlement_disputes_settlement", "settlement_id", "id"),)

    id: UUID = Field(primary_key=True)
    settlement_id: UUID
    line: int | None = None
    reason: str
    raised_at: datetime = Field(sa_column=_moment())
    raised_by: str


class SettlementAdjustment(SQLModel, table=True):
    """A correction of a disputed statement, fen: positive is owed to the merchant beside the entries. Never changed."""

    __tablename__: ClassVar[str] = "settlement_adjustments"
    __table_args__ = (
        CheckConstraint("fen <> 0", name="settlement_adjustments_fen"),
        Index("settlement_adjustments_settlement", "settlement_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    settlement_id: UUID
    line: int | None = None
    fen: int = Field(sa_column=_amount())
    reason: str
    made_at: datetime = Field(sa_column=_moment())
    made_by: str
