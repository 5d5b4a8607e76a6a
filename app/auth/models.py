"""Tables of organisations, their clients, the keys that sign tokens, and the audit trail."""

import enum
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, Column, DateTime, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel


class OrganisationKind(enum.StrEnum):
    """Whom a client speaks for."""

    PLATFORM = "platform"
    BANK = "bank"
    MERCHANT = "merchant"
    OPERATOR = "operator"
    NEIGHBOUR = "neighbour"
    ENTERPRISE = "enterprise"
    PARTICIPANT = "participant"
    VERIFIER = "verifier"


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class Organisation(SQLModel, table=True):
    """Who calls. `region` (GB/T 2260) is where an operator's rights end; a province or the nation covers its parts."""

    __tablename__: ClassVar[str] = "organisations"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('platform', 'bank', 'merchant', 'operator', 'neighbour', 'enterprise',"
            " 'participant', 'verifier')",
            name="organisations_kind",
        ),
        CheckConstraint("(kind = 'enterprise') = (holder_id IS NOT NULL)", name="organisations_holder"),
        UniqueConstraint("holder_id", name="organisations_holder_id"),
    )

    id: UUID = Field(primary_key=True)
    kind: str
    name: str
    region: str
    created_at: datetime = Field(sa_column=_moment())
    discloses_wins: bool = Field(
        default=False, sa_column=Column(Boolean, nullable=False, server_default="false")
    )
    holder_id: UUID | None = Field(default=None, description="Whom an enterprise's clients speak for")


class Client(SQLModel, table=True):
    """OAuth2 client of an organisation; the secret is kept as an argon2 hash only."""

    __tablename__: ClassVar[str] = "clients"

    id: str = Field(primary_key=True)
    organisation_id: UUID
    secret_hash: str
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    created_at: datetime = Field(sa_column=_moment())
    disabled_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    role: str | None = Field(default=None, description="Of an enterprise's client: its scopes are the role's")


class SigningKey(SQLModel, table=True):
    """Ed25519 key that signs access tokens; the private part is encrypted with the deployment's secret."""

    __tablename__: ClassVar[str] = "signing_keys"

    kid: str = Field(primary_key=True)
    private_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    public_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signs_from: datetime = Field(sa_column=_moment())
    verifies_until: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class AuditRecord(SQLModel, table=True):
    """Who did what, under which name at that time. Append-only."""

    __tablename__: ClassVar[str] = "audit_records"
    __table_args__ = (Index("audit_records_target", "target_type", "target_id"),)

    id: UUID = Field(primary_key=True)
    at: datetime = Field(sa_column=_moment())
    actor_client_id: str
    actor_name: str
    action: str
    target_type: str
    target_id: str
    detail: str = ""
    region: str = Field(default="", description="Whose operators may read it; empty: the nation's only")
    reason: str = ""
    address: str = Field(default="", description="Network address that the request came from")
    before: str | None = Field(default=None, description="JSON of what changed, as it was")
    after: str | None = Field(default=None, description="JSON of what changed, as it is now")
