"""What parties and operators send and are answered about disputes."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from accounts.ids import public_id
from app.disputes.models import ClaimMove, Dispute, Party, State

Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
ACTIVITY_ID = "act_01a1fc693a86700e9ae525ac545ac6cd"


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ContestInput(_Input):
    """What is wrong with the outcome. Names nobody."""

    explanation: Text = Field(examples=["the other platform only showed the ride, it was booked with you"])


class DisputeDecision(_Input):
    """What becomes of a dispute."""

    decision: Literal["upheld", "moved"] = Field(
        description="`upheld`: the outcome stands. `moved`: the claim goes to the activity that is to have it"
    )
    to_activity_id: str | None = Field(
        default=None,
        description="Where a credited activity is disputed and `moved`: the duplicate of it that gets the credit",
        examples=[ACTIVITY_ID],
    )
    reason: Text = Field(examples=["the order is the other platform's"])


class DisputeView(BaseModel):
    """A dispute as its parties see it."""

    dispute_id: str = Field(description="`dsp_…`")
    activity_id: str
    region: str
    party: Party
    explanation: str
    state: State
    opened_at: dt.datetime
    ended_at: dt.datetime | None
    reason: str = Field(description="The operator's; empty before")
    from_activity_id: str | None = Field(description="Where it was moved: the activity that had the credit")
    to_activity_id: str | None = Field(description="Where it was moved: the activity that has it now")


class DisputeList(BaseModel):
    """A page of disputes, the newest first."""

    items: list[DisputeView]
    next_cursor: str | None


class DisputeTrail(BaseModel):
    """What disputes did to an activity, as its explanation tells it."""

    dispute_id: str
    activity_id: str = Field(description="The activity that was disputed")
    state: State
    opened_at: dt.datetime
    ended_at: dt.datetime | None
    from_activity_id: str | None
    to_activity_id: str | None


def _act(value: object) -> str | None:
    return None if value is None else public_id("act", value)  # type: ignore[arg-type]


def view(found: Dispute, move: ClaimMove | None) -> DisputeView:
    """With what was moved, if anything was."""
    return DisputeView(
        dispute_id=public_id("dsp", found.id),
        activity_id=public_id("act", found.activity_id),
        region=found.region,
        party=Party(found.party),
        explanation=found.explanation,
        state=State(found.state),
        opened_at=found.opened_at,
        ended_at=found.ended_at,
        reason=found.reason,
        from_activity_id=_act(move.from_activity_id) if move else None,
        to_activity_id=_act(move.to_activity_id) if move else None,
    )


def trail(found: Dispute, move: ClaimMove | None) -> DisputeTrail:
    """Without the words of the parties."""
    return DisputeTrail(**view(found, move).model_dump(include=set(DisputeTrail.model_fields)))
