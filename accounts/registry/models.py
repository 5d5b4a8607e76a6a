"""Table of registry accounts."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime
from sqlmodel import Field, SQLModel


class RegistryAccount(SQLModel, table=True):
    """登记账户: where units stand, of an organisation or, kept for it in trust, of a holder."""

    __tablename__: ClassVar[str] = "registry_accounts"
    __table_args__ = (
        CheckConstraint("(organisation_id IS NULL) <> (holder_id IS NULL)", name="registry_accounts_owner"),
    )

    id: UUID = Field(primary_key=True)
    organisation_id: UUID | None = Field(default=None, unique=True, foreign_key="organisations.id")
    holder_id: UUID | None = Field(default=None, unique=True, foreign_key="holders.id")
    region: str = Field(max_length=6)
    opened_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    frozen_at: datetime | None = Field(
        default=None,
        sa_column=Column(DateTime(timezone=True)),
        description="By order: nothing leaves it then, what comes in stays",
    )
