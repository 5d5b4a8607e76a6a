"""Table of the jobs that one process among many runs."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Column, DateTime
from sqlmodel import Field, SQLModel


class Job(SQLModel, table=True):
    """A recurring job: leased with `FOR UPDATE SKIP LOCKED`, due when `next_run_at` has come."""

    __tablename__: ClassVar[str] = "jobs"

    name: str = Field(primary_key=True)
    next_run_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    last_run_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=True)
    )
    last_error: str = ""
