"""Tables of projects, their documents and their stock by vintage."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel


class Project(SQLModel, table=True):
    """A forest or another project, whose owner's registry account takes its units. `code` stands in their serials."""

    __tablename__: ClassVar[str] = "projects"
    __table_args__ = (UniqueConstraint("code", name="projects_code"),)

    id: UUID = Field(primary_key=True)
    code: str
    owner_id: UUID
    region: str = Field(max_length=6)
    kind: str
    name_zh: str
    name_en: str
    unit_type: str
    registered_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class ProjectDocument(SQLModel, table=True):
    """A document of a project or of a verification, by its reference and SHA-256."""

    __tablename__: ClassVar[str] = "project_documents"
    __table_args__ = (UniqueConstraint("project_id", "sha256", name="project_documents_once"),)

    id: UUID = Field(primary_key=True)
    project_id: UUID
    title: str
    reference: str
    sha256: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class ProjectStock(SQLModel, table=True):
    """A vintage's reductions: expected until they are verified, units from then on."""

    __tablename__: ClassVar[str] = "project_stocks"
    __table_args__ = (
        UniqueConstraint("project_id", "vintage", name="project_stocks_vintage"),
        CheckConstraint("expected_kg > 0", name="project_stocks_expected"),
        CheckConstraint("verified_kg > 0", name="project_stocks_quantity"),
        CheckConstraint(
            "(verified_kg IS NULL) = (verified_at IS NULL) AND (verified_kg IS NULL) = (document_id IS NULL)",
            name="project_stocks_verified",
        ),
    )

    id: UUID = Field(primary_key=True)
    project_id: UUID
    vintage: int = Field(sa_column=Column(SmallInteger, nullable=False))
    expected_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    recorded_by: str
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    verified_kg: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    verified_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=True)
    )
    document_id: UUID | None = None
