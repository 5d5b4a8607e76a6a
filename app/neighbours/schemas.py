"""What operators and neighbours send and are answered."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from accounts.ids import public_id
from app.neighbours.models import DoubleClaim, DoubleState, Neighbour
from dedup.exchange import Kind, Precedence

MAX_QUESTIONS = 5_000
Reason = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{21}[AQgw]$")]


class DigestQuestions(BaseModel):
    """What is asked before an act is credited."""

    model_config = ConfigDict(extra="forbid")

    digests: Annotated[list[tuple[dt.date, Digest]], Field(min_length=1, max_length=MAX_QUESTIONS)] = Field(
        description="Local day, and digest (16 bytes, base64url)"
    )


class DigestAnswers(BaseModel):
    """What is held of the digests: claims as in the export, in no order."""

    claims: list[list[Any]] = Field(description="As the lines of `GET /v1/neighbour/claims`")


class NeighbourView(BaseModel):
    """A neighbour, and how far the exchange with it is."""

    neighbour_id: str = Field(description="`nbr_…`")
    name: str
    organisation_id: str = Field(description="`org_…`, by which agreements name it and it asks here")
    url: str
    disabled: bool
    pulled_at: dt.datetime | None = Field(description="When something was last fetched")
    whole: bool = Field(description="Whether no page was left to fetch then")
    last_error: str


class NeighbourList(BaseModel):
    """All neighbours, by name."""

    items: list[NeighbourView]


class DoubleView(BaseModel):
    """An act that was credited here and at the neighbour."""

    activity_id: str
    reference: str = Field(description="The neighbour's own, opaque reference")
    region: str
    day: dt.date
    kind: Literal["whole", "time", "use"] = Field(
        description="`whole`: one number or calendar period; `time`: the person's own; `use`: of one thing"
    )
    scene: str
    their_scene: str
    arrived_at: dt.datetime
    their_arrived_at: dt.datetime
    precedence: Precedence
    state: DoubleState = Field(
        description="`kept` here; `lost`: the neighbour keeps it, and it is credited here too; `reversed` here for it; "
        "`ended`: one of the two was released otherwise"
    )
    automatic: bool = Field(description="Whether the service reverses what is lost")
    found_at: dt.datetime
    decided_at: dt.datetime | None
    decided_by: str | None = Field(
        description="The client; `system` where the agreement has the service reverse"
    )
    reason: str


class DoubleList(BaseModel):
    """A page of them, in the order in which the acts were credited here."""

    items: list[DoubleView]
    next_cursor: str | None


class YieldInput(BaseModel):
    """Why an act that the neighbour keeps is reversed here."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason = Field(examples=["agreement with the neighbour, article 4"])


class YieldAnswer(BaseModel):
    """What the act was claimed twice with, and what became of it."""

    items: list[DoubleView]


def neighbour_view(found: Neighbour) -> NeighbourView:
    """A neighbour as operators see it."""
    return NeighbourView(
        neighbour_id=public_id("nbr", found.id),
        name=found.name,
        organisation_id=public_id("org", found.organisation_id),
        url=found.url,
        disabled=found.disabled_at is not None,
        pulled_at=found.pulled_at,
        whole=found.pulled_at is not None and found.position is None,
        last_error=found.last_error,
    )


def double_view(found: DoubleClaim) -> DoubleView:
    """An act that is claimed in both, as operators see it."""
    return DoubleView(
        activity_id=public_id("act", found.activity_id),
        reference=found.reference.hex,
        kind=Kind(found.kind).name.lower(),
        **found.model_dump(exclude={"neighbour_id", "activity_id", "reference", "kind"}),
    )
