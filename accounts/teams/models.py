"""Tables of teams."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, Index, UniqueConstraint
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class Team(SQLModel, table=True):
    """团队: a family, a company or a school that adds up what its members are credited. Joined by its code."""

    __tablename__: ClassVar[str] = "teams"
    __table_args__ = (
        CheckConstraint("kind IN ('family', 'company', 'school')", name="teams_kind"),
        UniqueConstraint("code", name="teams_code"),
        Index("teams_owner", "owner_id"),
    )

    id: UUID = Field(primary_key=True)
    kind: str
    name: str
    region: str = Field(max_length=6)
    owner_id: UUID
    code: str
    created_at: datetime = Field(sa_column=_moment())
    closed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class TeamMember(SQLModel, table=True):
    """One membership; who comes back has another one, which counts from then."""

    __tablename__: ClassVar[str] = "team_members"
    __table_args__ = (
        CheckConstraint("left_at IS NULL OR left_at >= joined_at", name="team_members_order"),
        Index("team_members_holder", "holder_id"),
    )

    team_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    holder_id: UUID
    joined_at: datetime = Field(sa_column=_moment())
    left_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
