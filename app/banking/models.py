"""Tables of what holders let banks see: grants, and the names by which a bank knows them."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class BankReference(SQLModel, table=True):
    """The name by which one bank knows a holder: random, another one for each bank, so that banks cannot join."""

    __tablename__: ClassVar[str] = "bank_references"
    __table_args__ = (UniqueConstraint("reference", name="bank_references_reference"),)

    holder_id: UUID = Field(primary_key=True)
    bank_id: UUID = Field(primary_key=True)
    reference: UUID
    created_at: datetime = Field(sa_column=_moment())


class BankGrant(SQLModel, table=True):
    """A holder lets a bank see so much, for one purpose, until a day. At most one of a purpose has not ended.

    `ended` is `withdrawn`, or `replaced` by a later grant; one that is past its period expired by itself.
    """

    __tablename__: ClassVar[str] = "bank_grants"
    __table_args__ = (
        CheckConstraint(
            "purpose IN ('loan_application', 'pre_screening', 'white_list', 'post_loan_monitoring')",
            name="bank_grants_purpose",
        ),
        CheckConstraint("scope IN ('tier', 'score', 'report')", name="bank_grants_scope"),
        CheckConstraint("valid_until > granted_at", name="bank_grants_order"),
        CheckConstraint("ended IN ('withdrawn', 'replaced')", name="bank_grants_ended"),
        CheckConstraint("(ended_at IS NULL) = (ended IS NULL)", name="bank_grants_end"),
        Index("bank_grants_bank", "bank_id", "id", postgresql_where=text("ended_at IS NULL")),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    bank_id: UUID
    purpose: str
    scope: str
    text_version: str
    granted_at: datetime = Field(sa_column=_moment())
    valid_until: datetime = Field(sa_column=_moment())
    receipt_id: UUID
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    ended: str | None = None
