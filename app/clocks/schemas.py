"""Clocks of sources as operators see them."""

from pydantic import BaseModel, Field


class ClockView(BaseModel):
    """How far the clocks of two platforms are apart, from acts that both reported under one order number."""

    organisation_id: str
    organisation_name: str
    other_organisation_id: str
    other_organisation_name: str
    ahead_s: int = Field(description="How far the other's clock is ahead, s; below 0 where it is behind")
    tolerance_s: int = Field(description="How far two times of one moment may still differ, s")
    differences: int = Field(description="Of starts and ends, that it was measured from")
    measured_at: str


class ClockList(BaseModel):
    """A page of them, in the order of the organisations' ids."""

    items: list[ClockView]
    next_cursor: str | None
