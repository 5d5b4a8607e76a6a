"""A holder's tier or label, as a product's table goes by it."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.errors import HolderNotFound
from accounts.labels.queries import Colour, current_label
from accounts.scores.errors import CardNotFound
from app.lending.decision import Standing
from app.lending.models import Basis
from app.scoring.service import score_of
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from accounts.repository import Driver
    from app.scoring.in_force import CardsInForce


async def standing_of(
    driver: "Driver",
    cards: "CardsInForce",
    holder_id: UUID,
    basis: Basis,
    card: str | None,
    as_of: datetime.date,
) -> Standing | None:
    """The standing as of a day; None where the card is not in force there, or no label was published."""
    if basis is Basis.LABEL or card is None:
        return await _label(driver, holder_id)
    try:
        found = await score_of(driver, cards, holder_id, card, as_of)
    except (CardNotFound, HolderNotFound):
        return None
    return Standing(
        Basis.TIER,
        found.tier if found.enough else None,
        found.as_of,
        card=found.card,
        version=found.version,
        content_hash=found.content_hash,
    )


async def _label(driver: "Driver", holder_id: UUID) -> Standing | None:
    label = await current_label(driver, holder_id)
    if label is None:
        return None
    return Standing(
        Basis.LABEL,
        None if label.colour is Colour.UNLABELLED else label.colour.value,
        label.decided_at.astimezone(LOCAL).date(),
        version=str(label.rules_id),
        official=label.official,
        year=label.year,
    )
