"""Tables of points."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime
from sqlmodel import Field, SQLModel


class Lot(SQLModel, table=True):
    """积分批次: points of one holder and programme that expire together, on the first moment of `expires_on`."""

    __tablename__: ClassVar[str] = "lots"
    __table_args__ = (
        CheckConstraint("remaining >= 0 AND remaining <= earned", name="lots_not_negative"),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    holder_id: UUID = Field(primary_key=True)
    asset_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    expires_on: date = Field(primary_key=True)
    earned: int = Field(sa_column=Column(BigInteger, nullable=False))
    remaining: int = Field(sa_column=Column(BigInteger, nullable=False))
    opened_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
