"""What residents say of their footprints and offsets, and what they see."""

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from accounts.offsetting.factors import Factor, Name

MAX_QUANTITY = 1_000_000_000
Month = Annotated[str, Field(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", examples=["2026-10"])]
Grams = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,3})?$", examples=["1500"])]
Purpose = Literal["own_footprint", "household", "travel", "event"]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Used(_Input):
    """How much of something was used, in one of its units."""

    item: Annotated[str, Field(pattern=r"^[a-z_]{1,20}(\.[a-z_]{1,20})?$")] = Field(examples=["electricity"])
    quantity: Annotated[int, Field(strict=True, gt=0, le=MAX_QUANTITY)]
    unit: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,8}$")] = Field(examples=["kWh"])


class FootprintInput(_Input):
    """What was used in a month. `GET /v1/me/footprints/items` tells items and units."""

    month: Month
    items: list[Used] = Field(min_length=1, max_length=50)


class FootprintLine(BaseModel):
    """One item with what it was computed by."""

    item: str
    quantity: int
    unit: str
    co2e_g: str
    factor: Factor


class FootprintView(BaseModel):
    """A month's footprint."""

    footprint_id: str
    month: str
    region: str
    co2e_g: str
    offset_id: str | None
    lines: list[FootprintLine]
    created_at: datetime.datetime


class FootprintList(BaseModel):
    """A page of footprints, the newest first."""

    items: list[FootprintView]
    next_cursor: str | None


class ItemView(BaseModel):
    """What can be entered, and why not where there is no factor."""

    item: str
    title: Name
    units: list[str]
    missing: Name | None


class ItemList(BaseModel):
    """All items."""

    items: list[ItemView]


class OffsetInput(_Input):
    """Use open grams once: so many, or as many as a footprint has."""

    co2e_g: Grams | None = None
    footprint_id: str | None = Field(default=None, max_length=40)
    purpose: Purpose

    @model_validator(mode="after")
    def _one_of(self) -> "OffsetInput":
        if (self.co2e_g is None) == (self.footprint_id is None):
            raise PydanticCustomError("one_of", "exactly one of co2e_g and footprint_id")
        if self.co2e_g is not None and not self.co2e_g.strip("0."):
            raise PydanticCustomError("positive", "co2e_g must be more than 0")
        return self


class OffsetView(BaseModel):
    """An offset, and the number of its certificate."""

    offset_id: str
    certificate_id: str
    footprint_id: str | None
    purpose: str
    co2e_g: str
    booked_at: datetime.datetime


class OffsetList(BaseModel):
    """A page of offsets, the newest first."""

    items: list[OffsetView]
    next_cursor: str | None


class Certificate(BaseModel):
    """What anybody may know of an offset: no person, no account."""

    certificate_id: str = Field(examples=["crt_01a1fcb815f071409db7b16376b33086"])
    status: Literal["valid"]
    co2e_g: str
    purpose: Name
    day: datetime.date = Field(description="In Asia/Shanghai")
    signature: str = Field(
        description="JWS (EdDSA) of certificate_id, status, co2e_g, purpose and day, made now; "
        "`/.well-known/jwks.json` has the key"
    )
