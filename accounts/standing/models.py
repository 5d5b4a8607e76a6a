"""Table of residents' choices about public ranks."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import Column, DateTime
from sqlmodel import Field, SQLModel


class RankChoice(SQLModel, table=True):
    """Whether a holder wants to be in public ranks; who never chose is."""

    __tablename__: ClassVar[str] = "rank_choices"

    holder_id: UUID = Field(primary_key=True)
    shown: bool
    changed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
