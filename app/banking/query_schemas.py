"""What banks ask about customers, and what they are answered."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from accounts.fields import Text
from accounts.labels.scoring import Colour, ViewName
from app.banking.schemas import REFERENCE, Reference
from app.banking.terms import Purpose
from app.labels.schemas import LabelReason, LabelViewPart
from app.scoring.schemas import ScoreView

MOST_SCREENED = 1_000
CardName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,63}$"),
    Field(examples=["resident"], description="A score card in force where the customer's account is kept"),
]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CustomerIdentity(_Input):
    """An identifier of a customer. Hashed on arrival; never stored or logged."""

    scheme: Literal["phone", "id_no", "uscc"]
    value: Text = Field(examples=["13900000001"])


class CustomerInput(_Input):
    """A customer, by this bank's own reference or by an identifier: one of both."""

    reference: str | None = Field(default=None, examples=[REFERENCE])
    identity: CustomerIdentity | None = Field(
        default=None, description="Whoever asks so learns nothing about somebody who granted nothing"
    )

    @model_validator(mode="after")
    def _one(self) -> "CustomerInput":
        if (self.reference is None) == (self.identity is None):
            raise PydanticCustomError("customer", "name either a reference or an identity")
        return self


class ScoreQuery(_Input):
    """Which score of which customer, for what."""

    customer: CustomerInput
    purpose: Purpose
    card: CardName


class LabelQuery(_Input):
    """Which customer's label, for what; with what it rests on where `detail` is true."""

    customer: CustomerInput
    purpose: Purpose
    detail: bool = Field(default=False, description="Needs the scope `score`")


class _Answer(BaseModel):
    reference: Reference
    grant_id: str
    access_id: str = Field(description="`acc_…`: the line of this answer in the customer's access log")


class TierAnswer(_Answer):
    """A tier, by the newest snapshot, or as of today where there is none."""

    card: str
    version: str
    as_of: dt.date
    enough: bool = Field(description="Whether there is the least data that the card asks for")
    tier: str | None


class ScoreAnswer(_Answer):
    """A score with its reasons."""

    score: ScoreView


class LabelDetail(BaseModel):
    """What a label rests on; the figures themselves are the report's."""

    points: str | None
    percentile: int | None
    views: dict[ViewName, LabelViewPart]
    reasons: list[LabelReason]


class LabelAnswer(_Answer):
    """The label that counts; all null where none was published."""

    year: int | None
    colour: Colour | None
    official: bool | None
    published_at: dt.datetime | None
    detail: LabelDetail | None


class PreScreening(_Input):
    """Whom to ask about, by one card, for the purpose `pre_screening`."""

    card: CardName
    customers: list[CustomerInput] = Field(min_length=1, max_length=MOST_SCREENED)


class ScreenedCustomer(BaseModel):
    """A tier; null alike for no consent, for one who is unknown and for too little data."""

    tier: str | None


class PreScreeningAnswer(BaseModel):
    """One answer for each customer, in order."""

    card: str
    items: list[ScreenedCustomer]


class MonitorInput(_Input):
    """Whose tier by which card, and whose label, this bank wants to be told of when they fall."""

    customer: CustomerInput
    card: CardName


class MonitorView(BaseModel):
    """A customer who is monitored."""

    reference: Reference
    card: str
    since: str


class MonitorBegun(_Answer):
    """A customer who is monitored from now on, with what a fall is told from."""

    card: str
    tier: str | None
    label: Colour | None


class MonitorList(BaseModel):
    """A page of those whom this bank monitors."""

    items: list[MonitorView]
    next_cursor: str | None


class MonitorEnd(BaseModel):
    """The customer is monitored no more."""

    ended: Literal[True]
