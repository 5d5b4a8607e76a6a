"""What operators send and are answered about held acts."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from accounts.ids import public_id
from app.review.models import ActSignal, HeldActivity, State

Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]


class ReviewDecision(BaseModel):
    """What becomes of a held act."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["released", "rejected"]
    reason: Text = Field(examples=["the ticket was seen"])


class SignalView(BaseModel):
    """What a signal said of an act."""

    signal: Literal["impossible_travel", "many_devices", "many_accounts", "repeated_trip", "cap_burst"]
    score: int = Field(description="Of 100")
    action: Literal["pass", "hold", "reject"] = Field(
        description="What the region's policy does at this score"
    )
    evidence: dict[str, Any] = Field(description="What it was computed from; no identifier, no device")
    policy_id: str = Field(description="`ppt_…`: the policy that had it watched")


class ReviewView(BaseModel):
    """A held act, with the evidence."""

    activity_id: str
    region: str
    state: State
    held_at: dt.datetime
    due_at: dt.datetime = Field(description="When `undecided` is done, where nobody decides")
    undecided: Literal["release", "reject"]
    ended_at: dt.datetime | None
    decided_by: str | None = Field(description="The client; `system` where nobody decided in time")
    reason: str
    signals: list[SignalView]


class ReviewList(BaseModel):
    """A page of held acts, the newest first."""

    items: list[ReviewView]
    next_cursor: str | None


class ReviewTrail(BaseModel):
    """What signals said of an act, and what became of it, as its explanation tells it."""

    state: State | None = Field(description="Null where nothing held it")
    held_at: dt.datetime | None
    due_at: dt.datetime | None
    undecided: Literal["release", "reject"] | None
    ended_at: dt.datetime | None
    reason: str | None
    signals: list[SignalView]


def signal_view(found: ActSignal) -> SignalView:
    """A signal as callers see it."""
    return SignalView(
        **found.model_dump(include={"signal", "score", "action", "evidence"}),
        policy_id=public_id("ppt", found.policy_id),
    )


def view(found: HeldActivity, signals: list[ActSignal]) -> ReviewView:
    """With the evidence."""
    return ReviewView(
        activity_id=public_id("act", found.activity_id),
        **found.model_dump(exclude={"activity_id", "holder_id"}),
        signals=[signal_view(each) for each in signals],
    )


def trail(found: HeldActivity | None, signals: list[ActSignal]) -> ReviewTrail | None:
    """Null where no signal said anything."""
    if not signals:
        return None
    told = {
        "state": None,
        "held_at": None,
        "due_at": None,
        "undecided": None,
        "ended_at": None,
        "reason": None,
    }
    if found is not None:
        told = found.model_dump(include=set(told))
    return ReviewTrail(**told, signals=[signal_view(each) for each in signals])
