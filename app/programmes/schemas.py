"""What operators send and are answered about programmes and campaigns."""

import datetime as dt
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from accounts.fields import Moment
from accounts.labels.rules import LabelRules
from accounts.offset_rules.rules import OffsetRules
from app.neighbours.agreements import NeighbourAgreement
from app.programmes.models import State
from app.review.policy import ReviewPolicy
from app.scoring.in_force import ScoreCards
from points.campaigns import Campaign
from points.programmes import Programme

Reason = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
Text = TypeVar(
    "Text", Programme, Campaign, ReviewPolicy, NeighbourAgreement, LabelRules, ScoreCards, OffsetRules
)


class ApprovalInput(BaseModel):
    """Why it is approved."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason = Field(examples=["council decision 2026-118"])


class EndInput(ApprovalInput):
    """When a campaign ends, and why."""

    until: Moment = Field(examples=["2027-01-15T00:00:00+08:00"])


class _View(BaseModel, Generic[Text]):
    id: str = Field(description="`ppt_…`")
    state: State
    etag: int = Field(description="For `If-Match`")
    authors: list[str] = Field(description="Clients that wrote it; none of them may approve it")
    created_at: dt.datetime
    updated_at: dt.datetime
    approved_at: dt.datetime | None
    approved_by: str | None
    text: Text


class ProgrammeView(_View[Programme]):
    """A version of a region's points programme."""


class CampaignView(_View[Campaign]):
    """A campaign."""

    ends_at: dt.datetime = Field(description="`until`, or earlier where it was ended")
    budget_left: int | None = Field(description="Points; null before the approval")


class ProgrammeList(BaseModel):
    """A page of versions, the newest first."""

    items: list[ProgrammeView]
    next_cursor: str | None


class CampaignList(BaseModel):
    """A page of campaigns, the newest first."""

    items: list[CampaignView]
    next_cursor: str | None


class ReviewPolicyView(_View[ReviewPolicy]):
    """What is watched in a region from a day on."""


class ReviewPolicyList(BaseModel):
    """A page of policies, the newest first."""

    items: list[ReviewPolicyView]
    next_cursor: str | None


class NeighbourAgreementView(_View[NeighbourAgreement]):
    """What a region agreed with its neighbours, from a day on."""


class NeighbourAgreementList(BaseModel):
    """A page of agreements, the newest first."""

    items: list[NeighbourAgreementView]
    next_cursor: str | None


class LabelRulesView(_View[LabelRules]):
    """Rules of labels of a region, from a day on."""


class LabelRulesList(BaseModel):
    """A page of rules, the newest first."""

    items: list[LabelRulesView]
    next_cursor: str | None


class ScoreCardsView(_View[ScoreCards]):
    """The score cards that are in force in a region from a day on."""


class ScoreCardsList(BaseModel):
    """A page of sets of score cards, the newest first."""

    items: list[ScoreCardsView]
    next_cursor: str | None


class OffsetRulesView(_View[OffsetRules]):
    """A market's rule of offsetting, from a day on."""


class OffsetRulesList(BaseModel):
    """A page of rules, the newest first."""

    items: list[OffsetRulesView]
    next_cursor: str | None
