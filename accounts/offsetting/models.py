"""Tables of footprints that residents entered, and of offsets."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class Footprint(SQLModel, table=True):
    """足迹: what a holder used in a month, with every factor that it was computed by."""

    __tablename__: ClassVar[str] = "footprints"
    __table_args__ = (
        CheckConstraint("co2e_mg > 0", name="footprints_amount"),
        CheckConstraint("extract(day FROM month) = 1", name="footprints_month"),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    month: date
    region: str = Field(max_length=6)
    co2e_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    lines: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Offset(SQLModel, table=True):
    """抵消: open grams of a holder that were used once, for a purpose; its entries name it as their cause."""

    __tablename__: ClassVar[str] = "offsets"
    __table_args__ = (
        CheckConstraint("amount_mg > 0", name="offsets_amount"),
        Index("offsets_id", "id"),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    footprint_id: UUID | None = None
    purpose: str
    amount_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    booked_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
