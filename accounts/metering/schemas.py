"""What gateways say of meters, and what enterprises see."""

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from accounts.fields import Moment, Text
from accounts.metering.marks import MAX_REVISION, MAX_VALUE

MAX_REGISTER = 10**15
"""In base units."""
Amount = Annotated[int, Field(strict=True, ge=0, le=MAX_VALUE)]
Register = Annotated[int, Field(strict=True, ge=0, le=MAX_REGISTER)]
READING_EXAMPLE: dict[str, str | int] = {
    "meter": "E-01",
    "at": "2026-11-20T10:15:00+08:00",
    "energy_wh": 3170,
}

OutcomeWord = Literal["stored", "known", "corrected", "superseded", "refused"]
UNSTORED = {
    "invalid": "the item does not fit, see `errors`",
    "unknown_meter": "the enterprise has no such meter",
    "wrong_unit": "not exactly one value, in the unit of the meter's carrier",
    "off_quarter": "`at` is not on a quarter-hour",
    "in_future": "the interval has not ended",
    "not_installed": "the meter was not there",
    "revision_known": "another value of this revision is known: a correction states a higher one",
    "unprocessable": "the database refuses this item",
}
"""Why a reading is refused."""


class ReadingInput(BaseModel):
    """A reading: the amount of the quarter-hour that ends at `at` or, of a cumulative meter, its register then."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [dict(READING_EXAMPLE)]})

    meter: Text = Field(description="The meter's number, or its `mtr_…`", examples=["E-01"])
    # Read in the door, where most items of a batch have the same.
    at: Annotated[str, StringConstraints(min_length=1, max_length=40)] = Field(
        description="RFC 3339 with offset, on a quarter-hour: the end of the interval, so 00:00 is of the day before",
        examples=["2026-11-20T10:15:00+08:00"],
    )
    energy_wh: Amount | None = Field(default=None, description="Of electricity")
    volume_l: Amount | None = Field(default=None, description="Of gas (at standard conditions) or water")
    mass_g: Amount | None = Field(default=None, description="Of coal or oil")
    heat_kj: Amount | None = Field(default=None, description="Of steam")
    revision: Annotated[int, Field(strict=True, ge=1, le=MAX_REVISION)] = Field(
        default=1, description="A correction states a higher one than what it corrects"
    )
    estimated: bool = Field(
        default=False, description="An estimate counts until a measured value comes, whatever its revision"
    )


class ReadingAnswer(BaseModel):
    """What became of a reading."""

    meter: str | None
    at: str | None
    outcome: OutcomeWord = Field(
        description="`known`: received before; `superseded`: a later revision, or a measured value, counts"
    )
    reason: str | None = Field(
        description="; ".join(f"`{reason}`: {text}" for reason, text in UNSTORED.items())
    )
    errors: list[dict[str, str]]


class ReadingBatchAnswer(BaseModel):
    """One answer for each reading, in order."""

    items: list[ReadingAnswer]


class _Valued(BaseModel):
    """One of them: the one of the meter's carrier. The others are not there."""

    energy_wh: int | None = None
    volume_l: int | None = None
    mass_g: int | None = None
    heat_kj: int | None = None


class UseView(_Valued):
    """What was used in one step, in the unit of the meter's carrier; what is not known counts as 0."""

    starts_at: datetime.datetime
    measured: int = Field(description="Quarter-hours of which the use was measured")
    estimated: int = Field(description="Quarter-hours of which the use was estimated")
    missing: int = Field(description="Quarter-hours of which the use is not known by itself")


class UseList(BaseModel):
    """A meter's use, by time."""

    items: list[UseView]
    next_cursor: str | None


class RevisionView(_Valued):
    """A reading that does not count any more, or never did."""

    revision: int
    estimated: bool
    replaced_by: str = Field(description="The client or session that sent what counts instead")
    replaced_at: datetime.datetime


class ReadingView(_Valued):
    """A reading that counts: an amount or, of a cumulative meter, a register; and those that do not."""

    at: datetime.datetime
    revision: int
    estimated: bool
    revisions: list[RevisionView]


class ReadingList(BaseModel):
    """A meter's readings, by time."""

    items: list[ReadingView]
    next_cursor: str | None


class GapView(_Valued):
    """Quarter-hours in a row of which no use is known by itself; what a register counted over them, where it did."""

    starts_at: datetime.datetime
    ends_at: datetime.datetime
    quarters: int


class GapList(BaseModel):
    """A meter's gaps, by time."""

    items: list[GapView]
    next_cursor: str | None


class ExchangeInput(BaseModel):
    """Another meter took over."""

    model_config = ConfigDict(extra="forbid")

    at: Moment = Field(description="On a quarter-hour", examples=["2026-11-20T10:15:00+08:00"])
    last_register: Register | None = Field(
        default=None, description="Where the old register stood; without it, what it counted last is unknown"
    )
    first_register: Register = Field(description="Where the new register began")
    register_max: Register | None = Field(default=None, description="Where the new register begins anew at 0")


class ExchangeView(BaseModel):
    """An exchange, as entered."""

    at: datetime.datetime
    last_register: int | None
    first_register: int
    register_max: int | None
    entered_at: datetime.datetime


class ExchangeList(BaseModel):
    """A meter's exchanges, by time: at most 200."""

    items: list[ExchangeView]
