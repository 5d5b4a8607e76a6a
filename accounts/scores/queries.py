"""Scores as the snapshots have them, explained by the texts that they were computed by."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from accounts.scores import repository
from accounts.scores.cards import Card, rebuild
from accounts.scores.engine import explain
from accounts.scores.model import Measures, Score

if TYPE_CHECKING:
    import asyncpg

_TEXTS: dict[str, Card] = {}
"""Content hash → card; a text never changes."""

_LATEST: Final = """
SELECT DISTINCT ON (s.holder_id, c.card) s.holder_id, s.as_of, s.totals, s.acts, s.months, s.conduct,
    c.content_hash, r.counted_until
FROM scores s
JOIN score_cards c ON c.id = s.card_id
JOIN score_runs r ON r.card_id = s.card_id AND r.as_of = s.as_of
WHERE s.holder_id = ANY($1::uuid[]) AND ($2::varchar IS NULL OR c.card = $2)
ORDER BY s.holder_id, c.card, s.as_of DESC, s.card_id DESC
"""


async def latest(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID], card: str | None = None
) -> list[Score]:
    """The newest snapshot of each holder by a card, or by each card, in the order of holders and cards.

    Who has none is left out; who had too little data has a score without points.
    """
    rows = await driver.fetch(_LATEST, holder_ids, card)
    await _learn(driver, {row["content_hash"] for row in rows} - _TEXTS.keys())
    on_record = {each for row in rows for each in row["conduct"] or ()}
    conduct = await repository.conduct_by_id(driver, on_record) if on_record else {}
    return [
        explain(
            _TEXTS[row["content_hash"]],
            Measures(
                tuple(row["totals"]),
                row["acts"],
                row["months"],
                tuple(conduct[each] for each in row["conduct"] or ()),
            ),
            row["as_of"],
            row["counted_until"],
            row["holder_id"],
        )
        for row in rows
    ]


async def _learn(driver: "asyncpg.Connection", hashes: set[str]) -> None:
    if not hashes:
        return
    rows = await driver.fetch(
        "SELECT content FROM score_cards WHERE content_hash = ANY($1::varchar[])", list(hashes)
    )
    for row in rows:
        card = rebuild(row["content"])
        _TEXTS[card.content_hash] = card
