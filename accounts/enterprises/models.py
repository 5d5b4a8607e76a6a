"""Tables of enterprises. Rows of one enterprise begin with its holder's id; ids are UUIDv7."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

_ROLES = "role IN ('owner', 'energy_manager', 'viewer')"


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class Enterprise(SQLModel, table=True):
    """A holder of kind `organisation` that keeps an energy account. `industry_code` is of GB/T 4754-2017."""

    __tablename__: ClassVar[str] = "enterprises"
    __table_args__ = (
        CheckConstraint(
            "domain IN ('industry', 'agriculture', 'energy', 'building', 'transport', 'residential')",
            name="enterprises_domain",
        ),
        CheckConstraint("industry_code IS NOT NULL OR domain = 'residential'", name="enterprises_industry"),
        Index("enterprises_region", "region", "holder_id"),
        Index("enterprises_industry_code", "industry_code"),
    )

    holder_id: UUID = Field(primary_key=True)
    name: str
    domain: str
    industry_code: str | None = None
    region: str = Field(max_length=6)
    version: int = 1
    created_at: datetime = Field(sa_column=_moment())


class EnterpriseSite(SQLModel, table=True):
    """厂区: where an enterprise uses energy. Its region says which grid supplies it."""

    __tablename__: ClassVar[str] = "enterprise_sites"

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    name: str
    region: str = Field(max_length=6)
    version: int = 1
    created_at: datetime = Field(sa_column=_moment())


class EnterpriseLine(SQLModel, table=True):
    """产线: what can be switched off at a site, or has an output of its own."""

    __tablename__: ClassVar[str] = "enterprise_lines"

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    site_id: UUID
    name: str
    version: int = 1
    created_at: datetime = Field(sa_column=_moment())


class Meter(SQLModel, table=True):
    """计量点. `counts` says whether it is part of its site's total: a sub-meter is not.

    `register_max` is where a cumulative register begins anew at 0, in the carrier's base unit: one of six digits that
    counts kWh has 1,000,000,000 Wh.
    """

    __tablename__: ClassVar[str] = "meters"
    __table_args__ = (
        CheckConstraint(
            "carrier IN ('electricity', 'gas', 'coal', 'oil', 'steam', 'water')", name="meters_carrier"
        ),
        CheckConstraint("flow IN ('use', 'import', 'export', 'generation')", name="meters_flow"),
        CheckConstraint("reading IN ('interval', 'cumulative')", name="meters_reading"),
        CheckConstraint(
            "register_max IS NULL OR (register_max > 0 AND reading = 'cumulative')", name="meters_register"
        ),
        CheckConstraint("removed_at IS NULL OR removed_at >= installed_at", name="meters_order"),
        UniqueConstraint("holder_id", "number", name="meters_number"),
        UniqueConstraint("id", name="meters_id"),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    site_id: UUID
    line_id: UUID | None = None
    number: str
    carrier: str
    flow: str
    reading: str
    register_max: int | None = Field(default=None, sa_column=Column(BigInteger))
    counts: bool
    installed_at: datetime = Field(sa_column=_moment())
    removed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    version: int = 1
    created_at: datetime = Field(sa_column=_moment())


class EnterpriseMember(SQLModel, table=True):
    """A resident with a role; another role is another membership, so that tokens of the former one end.

    `label` is what the enterprise calls them; it is forgotten with the membership.
    """

    __tablename__: ClassVar[str] = "enterprise_members"
    __table_args__ = (
        CheckConstraint(_ROLES, name="enterprise_members_role"),
        CheckConstraint("left_at IS NULL OR left_at >= joined_at", name="enterprise_members_order"),
        CheckConstraint("member_id <> holder_id", name="enterprise_members_not_oneself"),
        Index("enterprise_members_member", "member_id"),
        Index("enterprise_members_left", "left_at", postgresql_where=text("left_at IS NOT NULL")),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    member_id: UUID
    role: str
    label: str
    joined_at: datetime = Field(sa_column=_moment())
    left_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class EnterpriseInvitation(SQLModel, table=True):
    """A code that makes one resident a member, once. Only its hash is kept."""

    __tablename__: ClassVar[str] = "enterprise_invitations"
    __table_args__ = (
        CheckConstraint(_ROLES, name="enterprise_invitations_role"),
        CheckConstraint("used_at IS NULL OR withdrawn_at IS NULL", name="enterprise_invitations_once"),
        UniqueConstraint("code_hash", name="enterprise_invitations_code"),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    role: str
    label: str
    code_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = Field(sa_column=_moment())
    expires_at: datetime = Field(sa_column=_moment())
    used_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    withdrawn_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
