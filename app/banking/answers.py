"""What banks are answered out of scores and labels, once a grant is held."""

import datetime as dt
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.errors import HolderNotFound
from accounts.ids import public_id
from accounts.scores import queries
from accounts.scores.errors import CardNotFound
from app.banking.desk_errors import NotScored
from app.labels.schemas import points_view, reasons_view
from app.scoring.service import score_of
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accounts.labels.queries import Label
    from accounts.repository import Driver
    from accounts.scores.model import Score
    from app.banking.grants import Grant
    from app.scoring.in_force import CardsInForce


async def score_for(
    driver: "Driver", cards: "CardsInForce", holder_id: UUID, card: str, now: dt.datetime
) -> "Score":
    """The newest snapshot, or the score as of today before there is one. Raises `NotScored`."""
    found = await queries.latest(driver, [holder_id], card)
    if found:
        return found[0]
    try:
        return await score_of(driver, cards, holder_id, card, now.astimezone(LOCAL).date())
    except (CardNotFound, HolderNotFound):
        raise NotScored from None


async def tiers_of(driver: "Driver", holder_ids: "Sequence[UUID]", card: str) -> "dict[UUID, Score]":
    """Holder → the newest snapshot, of those who have one with a tier."""
    found = await queries.latest(driver, holder_ids, card)
    return {each.holder_id: each for each in found if each.holder_id is not None and each.tier is not None}


def under(grant: "Grant") -> dict[str, Any]:
    """By which grant it is answered, and where the customer finds the answer."""
    return {
        "reference": public_id("cus", grant.reference),
        "grant_id": public_id("bgr", grant.id),
        "access_id": public_id("acc", grant.access_id),
    }


def tier_view(score: "Score") -> dict[str, Any]:
    """A tier and nothing more."""
    return {
        "card": score.card,
        "version": score.version,
        "as_of": score.as_of.isoformat(),
        "enough": score.enough,
        "tier": score.tier,
    }


def label_view(label: "Label | None", *, detail: bool) -> dict[str, Any]:
    """A label's colour; with detail also what it rests on, but none of the figures."""
    if label is None:
        return dict.fromkeys(("year", "colour", "official", "published_at", "detail"))
    return {
        "year": label.year,
        "colour": label.colour.value,
        "official": label.official,
        "published_at": label.published_at.isoformat(),
        "detail": label_detail(label) if detail else None,
    }


def label_detail(label: "Label") -> dict[str, Any]:
    """What a label rests on."""
    return {
        "points": points_view(label.points),
        "percentile": label.percentile,
        "views": dict(label.views),
        "reasons": [each.model_dump(mode="json") for each in reasons_view(label.reasons)],
    }
