"""Tables of residents' sign-in: sessions, what was signed out everywhere, and minors with their guardians."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


def _hash() -> Column[bytes]:
    return Column(LargeBinary, nullable=False)


class ResidentSession(SQLModel, table=True):
    """A device of a holder: one family of refresh tokens, of which one counts. Only keyed hashes are kept.

    `family_hash` finds the family by the part that all its tokens share; `token_hash` is of the token that counts.
    """

    __tablename__: ClassVar[str] = "resident_sessions"
    __table_args__ = (
        UniqueConstraint("family_hash", name="resident_sessions_family"),
        Index("resident_sessions_holder", "holder_id"),
        Index("resident_sessions_ended", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
        Index("resident_sessions_expiry", "expires_at"),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    id: UUID = Field(primary_key=True)
    holder_id: UUID
    method: str
    device: str = ""
    family_hash: bytes = Field(sa_column=_hash())
    token_hash: bytes = Field(sa_column=_hash())
    created_at: datetime = Field(sa_column=_moment())
    last_used_at: datetime = Field(sa_column=_moment())
    expires_at: datetime = Field(sa_column=_moment())
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    end_reason: str = ""


class ResidentEpoch(SQLModel, table=True):
    """How often a holder signed out everywhere: tokens of an earlier epoch do not count."""

    __tablename__: ClassVar[str] = "resident_epochs"
    __table_args__ = (Index("resident_epochs_revoked", "revoked_at"),)

    holder_id: UUID = Field(primary_key=True)
    epoch: int
    revoked_at: datetime = Field(sa_column=_moment())


class Minor(SQLModel, table=True):
    """A child's account and its guardian, until the child has taken it over. No birth date is kept."""

    __tablename__: ClassVar[str] = "minors"
    __table_args__ = (
        CheckConstraint("holder_id <> guardian_id", name="minors_not_oneself"),
        Index("minors_guardian", "guardian_id"),
    )

    holder_id: UUID = Field(primary_key=True)
    guardian_id: UUID
    label: str
    minor_until: date
    created_at: datetime = Field(sa_column=_moment())
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
