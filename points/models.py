"""Tables of points."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, DateTime, Index, text
from sqlmodel import Field, SQLModel


class Lot(SQLModel, table=True):
    """积分批次: points of one holder and programme that expire together, on the first moment of `expires_on`.

    `swept` once what was left has expired. Points that come back to such a lot make it due again.
    """

    __tablename__: ClassVar[str] = "lots"
    __table_args__ = (
        CheckConstraint("remaining >= 0 AND remaining <= earned", name="lots_not_negative"),
        Index("lots_due", "expires_on", postgresql_where=text("NOT swept")),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    holder_id: UUID = Field(primary_key=True)
    asset_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    expires_on: date = Field(primary_key=True)
    earned: int = Field(sa_column=Column(BigInteger, nullable=False))
    remaining: int = Field(sa_column=Column(BigInteger, nullable=False))
    opened_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    swept: bool = Field(
        default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false"))
    )


class Receivable(SQLModel, table=True):
    """Points of one programme that a holder owes: they were spent, and their credit was reversed."""

    __tablename__: ClassVar[str] = "receivables"
    __table_args__ = (CheckConstraint("owed >= 0", name="receivables_not_negative"),)

    holder_id: UUID = Field(primary_key=True)
    asset_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    owed: int = Field(sa_column=Column(BigInteger, nullable=False))
