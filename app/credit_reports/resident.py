"""The report of a resident: scores with their reasons, and the reductions behind them."""

import datetime
from typing import TYPE_CHECKING, Any

from accounts.scores.errors import CardNotFound
from app.credit_reports import repository, sections
from app.scoring.service import score_of

if TYPE_CHECKING:
    from uuid import UUID

    from accounts.repository import Driver, Row
    from accounts.scores.model import Score
    from app.scoring.in_force import CardsInForce


async def build(
    driver: "Driver",
    cards: "CardsInForce",
    holder_id: "UUID",
    holder: "Row",
    as_of: datetime.date,
    now: datetime.datetime,
) -> dict[str, Any]:
    """All sections, each told or said not to be available."""
    first = sections.first_month(as_of)
    scenes = await repository.scenes(driver, holder_id, first, now)
    return {
        "identity": sections.identity(holder),
        "score": await scores(driver, cards, holder_id, holder["kind"], holder["region"], as_of),
        "reductions": sections.reductions(
            await repository.months(driver, holder_id, first, now), scenes, as_of
        ),
        "holdings": sections.holdings(holder),
        "units": sections.absent("issuance_not_offered"),
        "disputes": sections.disputes(await repository.disputes(driver, holder_id)),
        "data_quality": sections.data_quality(scenes),
        "method": sections.method(scenes),
    }


async def scores(
    driver: "Driver",
    cards: "CardsInForce",
    holder_id: "UUID",
    kind: str,
    region: str,
    as_of: datetime.date,
) -> sections.Section:
    """The score on every card that is in force where the holder is."""
    found: list[Score] = []
    for name, card in sorted(cards.of(region, as_of).items()):
        if card.text.subject == kind:
            try:
                found.append(await score_of(driver, cards, holder_id, name, as_of))
            except CardNotFound:
                continue
    if not found:
        return sections.absent("no_card")
    return {"available": True, "cards": [_score(each) for each in found]}


def _score(score: "Score") -> dict[str, Any]:
    return {
        "card": score.card,
        "version": score.version,
        "content_hash": score.content_hash,
        "as_of": score.as_of.isoformat(),
        "enough_data": score.enough,
        "points": score.points,
        "tier": score.tier,
        "reasons": [
            {
                "code": each.code,
                "dimension": each.dimension,
                "points": each.points,
                "zh": each.zh,
                "en": each.en,
            }
            for each in score.reasons
        ],
        "from_day": score.basis.first_day.isoformat(),
        "to_day": score.basis.last_day.isoformat(),
        "acts": score.basis.acts,
    }
