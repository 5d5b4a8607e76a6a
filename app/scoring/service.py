"""The score of one holder on demand, from the books as they are."""

import datetime as dt
from typing import TYPE_CHECKING, Final
from uuid import UUID

from accounts.errors import HolderNotFound
from accounts.ids import lowest_uuid7
from accounts.labels.queries import label_history
from accounts.scores import repository
from accounts.scores.engine import first_month, is_month_end, score
from accounts.scores.errors import CardNotFound
from accounts.scores.model import Deed, Facts, Score
from app.scoring.counting import COUNTED, EARLY, bounds_of, counted_until
from dedup.periods import LOCAL

if TYPE_CHECKING:
    import asyncpg

    from accounts.scores.cards import Card
    from app.scoring.in_force import CardsInForce

_OF_ONE: Final = """(SELECT $1::uuid AS holder_id, $2::date AS month, $3::uuid AS low, $4::timestamptz AS begins,
        $5::timestamptz AS ends) t"""
_RUNNING: Final = f"""
SELECT scene, grade, count(*)::integer AS acts, sum(co2e_mg)::bigint AS co2e_mg FROM (
    {COUNTED.format(touched=_OF_ONE, until="$6")}
) q GROUP BY scene, grade ORDER BY scene, grade
"""
MUCH_LATER: Final = dt.timedelta(days=400)
"""An act is reported within so many days, or never."""


async def score_of(
    driver: "asyncpg.Connection", cards: "CardsInForce", holder_id: UUID, card: str, as_of: dt.date
) -> Score:
    """The score as of a day, by the version in force where the holder's programme is.

    Raises `HolderNotFound`, and `CardNotFound` where the card is not in force there or is for another kind of holder.
    """
    found, _ = await score_and_facts(driver, cards, holder_id, card, as_of)
    return found


async def score_and_facts(
    driver: "asyncpg.Connection", cards: "CardsInForce", holder_id: UUID, card: str, as_of: dt.date
) -> tuple[Score, Facts]:
    """The score with the data that it used."""
    known = await repository.region_of(driver, holder_id)
    if known is None:
        raise HolderNotFound
    kind, region = known
    chosen = cards.of(region, as_of).get(card)
    if chosen is None or chosen.text.subject != kind:
        raise CardNotFound
    until = await counted_until(driver)
    facts = await facts_of(driver, holder_id, chosen, as_of, until)
    return score(chosen, facts, as_of, counted_until=until, holder_id=holder_id), facts


async def facts_of(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    card: "Card",
    as_of: dt.date,
    until: dt.datetime | None,
) -> Facts:
    """What the card may read of a holder: whole months as counted, and of the day's own month the acts up to it."""
    text = card.text
    running = as_of.replace(day=1)
    whole = is_month_end(as_of) and until is not None and until >= bounds_of(running)[1]
    deeds: list[Deed] = []
    if "month" in text.reads:
        before = as_of + dt.timedelta(days=1) if whole else running
        deeds = await repository.deeds_of(driver, holder_id, first_month(text, as_of), before)
        if not whole:
            deeds += await _deeds_of_running(driver, holder_id, running, as_of)
    conduct = await repository.conduct_of(driver, holder_id) if "conduct" in text.reads else []
    label = await label_of(driver, holder_id, as_of) if "label" in text.reads else None
    return Facts(tuple(deeds), tuple(conduct), label)


async def label_of(driver: "asyncpg.Connection", holder_id: UUID, as_of: dt.date) -> str | None:
    """The label that counted on a day: an official one before a trial one, then the latest year's."""
    known = [
        each
        for each in await label_history(driver, holder_id)
        if each.published_at.astimezone(LOCAL).date() <= as_of
    ]
    return (
        max(known, key=lambda each: (each.official, each.year, each.published_at)).colour if known else None
    )


async def _deeds_of_running(
    driver: "asyncpg.Connection", holder_id: UUID, month: dt.date, as_of: dt.date
) -> list[Deed]:
    begins, _ = bounds_of(month)
    ends = dt.datetime.combine(as_of + dt.timedelta(days=1), dt.time(), LOCAL)
    rows = await driver.fetch(
        _RUNNING,
        *(holder_id, month, lowest_uuid7(begins - EARLY), begins, ends, lowest_uuid7(ends + MUCH_LATER)),
    )
    return [Deed(month, *row) for row in rows]
