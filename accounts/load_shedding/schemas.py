"""What enterprises say of load shedding, and what they see."""

import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from accounts.fields import Moment
from accounts.load_shedding.plan import Action

MAX_W = 10**10
MAX_KW = 50_000
Watts = Annotated[int, Field(ge=0, le=MAX_W)]
State = Literal["proposed", "accepted", "dropped"]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SheddingLineInput(_Input):
    """What a line can do when load is to be shed."""

    value_fen_per_kwh: int = Field(
        ge=0,
        le=10_000_000,
        description="What a kWh of it is worth: output, or value added, that is lost without",
    )
    can_stop: bool = Field(description="Whether it may be switched off")
    load_w: Watts | None = Field(
        default=None, description="What it draws; without it, what its own meters let one expect then"
    )
    least_w: Watts | None = Field(
        default=None, description="What it draws at its least load; without it, it cannot be lowered"
    )
    least_off_minutes: int = Field(
        default=0, ge=0, le=10_080, description="Once off, it stays off for so long"
    )
    ramp_w_per_minute: Annotated[int, Field(ge=1, le=MAX_W)] | None = Field(
        default=None, description="How fast it goes down; without it, at once"
    )
    feeds_line_id: str | None = Field(
        default=None, max_length=40, description="The line that has to stop too when this one stops"
    )


class SheddingLineView(SheddingLineInput):
    """What counts of a line now."""

    line_id: str
    version: int
    entered_at: datetime.datetime


class SheddingLineList(BaseModel):
    """A page of lines with data."""

    items: list[SheddingLineView]
    next_cursor: str | None


class SheddingRequest(_Input):
    """What the grid asks for."""

    cut_kw: int = Field(ge=1, le=MAX_KW, examples=[1000])
    starts_at: Moment
    ends_at: Moment
    site_id: str | None = Field(default=None, max_length=40, description="Of one site only")
    use_solar: bool = Field(default=True, description="Whether own generation counts first")

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.ends_at <= self.starts_at:
            raise ValueError("ends before it starts")
        return self


class SheddingChoice(_Input):
    """The option that is carried out: 0 is the cheapest."""

    option: int = Field(ge=0, le=50)


class SheddingStepView(BaseModel):
    """What is done with one line; `begin_at` is when it has to begin to go down."""

    line_id: str
    action: Action
    begin_at: datetime.datetime
    cut_kw: int
    load_w: int


class SheddingOption(BaseModel):
    """One way to do it. `short_kw` is what is missing; lines are the rest of what own generation gives."""

    cut_kw: int = Field(description="Of the lines")
    short_kw: int
    cost_fen: int = Field(description="Value that is lost, rounded up once")
    steps: list[SheddingStepView]


class SheddingPlanView(BaseModel):
    """A plan: the cheapest option first, then those that spare one of its lines each."""

    plan_id: str
    state: State
    site_id: str | None
    cut_kw: int
    solar_kw: int = Field(description="What own generation is sure to give, as its last two weeks show")
    starts_at: datetime.datetime
    ends_at: datetime.datetime
    options: list[SheddingOption]
    skipped_line_ids: list[str] = Field(description="Lines whose load nothing tells")
    chosen: int | None
    made_at: datetime.datetime
    decided_at: datetime.datetime | None


class SheddingPlanList(BaseModel):
    """A page of plans."""

    items: list[SheddingPlanView]
    next_cursor: str | None
