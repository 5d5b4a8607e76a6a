"""The tables of certificates, their versions and files, and operators' seals."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class CertificateSeal(SQLModel, table=True):
    """The image of an operator's seal, from when on; a later one takes its place for what is issued after it."""

    __tablename__: ClassVar[str] = "certificate_seals"
    __table_args__ = (Index("certificate_seals_region", "region", "id"),)

    id: UUID = Field(primary_key=True)
    organisation_id: UUID
    region: str
    authority: str
    image: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    uploaded_at: datetime = Field(sa_column=_moment())


class Certificate(SQLModel, table=True):
    """One for each thing that is certified, in its present version. `holder_id` is a resident whose it is."""

    __tablename__: ClassVar[str] = "certificates"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('retirement', 'neutral_event', 'participant_share')", name="certificates_kind"
        ),
        CheckConstraint("quantity_kg > 0", name="certificates_quantity"),
        CheckConstraint("(revoked_at IS NULL) = (revocation_reason IS NULL)", name="certificates_revocation"),
        UniqueConstraint("number", name="certificates_number"),
        UniqueConstraint("kind", "subject_id", name="certificates_subject"),
        Index("certificates_region", "region", "id"),
        Index("certificates_holder", "holder_id", "id", postgresql_where="holder_id IS NOT NULL"),
        Index(
            "certificates_organisation",
            "organisation_id",
            "id",
            postgresql_where="organisation_id IS NOT NULL",
        ),
    )

    id: UUID = Field(primary_key=True)
    number: str
    kind: str
    subject_id: UUID
    region: str
    quantity_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    holder_id: UUID | None = None
    organisation_id: UUID | None = None
    version: int
    issued_at: datetime = Field(sa_column=_moment())
    revoked_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    revocation_reason: str | None = None


class CertificateVersion(SQLModel, table=True):
    """A version as it was signed. The text of one with a name is forgotten once the name is withdrawn."""

    __tablename__: ClassVar[str] = "certificate_versions"
    __table_args__ = (
        UniqueConstraint("digest", name="certificate_versions_digest"),
        CheckConstraint("(version = 1) = (reason = '')", name="certificate_versions_reason"),
    )

    certificate_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    issued_at: datetime = Field(sa_column=_moment())
    reason: str
    named: bool
    seal_id: UUID | None = None
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    jws: str | None = None


class CertificateFile(SQLModel, table=True):
    """The PDF of a version, made once; one that was revoked meanwhile has another, with the stamp that says so."""

    __tablename__: ClassVar[str] = "certificate_files"
    __table_args__ = (
        UniqueConstraint("certificate_id", "version", "revoked", name="certificate_files_version"),
    )

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    certificate_id: UUID
    version: int
    revoked: bool
    made_at: datetime = Field(sa_column=_moment())
    pdf: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
