"""What the doors of scores take and answer."""

import datetime as dt
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from accounts.ids import public_id
from accounts.quantities import grams
from accounts.scores.cards import Card
from accounts.scores.model import GRADES, Facts, Raise, Reason, Score

Why = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
ConductKind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class ScoreWords(BaseModel):
    """A text in both languages."""

    zh: str
    en: str


class ReasonView(BaseModel):
    """A reason with its points. Those of all reasons add up to the score."""

    code: str = Field(
        description="The dimension; of a deduction the kind of conduct; `floor` where 0 is the least"
    )
    dimension: str
    points: int
    text: ScoreWords
    on: dt.date | None = Field(description="The day of a conduct; null otherwise")


class RaiseView(BaseModel):
    """What would raise the score, and by how many points at least; the most first."""

    dimension: str
    points: int
    text: ScoreWords


class ScoreBasis(BaseModel):
    """The data behind it."""

    first_day: dt.date
    last_day: dt.date
    acts: int = Field(description="Credited acts that count, reversed ones absent")
    months: int = Field(description="Months with such acts")
    counted_until: dt.datetime | None = Field(description="What was booked later is not in whole months yet")


class ScoreView(BaseModel):
    """A score as of a day, by one version of a card."""

    card: str
    version: str
    content_hash: str
    as_of: dt.date
    enough: bool = Field(description="Whether there is the least data that the card asks for")
    points: int | None = Field(description="Null where there is not enough data")
    tier: str | None
    reasons: list[ReasonView]
    raises: list[RaiseView]
    basis: ScoreBasis


class ScoreList(BaseModel):
    """The newest snapshot by each card."""

    items: list[ScoreView]


class DeedView(BaseModel):
    """Credited acts of a month, a scene and an evidence grade."""

    month: str = Field(examples=["2026-10"])
    scene: str
    evidence: str
    acts: int
    co2e_g: str


class ConductView(BaseModel):
    """A conduct on one's record."""

    record_id: str = Field(description="`cnd_…`")
    kind: str
    happened_on: dt.date


class ScoreWithData(ScoreView):
    """A score with all data that the card read."""

    deeds: list[DeedView]
    conduct: list[ConductView]


class ScoreCardView(BaseModel):
    """A version of a score card."""

    card: str
    version: str
    title: dict[str, str]
    subject: str
    reads: list[str] = Field(description="All that it reads of a holder")
    content_hash: str
    text: dict[str, Any] = Field(description="All of it; `content_hash` is of its canonical JSON")


class ScoreCardList(BaseModel):
    """The score cards of this deployment."""

    items: list[ScoreCardView]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConductInput(_Input):
    """A conduct that is put on record. Cards in force tell what it costs and for how long."""

    holder_id: str = Field(pattern=r"^hld_[0-9a-f]{32}$")
    kind: ConductKind
    happened_on: dt.date
    reason: Why


class ConductWithdrawalInput(_Input):
    """Why a conduct is taken off the record."""

    reason: Why


class ConductRecordView(ConductView):
    """A conduct on record, as operators see it."""

    holder_id: str
    region: str
    reason: str
    recorded_at: dt.datetime
    recorded_by: str
    withdrawn_at: dt.datetime | None
    withdrawn_by: str | None
    withdrawal_reason: str | None


class ConductRecordList(BaseModel):
    """A page of records, the newest first."""

    items: list[ConductRecordView]
    next_cursor: str | None


def score_view(found: Score) -> dict[str, Any]:
    """A score as the API shows it."""
    return {
        "card": found.card,
        "version": found.version,
        "content_hash": found.content_hash,
        "as_of": found.as_of.isoformat(),
        "enough": found.enough,
        "points": found.points,
        "tier": found.tier,
        "reasons": [reason_view(each) for each in found.reasons],
        "raises": [raise_view(each) for each in found.raises],
        "basis": {
            "first_day": found.basis.first_day.isoformat(),
            "last_day": found.basis.last_day.isoformat(),
            "acts": found.basis.acts,
            "months": found.basis.months,
            "counted_until": found.basis.counted_until and found.basis.counted_until.isoformat(),
        },
    }


def reason_view(each: Reason) -> dict[str, Any]:
    """A reason as the API shows it."""
    return {
        "code": each.code,
        "dimension": each.dimension,
        "points": each.points,
        "text": {"zh": each.zh, "en": each.en},
        "on": each.on and each.on.isoformat(),
    }


def raise_view(each: Raise) -> dict[str, Any]:
    """What raises a score, as the API shows it."""
    return {"dimension": each.dimension, "points": each.points, "text": {"zh": each.zh, "en": each.en}}


def data_view(facts: Facts) -> dict[str, Any]:
    """The data of a score as the API shows it."""
    return {
        "deeds": [
            {
                "month": f"{each.month:%Y-%m}",
                "scene": each.scene,
                "evidence": GRADES[each.grade],
                "acts": each.acts,
                "co2e_g": grams(each.co2e_mg),
            }
            for each in facts.deeds
        ],
        "conduct": [
            {
                "record_id": public_id("cnd", each.id),
                "kind": each.kind,
                "happened_on": each.happened_on.isoformat(),
            }
            for each in facts.conduct
        ],
    }


def card_view(card: Card) -> dict[str, Any]:
    """A card as the API shows it."""
    return {
        "card": card.name,
        "version": card.version,
        "title": card.text.title.model_dump(),
        "subject": card.text.subject,
        "reads": list(card.text.reads),
        "content_hash": card.content_hash,
        "text": card.text.model_dump(mode="json", by_alias=True, exclude_defaults=True),
    }


def record_view(row: Any) -> dict[str, Any]:
    """A record as operators see it."""
    return {
        "record_id": public_id("cnd", row["id"]),
        "holder_id": public_id("hld", row["holder_id"]),
        "kind": row["kind"],
        "region": row["region"],
        "happened_on": row["happened_on"].isoformat(),
        "reason": row["reason"],
        "recorded_at": row["recorded_at"].isoformat(),
        "recorded_by": row["recorded_by"],
        "withdrawn_at": row["withdrawn_at"] and row["withdrawn_at"].isoformat(),
        "withdrawn_by": row["withdrawn_by"],
        "withdrawal_reason": row["withdrawal_reason"],
    }
