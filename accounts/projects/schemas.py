"""What doors of projects take and give."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ProjectKind = Literal["forest", "bamboo", "wetland", "renewable_energy", "methane", "other"]


class DocumentInput(BaseModel):
    """A document that is kept elsewhere, by what it is called there and the SHA-256 of its content."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=1, max_length=200, examples=["项目设计文件 Project design document"])
    reference: str = Field(min_length=1, max_length=200, examples=["赣林碳备〔2026〕3号"])
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class ProjectInput(BaseModel):
    """A project, as it was put on file."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(
        pattern=r"^[A-Z][A-Z0-9]{2,15}$", description="Stands in the serials of its units", examples=["ZXMZ"]
    )
    owner_id: str = Field(max_length=40, description="`org_…` of a market participant")
    region: str = Field(pattern=r"^[1-9][0-9]{5}$")
    kind: ProjectKind
    name_zh: str = Field(min_length=1, max_length=120)
    name_en: str = Field(min_length=1, max_length=120)
    unit_type: str = Field(
        min_length=1,
        max_length=40,
        description="The name by which rules of markets know its units",
        examples=["FCER"],
    )
    documents: list[DocumentInput] = Field(min_length=1, max_length=20)


class ForwardStockInput(BaseModel):
    """What a project is expected to have reduced or removed in a year."""

    model_config = ConfigDict(extra="forbid")

    vintage: int = Field(ge=2000, le=2100, strict=True)
    expected_kg: int = Field(ge=1, le=10**12, strict=True)


class StockVerificationInput(BaseModel):
    """What a verification states, with its document."""

    model_config = ConfigDict(extra="forbid")

    quantity_kg: int = Field(ge=1, le=10**12, strict=True)
    document: DocumentInput


class StockView(BaseModel):
    """A vintage of a project: `forward` while it is only expected, `verified` with units."""

    stock_id: str
    vintage: int
    state: Literal["forward", "verified"]
    expected_kg: int
    verified_kg: int | None
    verified_at: datetime | None


class ProjectView(BaseModel):
    """A project with its documents and vintages."""

    project_id: str
    code: str
    region: str
    kind: ProjectKind
    name_zh: str
    name_en: str
    unit_type: str
    documents: list[DocumentInput]
    stocks: list[StockView]


class ProjectList(BaseModel):
    """A page of projects, the latest first."""

    items: list[ProjectView]
    next_cursor: str | None
