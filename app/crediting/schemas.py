"""What a source reports and what it is answered."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from accounts.fields import Moment, Region, Scheme, Text

EARLIEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
LATEST = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)

SceneName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$", max_length=60)]


class Subject(BaseModel):
    """Whose act it is, by an identifier that the source knows. Hashed on arrival; never stored or logged."""

    model_config = ConfigDict(extra="forbid")

    scheme: Scheme = Field(examples=["phone"])
    value: Text = Field(examples=["13900000001"])


class Coordinate(BaseModel):
    """WGS 84 degrees. Checked against the distance, then dropped."""

    model_config = ConfigDict(extra="forbid")

    lng: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
    lat: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]


class ActivityReport(BaseModel):
    """One act as a source saw it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "event_id": "trip-20261120-0001",
                    "scene": "trip.metro",
                    "region": "440300",
                    "subject": {"scheme": "phone", "value": "13900000001"},
                    "started_at": "2026-11-20T08:02:00+08:00",
                    "ended_at": "2026-11-20T08:27:00+08:00",
                    "distance_m": 10000,
                    "order_no": "SZMC-88213377",
                }
            ]
        },
    )

    event_id: Text = Field(
        description="The source's own id of this report; the same id again is the same act"
    )
    scene: SceneName
    region: Region = Field(description="GB/T 2260 code of where the act happened")
    subject: Subject
    occurred_at: Moment | None = Field(default=None, description="An act of a moment")
    started_at: Moment | None = Field(default=None, description="An act of a period; with `ended_at`")
    ended_at: Moment | None = None
    distance_m: Annotated[int | None, Field(strict=True, ge=0, le=10_000_000)] = None
    mass_g: Annotated[int | None, Field(strict=True, ge=0, le=10_000_000_000)] = None
    energy_wh: Annotated[int | None, Field(strict=True, ge=0, le=1_000_000_000_000)] = None
    volume_ml: Annotated[int | None, Field(strict=True, ge=0, le=10_000_000_000)] = None
    price_fen: Annotated[int | None, Field(strict=True, ge=0, le=10_000_000_000)] = None
    count: Annotated[int | None, Field(strict=True, ge=0, le=1_000_000)] = None
    kind: Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_]{0,39}$")] | None = Field(
        default=None,
        description="What was used or handed in, as the methodology names it",
        examples=["pet_bottle"],
    )
    order_no: Text | None = Field(default=None, description="Number of an order; claimed once for ever")
    bill_no: Text | None = Field(default=None, description="Number of a bill; claimed once for ever")
    asset_id: Text | None = Field(default=None, description="A meter, charging pile or vehicle")
    issuer: Text | None = Field(
        default=None, description="Who issued the number or the bill; the source itself where absent"
    )
    device: Annotated[Text, StringConstraints(pattern=r"\S")] | None = Field(
        default=None,
        description="What the app was used on, as the source names it. Hashed on arrival, and only where a region "
        "watches devices; never stored or logged as it is, and not compared when the same report comes again",
    )
    evidence: Literal["platform", "self_report"] = "platform"
    start: Coordinate | None = None
    end: Coordinate | None = None

    @model_validator(mode="after")
    def _one_time(self) -> "ActivityReport":
        if self.occurred_at is not None:
            if self.started_at is not None or self.ended_at is not None:
                raise PydanticCustomError("one_time", "occurred_at excludes started_at and ended_at")
            first = last = self.occurred_at
        elif self.started_at is not None and self.ended_at is not None:
            first, last = self.started_at, self.ended_at
            if last <= first:
                raise PydanticCustomError("period", "ended_at must be later than started_at")
        else:
            raise PydanticCustomError("one_time", "give occurred_at, or started_at and ended_at")
        if first < EARLIEST or last > LATEST:
            raise PydanticCustomError("time_range", "the time must lie between 2000 and 2200")
        return self


class FieldError(BaseModel):
    """Where an input is wrong, and why."""

    pointer: str = Field(description="JSON pointer (RFC 6901)", examples=["/3/distance_m"])
    reason: str


class ActivityOutcome(BaseModel):
    """What became of one report."""

    event_id: str | None = Field(description="As reported; null where it could not be read")
    outcome: Literal["credited", "capped", "duplicate", "rejected", "pending"]
    reason: str | None = Field(default=None, description="Stable code; null where credited in full")
    activity_id: str | None = Field(default=None, description="Null where nothing was kept")
    co2e_g: str = Field(default="0", description="Grams, decimal", examples=["467"])
    aggregated_g: str = Field(
        default="0", description="Grams that went to the platform, with the person's consent; beside `co2e_g`"
    )
    points: int = 0
    winner_id: str | None = Field(
        default=None,
        description="Of a duplicate: what holds the claim, an activity (`act_…`) or a platform's claim (`clm_…`)",
    )
    reversed_at: dt.datetime | None = None
    replayed: bool = Field(default=False, description="The same report had been answered before")
    errors: list[FieldError] = []


class BatchOutcome(BaseModel):
    """Outcomes in the order of the reports."""

    items: list[ActivityOutcome]
