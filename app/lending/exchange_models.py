"""Tables of the exchange with banks' own systems: where they are, what they are told, their daily files."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, LargeBinary, text
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class BankConnection(SQLModel, table=True):
    """Where and as whom a bank's own API is asked, and the keys that it signs with (a JWK set)."""

    __tablename__: ClassVar[str] = "bank_connections"

    bank_id: UUID = Field(primary_key=True)
    url: str
    token_url: str
    client_id: str
    sealed_secret: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    jwks: str
    files_from: date
    created_at: datetime = Field(sa_column=_moment())
    disabled_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class BankMessage(SQLModel, table=True):
    """Something that a bank is told by its own API while the holder's grant lives. `due_at` is also a lease."""

    __tablename__: ClassVar[str] = "bank_messages"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'delivered', 'refused')", name="bank_messages_state"),
        Index("bank_messages_due", "due_at", postgresql_where=text("state = 'pending'")),
    )

    id: UUID = Field(primary_key=True)
    bank_id: UUID
    holder_id: UUID
    grant_id: UUID
    kind: str
    subject: str
    data: str
    happened_at: datetime = Field(sa_column=_moment())
    state: str
    attempts: int
    due_at: datetime = Field(sa_column=_moment())
    settled_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    receipt: str
    last_error: str


class BankFile(SQLModel, table=True):
    """A day whose file was, or is to be, compared."""

    __tablename__: ClassVar[str] = "bank_files"

    bank_id: UUID = Field(primary_key=True)
    day: date = Field(primary_key=True)
    look_at: datetime = Field(sa_column=_moment())
    lines: int | None = None
    compared_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    last_error: str


class BankDifference(SQLModel, table=True):
    """Something that a bank's file of a day says otherwise than what it reported to us. Append-only."""

    __tablename__: ClassVar[str] = "bank_differences"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('missing', 'unknown', 'amount_differs', 'rate_differs', 'state_differs')",
            name="bank_differences_kind",
        ),
        Index("bank_differences_region", "region", "id"),
    )

    id: UUID = Field(primary_key=True)
    bank_id: UUID
    day: date
    number: str
    kind: str
    region: str = Field(
        description="Whose operators may read it: the loan's, or the bank's where it is unknown"
    )
    ours: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    theirs: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    found_at: datetime = Field(sa_column=_moment())
