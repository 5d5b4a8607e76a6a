"""What callers send to and see at the doors of registry accounts."""

import datetime
from typing import Literal

from pydantic import BaseModel, Field


class HeldUnits(BaseModel):
    """Units of one origin that are held freely."""

    origin_id: str = Field(description="`uor_…`")
    kind: Literal["issuance", "project"]
    region: str
    methodology: str = Field(description="Code of the methodology, or of the project")
    vintage: int
    unit_type: str
    quantity_kg: int


class MarketAccount(BaseModel):
    """A registry account."""

    account_id: str = Field(description="`rac_…`: what others transfer units to")
    region: str
    opened_at: datetime.datetime
    frozen: bool = Field(description="By order: nothing leaves it")
    held: list[HeldUnits] = Field(description="The lowest numbers first")
