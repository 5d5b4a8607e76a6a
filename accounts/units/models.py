"""Tables of units, of the ranges that accounts hold, and of what became of them."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Identity, Index, SmallInteger, text
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, INT8RANGE, ExcludeConstraint
from sqlmodel import Field, SQLModel

LIVE = text("ended_at IS NULL")


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


def _range() -> Column[Any]:
    return Column(INT8RANGE, nullable=False)


class UnitNumbers(SQLModel, table=True):
    """The next free number of the deployment, in one row."""

    __tablename__: ClassVar[str] = "unit_numbers"
    __table_args__ = (
        CheckConstraint("id = 1", name="unit_numbers_one"),
        CheckConstraint("next_number > 0", name="unit_numbers_next"),
    )

    id: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    next_number: int = Field(sa_column=Column(BigInteger, nullable=False))


class UnitOrigin(SQLModel, table=True):
    """What units came of: an issuance, or the verified stock of a project. `units` is the range that it was given."""

    __tablename__: ClassVar[str] = "unit_origins"
    __table_args__ = (
        CheckConstraint("kind IN ('issuance', 'project')", name="unit_origins_kind"),
        CheckConstraint("vintage >= 1900 AND vintage <= 3000", name="unit_origins_vintage"),
        CheckConstraint("lower(units) > 0 AND upper(units) > lower(units)", name="unit_origins_units"),
        ExcludeConstraint(("units", "&&"), name="unit_origins_disjoint", using="gist"),
    )

    id: UUID = Field(primary_key=True)
    kind: str
    subject_id: UUID = Field(unique=True)
    region: str = Field(max_length=6)
    methodology: str
    vintage: int = Field(sa_column=Column(SmallInteger, nullable=False))
    unit_type: str
    units: Any = Field(sa_column=_range())
    issued_at: datetime = Field(sa_column=_moment())


class UnitMovement(SQLModel, table=True):
    """变动: one change of holdings and the units that it moved; written once."""

    __tablename__: ClassVar[str] = "unit_movements"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('issued', 'locked', 'pledged', 'released', 'transferred', 'retired', 'cancelled')",
            name="unit_movements_kind",
        ),
        CheckConstraint("(kind = 'transferred') = (to_account_id IS NOT NULL)", name="unit_movements_to"),
        CheckConstraint("NOT isempty(units)", name="unit_movements_units"),
        Index("unit_movements_account", "account_id", "id"),
        Index("unit_movements_issued", "subject_id", postgresql_where=text("kind = 'issued'")),
        Index(
            "unit_movements_to_account",
            "to_account_id",
            "id",
            postgresql_where=text("to_account_id IS NOT NULL"),
        ),
    )

    id: UUID = Field(primary_key=True)
    kind: str
    account_id: UUID
    to_account_id: UUID | None = None
    subject_id: UUID
    units: Any = Field(sa_column=Column(INT8MULTIRANGE, nullable=False))
    at: datetime = Field(sa_column=_moment())


class UnitLock(SQLModel, table=True):
    """What holds units back for a subject: an offer, a bid; `pledged`: a bank's loan. Holdings have what it has."""

    __tablename__: ClassVar[str] = "unit_locks"
    __table_args__ = (CheckConstraint("kind IN ('locked', 'pledged')", name="unit_locks_kind"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID
    kind: str
    reason: str
    subject_id: UUID = Field(unique=True)
    locked_at: datetime = Field(sa_column=_moment())


class UnitRetirement(SQLModel, table=True):
    """注销: units used once for a purpose and a beneficiary; its movement, of the same id, has the units."""

    __tablename__: ClassVar[str] = "unit_retirements"
    __table_args__ = (
        CheckConstraint("purpose IN ('obligation', 'event', 'voluntary')", name="unit_retirements_purpose"),
        Index("unit_retirements_account", "account_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID
    subject_id: UUID = Field(unique=True)
    purpose: str
    beneficiary: str
    obligation_period: str | None = None
    retired_at: datetime = Field(sa_column=_moment())


class UnitCancellation(SQLModel, table=True):
    """Units made void by decision, which is no use of them; its movement, of the same id, has the units."""

    __tablename__: ClassVar[str] = "unit_cancellations"

    id: UUID = Field(primary_key=True)
    account_id: UUID
    subject_id: UUID = Field(unique=True)
    reason: str
    cancelled_at: datetime = Field(sa_column=_moment())


class UnitHolding(SQLModel, table=True):
    """持有: one state of a range. It ends when others begin, which name it as parent and make up the whole of it.

    `rest` is what a split left as it was.
    """

    __tablename__: ClassVar[str] = "unit_holdings"
    __table_args__ = (
        CheckConstraint("lower(units) > 0 AND upper(units) > lower(units)", name="unit_holdings_units"),
        CheckConstraint(
            "status IN ('held', 'locked', 'pledged', 'retired', 'cancelled')", name="unit_holdings_status"
        ),
        CheckConstraint(
            "(lock_id IS NOT NULL) = (status IN ('locked', 'pledged'))", name="unit_holdings_lock"
        ),
        CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="unit_holdings_end"),
        CheckConstraint(
            "NOT (ended_at IS NOT NULL AND status IN ('retired', 'cancelled'))", name="unit_holdings_final"
        ),
        ExcludeConstraint(("units", "&&"), name="unit_holdings_disjoint", using="gist", where=LIVE),
        Index("unit_holdings_account", "account_id", "status", text("lower(units)"), postgresql_where=LIVE),
        Index(
            "unit_holdings_lock_id",
            "lock_id",
            text("lower(units)"),
            postgresql_where=text("ended_at IS NULL AND lock_id IS NOT NULL"),
        ),
    )

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    units: Any = Field(sa_column=_range())
    origin_id: UUID
    account_id: UUID
    status: str
    lock_id: UUID | None = None
    parent_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    rest: bool
    begun_by: UUID
    begun_at: datetime = Field(sa_column=_moment())
    ended_by: UUID | None = None
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
