"""Snapshots: the scores of all holders by a card as of the last day of a month, slice by slice.

A slice is one statement in one commit with the mark that it is done, so that a job that was killed goes on where it
was, any number of workers share a run, and memory is bounded by a slice.
"""

import asyncio
import datetime as dt
import time
from typing import TYPE_CHECKING, Final
from uuid import UUID

from accounts.scores import repository
from accounts.scores.compiled import compiled
from accounts.scores.engine import first_month, is_month_end
from app.scoring.counting import bounds_of, counted_until
from app.scoring.service import label_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

    from accounts.scores.cards import Card
    from app.database import Database
    from app.scoring.in_force import CardsInForce

SLICE: Final = 25_000
"""Holders of a slice."""
WORKERS: Final = 2
SETTLED: Final = dt.timedelta(days=2)
"""How long after a month's end its snapshot is due: late reports and collections come first."""
NOBODY: Final = UUID(int=0)
EVERYBODY: Final = UUID(int=2**128 - 1)
# A slice reads a range of keys in their order; what it groups stays in memory.
_FOR_SLICES: Final = """
SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on;
SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL work_mem = '64MB';
"""


class NotCounted(RuntimeError):
    """The deeds of the month are not all counted yet; the next run tries again."""


def due_on(now: dt.datetime) -> dt.date:
    """The last day of the latest month that is over and settled."""
    settled = (now - SETTLED).astimezone(bounds_of(dt.date(2020, 1, 1))[0].tzinfo).date()
    return settled.replace(day=1) - dt.timedelta(days=1)


async def snapshot_all(
    database: "Database",
    cards: "CardsInForce",
    as_of: dt.date,
    clock: "Callable[[], dt.datetime]",
    *,
    workers: int = WORKERS,
    size: int = SLICE,
    budget_s: float | None = None,
) -> bool:
    """Take or finish the snapshots of all cards in force on a day; False where the time was over before.

    Raises `NotCounted`.
    """
    until = None if budget_s is None else time.monotonic() + budget_s
    for card in cards.on(as_of):
        async with database.driver_transaction() as driver:
            card_id = await begin(driver, card, as_of, clock(), size)
        if card_id is None:
            continue
        done = await asyncio.gather(
            *(_work(database, cards, card, card_id, as_of, clock, until) for _ in range(workers))
        )
        if not all(done):
            return False
        async with database.driver_transaction() as driver:
            await driver.execute(
                """
                UPDATE score_runs r SET finished_at = $3
                WHERE card_id = $1 AND as_of = $2 AND finished_at IS NULL AND NOT EXISTS (
                    SELECT FROM score_slices s WHERE s.card_id = $1 AND s.as_of = $2 AND s.done_at IS NULL)
                """,
                *(card_id, as_of, clock()),
            )
    return True


async def begin(
    driver: "asyncpg.Connection", card: "Card", as_of: dt.date, now: dt.datetime, size: int = SLICE
) -> int | None:
    """Cut the holders into slices, once; answers the card's id, None where its snapshot is finished.

    Raises `NotCounted` where deeds are missing.
    """
    if not is_month_end(as_of):
        raise ValueError("a snapshot is as of the last day of a month")
    card_id = await repository.know_card(driver, card, now)
    finished = await driver.fetchval(
        "SELECT finished_at FROM score_runs WHERE card_id = $1 AND as_of = $2", card_id, as_of
    )
    if finished is not None:
        return None
    counted = await counted_until(driver)
    if counted is None or counted < bounds_of(as_of.replace(day=1))[1]:
        raise NotCounted
    begun = await driver.fetchval(
        """
        INSERT INTO score_runs (card_id, as_of, counted_until, started_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING RETURNING card_id
        """,
        *(card_id, as_of, counted, now),
    )
    if begun is not None:
        await driver.execute("SET LOCAL enable_seqscan = on")
        await driver.execute(
            """
            INSERT INTO score_slices (card_id, as_of, number, after, through)
            SELECT $1, $2, row_number() OVER (ORDER BY through), lag(through, 1, $4::uuid) OVER (ORDER BY through),
                through
            FROM (
                SELECT id AS through FROM (
                    SELECT id, row_number() OVER (ORDER BY id) AS n FROM holders WHERE kind = $6::varchar) h
                WHERE n % $3::integer = 0
                UNION SELECT $5::uuid) ends
            """,
            *(card_id, as_of, size, NOBODY, EVERYBODY, card.text.subject),
        )
    return card_id


async def _work(
    database: "Database",
    cards: "CardsInForce",
    card: "Card",
    card_id: int,
    as_of: dt.date,
    clock: "Callable[[], dt.datetime]",
    until: float | None,
) -> bool:
    """Do slices until none is left that nobody does; False where the time is over before."""
    while until is None or time.monotonic() < until:
        async with database.driver_transaction() as driver:
            if not await do_slice(driver, cards, card, card_id, as_of, clock()):
                return True
    return False


async def do_slice(
    driver: "asyncpg.Connection",
    cards: "CardsInForce",
    card: "Card",
    card_id: int,
    as_of: dt.date,
    now: dt.datetime,
) -> bool:
    """Score the next slice that nobody has at hand, in the caller's transaction; False where there is none."""
    found = await driver.fetchrow(
        """
        SELECT number, after, through FROM score_slices WHERE card_id = $1 AND as_of = $2 AND done_at IS NULL
        ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED
        """,
        *(card_id, as_of),
    )
    if found is None:
        return False
    await driver.execute(_FOR_SLICES)
    first, last = found["after"], found["through"]
    regions = [
        row[0]
        for row in await driver.fetch(
            "SELECT DISTINCT region FROM holders WHERE id > $1 AND id <= $2", first, last
        )
        if _counts(cards, card, row[0], as_of)
    ]
    if regions:
        whom: tuple[object, object] = (first, last)
        if card.text.subject == "organisation":
            whom = await _labels(driver, first, last, as_of)
        await driver.execute(
            compiled(card), *whom, first_month(card.text, as_of), card_id, as_of, regions, now
        )
    await driver.execute(
        "UPDATE score_slices SET done_at = $4 WHERE card_id = $1 AND as_of = $2 AND number = $3",
        *(card_id, as_of, found["number"], now),
    )
    return True


async def _labels(
    driver: "asyncpg.Connection", first: UUID, last: UUID, as_of: dt.date
) -> tuple[list[UUID], list[str | None]]:
    """Organisations of a slice and their labels on the day; there are thousands of them, not millions."""
    rows = await driver.fetch(
        "SELECT id FROM holders WHERE id > $1 AND id <= $2 AND kind = 'organisation' ORDER BY id", first, last
    )
    ids = [found[0] for found in rows]
    return ids, [await label_of(driver, each, as_of) for each in ids]


def _counts(cards: "CardsInForce", card: "Card", region: str, day: dt.date) -> bool:
    chosen = cards.of(region, day).get(card.name)
    return chosen is not None and chosen.content_hash == card.content_hash
