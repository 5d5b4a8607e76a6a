"""Claims of platforms that keep their own accounts, as they send and see them."""

import datetime as dt
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from accounts.fields import Bytes32, Moment, Region, Text
from app.crediting.schemas import EARLIEST, LATEST, FieldError, SceneName

MAX_PERSON_KEYS = 4
ACT_EXAMPLE: dict[str, JsonValue] = {
    "person_keys": ["3q2-7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs"],
    "scene": "trip.metro",
    "region": "440300",
    "started_at": "2026-11-20T08:02:00+08:00",
    "ended_at": "2026-11-20T08:27:00+08:00",
    "distance_m": 10000,
    "order_no": "SZMC-88213377",
}
CLAIM_EXAMPLE: dict[str, JsonValue] = {"claim_id": "ride-20261120-0001", **ACT_EXAMPLE}


class ActInput(BaseModel):
    """An act, as far as its claims need it. No identifier, and no place but the region."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [ACT_EXAMPLE]})

    person_keys: Annotated[list[Bytes32], Field(min_length=1, max_length=MAX_PERSON_KEYS)] = Field(
        description="Of the one person whose act it is, from `POST /v1/tokens/evaluate`, 32 bytes each in base64url: "
        "one for each verified identifier and live key. Never stored or logged"
    )
    scene: SceneName
    region: Region = Field(description="GB/T 2260 code of where the act happened")
    occurred_at: Moment | None = Field(default=None, description="An act of a moment")
    started_at: Moment | None = Field(default=None, description="An act of a period; with `ended_at`")
    ended_at: Moment | None = None
    distance_m: Annotated[int | None, Field(strict=True, ge=0, le=10_000_000)] = Field(
        default=None, description="Of a trip. Tells two reports of one act from reports of two"
    )
    energy_wh: Annotated[int | None, Field(strict=True, ge=0, le=1_000_000_000_000)] = Field(
        default=None, description="Of a charge"
    )
    order_no: Text | None = Field(default=None, description="Number of an order; claimed once for ever")
    bill_no: Text | None = Field(default=None, description="Number of a bill; claimed once for ever")
    asset_id: Text | None = Field(default=None, description="A meter, charging pile or vehicle")
    issuer: Text | None = Field(
        default=None, description="Who issued the number or the bill; the platform itself where absent"
    )

    @model_validator(mode="after")
    def _one_time(self) -> Self:
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


class ClaimInput(ActInput):
    """An act that a platform claims for an account of its own."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [CLAIM_EXAMPLE]})

    claim_id: Text = Field(
        description="The platform's own id of the act; the same id again is the same claim"
    )


class Winner(BaseModel):
    """Whose claim it is; told only where both platforms agreed to tell (`PUT /v1/claims/disclosure`)."""

    organisation_id: str
    name: str


class ClaimOutcome(BaseModel):
    """What became of one claim."""

    claim_id: str | None = Field(description="As sent; null where it could not be read")
    id: str | None = Field(description="`clm_…`; null where nothing was kept")
    outcome: Literal["claimed", "duplicate", "rejected"]
    reason: str | None = Field(default=None, description="Stable code; null where claimed")
    winner_id: str | None = Field(
        default=None, description="Of a duplicate: what holds the claim. Says nothing of person and platform"
    )
    winner: Winner | None = None
    released_at: dt.datetime | None = None
    replayed: bool = Field(default=False, description="The same claim had been answered before")
    errors: list[FieldError] = []


class ClaimBatchOutcome(BaseModel):
    """Outcomes in the order of the claims."""

    items: list[ClaimOutcome]


class ActAnswer(BaseModel):
    """Whether an act is claimed at this moment."""

    claimed: bool | None = Field(description="Null where it cannot be told, with a reason")
    own: bool = Field(description="By an act or claim of the caller itself")
    reason: str | None
    winner_id: str | None
    winner: Winner | None
    errors: list[FieldError] = []


class ActAnswers(BaseModel):
    """Answers in the order of the acts."""

    items: list[ActAnswer]


class ClaimReleaseInput(BaseModel):
    """Why a claim is given up."""

    model_config = ConfigDict(extra="forbid")

    reason: Text = Field(examples=["refunded ride"])


class ClaimView(BaseModel):
    """A claim as it stands."""

    id: str
    outcome: Literal["claimed", "duplicate"]
    reason: str | None
    winner_id: str | None
    scene: str
    region: str
    claimed_at: dt.datetime
    released_at: dt.datetime | None
    comparison: dict[str, Any] | None = Field(
        description="Of a duplicate that was compared with the act that won: the decision, its rule and its evidence"
    )


class DisclosureInput(BaseModel):
    """Whether platforms that agree to the same are told whose claim won, and tell it."""

    model_config = ConfigDict(extra="forbid")

    discloses_wins: bool


class DisclosureAnswer(DisclosureInput):
    """What is agreed to now."""
