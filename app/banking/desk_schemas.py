"""What holders, operators and banks say and see of human reviews and of the channel of score exports."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from accounts.fields import Text
from app.banking.schemas import BANK_ID, Reference

LongText = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
ACCESS_ID = "acc_01a1fc693a86700e9ae525ac545ac6cd"
ReviewStateWord = Literal["waiting", "upheld", "corrected"]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ScoreReviewInput(_Input):
    """Which answer to a bank a person is to look at, and why."""

    access_id: str = Field(examples=[ACCESS_ID], description="Of an answer to a bank in my access log")
    explanation: LongText = Field(examples=["the metro rides of October are missing"])


class ScoreReviewAnswer(_Input):
    """What a person found."""

    decision: Literal["upheld", "corrected"] = Field(
        description="`corrected`: something was wrong and has been put right by its own door"
    )
    answer: LongText = Field(examples=["the rides were reported late and count from this month"])


class ScoreReviewView(BaseModel):
    """A review as the holder and the operator see it."""

    review_id: str = Field(description="`srv_…`")
    access_id: str
    bank_id: str
    bank_name: str
    what: str = Field(description="What the bank was answered: `tier`, `score`, `label`, …")
    explanation: str
    state: ReviewStateWord
    opened_at: str
    ended_at: str | None
    answer: str = Field(description="The operator's; empty before")


class ScoreReviewList(BaseModel):
    """A page of reviews, the newest first."""

    items: list[ScoreReviewView]
    next_cursor: str | None


class OperatorReviewView(ScoreReviewView):
    """The same with whose it is."""

    holder_id: str
    region: str


class OperatorReviewList(BaseModel):
    """A page of reviews of the region, the newest first."""

    items: list[OperatorReviewView]
    next_cursor: str | None


class BankReviewView(BaseModel):
    """A review as the bank sees it: what came of it, without the customer's words."""

    review_id: str
    reference: Reference
    what: str
    state: ReviewStateWord
    opened_at: str
    ended_at: str | None
    answer: str


class BankReviewList(BaseModel):
    """A page of reviews of one's own answers, the newest first."""

    items: list[BankReviewView]
    next_cursor: str | None


class ScoreChannelInput(_Input):
    """By which channel scores are exported to a bank, and on which legal basis."""

    bank_id: str = Field(examples=[BANK_ID])
    name: Text = Field(examples=["licensed personal credit agency"])
    basis: LongText = Field(examples=["service contract 2026-18 under the agency's licence"])


class ScoreChannelStep(_Input):
    """Why a channel is approved or ended."""

    reason: LongText = Field(examples=["licence and contract seen"])


class ScoreChannelView(BaseModel):
    """A channel, and whether it is in force."""

    channel_id: str = Field(description="`sch_…`")
    bank_id: str
    region: str
    name: str
    basis: str
    state: Literal["proposed", "in_force", "ended"]
    proposed_at: str
    approved_at: str | None
    ended_at: str | None


class ScoreChannelList(BaseModel):
    """A page of channels, the newest first."""

    items: list[ScoreChannelView]
    next_cursor: str | None
