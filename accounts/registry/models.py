"""Tables of registry accounts, of orders that freeze them, of transfers and of pledges."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, text
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


def _kg(*, nullable: bool = False) -> Column[int]:
    return Column(BigInteger, nullable=nullable)


class RegistryAccount(SQLModel, table=True):
    """登记账户: where units stand, of an organisation or, kept for it in trust, of a holder."""

    __tablename__: ClassVar[str] = "registry_accounts"
    __table_args__ = (
        CheckConstraint("(organisation_id IS NULL) <> (holder_id IS NULL)", name="registry_accounts_owner"),
        CheckConstraint(
            "transfer_limit_kg >= 0 AND daily_limit_kg >= 0 AND approval_above_kg >= 0",
            name="registry_accounts_limits",
        ),
        Index("registry_accounts_region", "region", "id"),
    )

    id: UUID = Field(primary_key=True)
    organisation_id: UUID | None = Field(default=None, unique=True, foreign_key="organisations.id")
    holder_id: UUID | None = Field(default=None, unique=True, foreign_key="holders.id")
    region: str = Field(max_length=6)
    opened_at: datetime = Field(sa_column=_moment())
    frozen_at: datetime | None = Field(
        default=None,
        sa_column=_moment(nullable=True),
        description="By order: nothing leaves it then, what comes in stays",
    )
    transfer_limit_kg: int | None = Field(
        default=None, sa_column=_kg(nullable=True), description="Of one transfer"
    )
    daily_limit_kg: int | None = Field(
        default=None, sa_column=_kg(nullable=True), description="Of a day's transfers"
    )
    approval_above_kg: int = Field(
        sa_column=Column(BigInteger, nullable=False, server_default="1000000"),
        description="What a transfer of more needs a second client's approval for",
    )
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})


class AccountFreeze(SQLModel, table=True):
    """冻结: an order by which nothing leaves an account, and the order that lifted it."""

    __tablename__: ClassVar[str] = "account_freezes"
    __table_args__ = (
        CheckConstraint(
            "(lifted_at IS NULL) = (lifted_by IS NULL) AND (lifted_at IS NULL) = (lift_document IS NULL)",
            name="account_freezes_lifted",
        ),
        Index("account_freezes_account", "account_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID
    document: str
    reason: str
    frozen_by: str
    frozen_at: datetime = Field(sa_column=_moment())
    lift_document: str | None = None
    lifted_by: str | None = None
    lifted_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class UnitTransfer(SQLModel, table=True):
    """划转: units offered by one account to another, held back by a lock of the transfer's id until it is decided."""

    __tablename__: ClassVar[str] = "unit_transfers"
    __table_args__ = (
        CheckConstraint(
            "state IN ('proposed', 'offered', 'accepted', 'declined', 'withdrawn', 'expired')",
            name="unit_transfers_state",
        ),
        CheckConstraint("account_id <> to_account_id", name="unit_transfers_accounts"),
        CheckConstraint("quantity_kg > 0", name="unit_transfers_quantity"),
        CheckConstraint("approved_by <> proposed_by", name="unit_transfers_four_eyes"),
        CheckConstraint(
            "(decided_at IS NULL) = (state IN ('proposed', 'offered'))", name="unit_transfers_decided"
        ),
        Index("unit_transfers_account", "account_id", "id"),
        Index("unit_transfers_to_account", "to_account_id", "id"),
        Index("unit_transfers_open", "expires_at", postgresql_where=text("decided_at IS NULL")),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID
    to_account_id: UUID
    origin_id: UUID | None = None
    quantity_kg: int = Field(sa_column=_kg())
    note: str
    state: str
    proposed_by: str
    proposed_at: datetime = Field(sa_column=_moment())
    expires_at: datetime = Field(sa_column=_moment())
    approved_by: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class UnitPledge(SQLModel, table=True):
    """质押: units that secure a bank's loan, held back by a lock of the pledge's id; only the bank gives them free."""

    __tablename__: ClassVar[str] = "unit_pledges"
    __table_args__ = (
        CheckConstraint("quantity_kg > 0", name="unit_pledges_quantity"),
        CheckConstraint("(released_at IS NULL) = (released_by IS NULL)", name="unit_pledges_released"),
        Index("unit_pledges_account", "account_id", "id"),
        Index("unit_pledges_bank", "bank_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID
    bank_id: UUID = Field(foreign_key="organisations.id")
    origin_id: UUID | None = None
    quantity_kg: int = Field(sa_column=_kg())
    contract: str
    pledged_by: str
    pledged_at: datetime = Field(sa_column=_moment())
    released_by: str | None = None
    released_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
