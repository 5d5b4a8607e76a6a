"""Table of the answers that are given again."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Column, DateTime, Index, LargeBinary
from sqlmodel import Field, SQLModel


class IdempotentAnswer(SQLModel, table=True):
    """The first answer to a write with an Idempotency-Key; kept for a week."""

    __tablename__: ClassVar[str] = "idempotent_answers"
    __table_args__ = (Index("idempotent_answers_age", "created_at"),)

    token: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    body_mac: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    answer: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
