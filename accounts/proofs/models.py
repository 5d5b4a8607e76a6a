"""Table of the ledger's daily heads."""

from datetime import date, datetime
from typing import ClassVar

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime
from sqlmodel import Field, SQLModel


class LedgerHead(SQLModel, table=True):
    """A day of the ledger in one hash that holds all days before; written once.

    It covers the entries that were booked since the head before it, the first one all that was booked until then.
    """

    __tablename__: ClassVar[str] = "ledger_heads"
    __table_args__ = (
        CheckConstraint(
            "entries >= 0 AND octet_length(root) = 32 AND octet_length(previous) = 32 AND octet_length(head) = 32",
            name="ledger_heads_sizes",
        ),
    )

    day: date = Field(primary_key=True)
    entries: int = Field(sa_column=Column(BigInteger, nullable=False))
    root: bytes
    previous: bytes = Field(unique=True)
    head: bytes
    taken_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
