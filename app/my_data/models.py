"""Tables of a person's rights: who read what, exports, erasure, corrections."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, LargeBinary, SmallInteger, text
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class AccessRecord(SQLModel, table=True):
    """Somebody read a holder's data. Append-only; what is past its retention goes by a function of the owner's."""

    __tablename__: ClassVar[str] = "access_records"
    __table_args__ = (Index("access_records_at", "at"),)

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    at: datetime = Field(sa_column=_moment())
    reader_id: UUID | None = Field(default=None, description="Organisation; None for a signed link")
    reader_name: str
    what: str
    target: str
    purpose: str | None = Field(default=None, description="Of a bank: what it asked for")
    refused: str | None = Field(
        default=None, description="Why a bank was refused; None where it was answered"
    )


class Export(SQLModel, table=True):
    """A person's data as a zip: built by a job, kept sealed in parts until it expires."""

    __tablename__: ClassVar[str] = "exports"
    __table_args__ = (
        CheckConstraint(
            "state IN ('waiting', 'running', 'ready', 'failed', 'gone')",
            name="exports_state",
        ),
        Index("exports_waiting", "id", postgresql_where=text("state IN ('waiting', 'running')")),
        Index("exports_expiry", "expires_at", postgresql_where=text("state = 'ready'")),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    state: str
    requested_at: datetime = Field(sa_column=_moment())
    progress_percent: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False))
    attempt: int = 0
    size_bytes: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    ready_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    expires_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class ExportPart(SQLModel, table=True):
    """A piece of an export's zip, sealed with AES-GCM."""

    __tablename__: ClassVar[str] = "export_parts"

    export_id: UUID = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Erasure(SQLModel, table=True):
    """A holder wants to be forgotten: carried out when it is due, unless it is cancelled before."""

    __tablename__: ClassVar[str] = "erasures"
    __table_args__ = (
        CheckConstraint("cancelled_at IS NULL OR done_at IS NULL", name="erasures_one_end"),
        Index("erasures_due", "due_at", postgresql_where=text("cancelled_at IS NULL AND done_at IS NULL")),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    requested_at: datetime = Field(sa_column=_moment())
    due_at: datetime = Field(sa_column=_moment())
    cancelled_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    done_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class Correction(SQLModel, table=True):
    """What a person says is wrong; an operator of `region` decides. `target` is a region or an activity's id."""

    __tablename__: ClassVar[str] = "corrections"
    __table_args__ = (
        CheckConstraint("subject IN ('region', 'activity')", name="corrections_subject"),
        Index("corrections_id", "id"),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    region: str
    subject: str
    target: str
    explanation: str
    requested_at: datetime = Field(sa_column=_moment())
    decided_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    accepted: bool | None = None
    reason: str = ""
