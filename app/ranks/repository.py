"""SQL of ranks: what persons who want to be seen were credited, net of what was reversed. Organisations never rank."""

import datetime
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from accounts.ids import lowest_uuid7
from accounts.models import AccountKind
from dedup.periods import LOCAL

if TYPE_CHECKING:
    import asyncpg

PAGE = 500
"""Few at a time, so that requests of the same process get their turns."""
Score: TypeAlias = tuple[UUID, str, str, int]
"""(holder, its region, month `2026-11` or "" for all time, mg)."""

_IN = f"e.debit = {AccountKind.ISSUANCE_SIDE:d} AND e.credit = {AccountKind.HOLDER_OPEN:d}"
_OUT = f"e.debit = {AccountKind.HOLDER_OPEN:d} AND e.credit = {AccountKind.ISSUANCE_SIDE:d}"
_NET = f"sum(CASE WHEN {_IN} THEN e.amount ELSE -e.amount END)"
_MOVES = f"(({_IN}) OR ({_OUT}))"
_MONTH = "to_char(e.booked_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM')"
HIDDEN = """
    SELECT holder_id FROM rank_choices WHERE NOT shown
    UNION ALL SELECT holder_id FROM minors WHERE ended_at IS NULL
"""
"""Who is in no rank: who chose so, and children until they have taken their account over."""
_SEEN = f"h.kind = 'person' AND h.id NOT IN ({HIDDEN})"


def month_of(moment: datetime.datetime) -> str:
    """The local month that what is booked at a moment counts for."""
    return f"{moment.astimezone(LOCAL):%Y-%m}"


def first_of_month(moment: datetime.datetime) -> datetime.datetime:
    """The first moment of a local month."""
    return moment.astimezone(LOCAL).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


_BOOKED = f"""
    SELECT h.id, h.region, {_MONTH}, {_NET}::bigint
    FROM entries e JOIN holders h ON h.id = e.holder_id
    WHERE e.id >= $1 AND e.id < $2 AND {_MOVES} AND {_SEEN} GROUP BY 1, 2, 3
"""


async def booked(
    driver: "asyncpg.Connection", since: datetime.datetime, until: datetime.datetime
) -> AsyncIterator[list[Score]]:
    """What was booked from one moment to before another, by holder and month; in pages."""
    async for page in _pages(driver, _BOOKED, lowest_uuid7(since), lowest_uuid7(until)):
        yield [(row[0], row[1], row[2], row[3]) for row in page]


async def changed(
    driver: "asyncpg.Connection", since: datetime.datetime, until: datetime.datetime
) -> tuple[list[tuple[UUID, str]], list[Score]]:
    """(holder, region) of who chose, or came of age, since a moment, and what those who are seen have until another."""
    chosen = await driver.fetch(
        """
        SELECT h.id, h.region FROM holders h JOIN (
            SELECT holder_id FROM rank_choices WHERE changed_at >= $1
            UNION SELECT holder_id FROM minors WHERE created_at >= $1 OR ended_at >= $1) c ON c.holder_id = h.id
        """,
        since,
    )
    ids = [row[0] for row in chosen]
    return [(row[0], row[1]) for row in chosen], await totals_of(driver, ids, until) if ids else []


async def totals_of(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID], until: datetime.datetime
) -> list[Score]:
    """What some holders have of all time, and of the month that was running just before `until`."""
    all_time = await driver.fetch(_ALL_TIME + " AND h.id = ANY($2::uuid[])", lowest_uuid7(until), holder_ids)
    last = until - datetime.timedelta(milliseconds=1)
    monthly = await driver.fetch(
        f"""
        SELECT h.id, h.region, {_NET}::bigint FROM entries e JOIN holders h ON h.id = e.holder_id
        WHERE e.holder_id = ANY($1::uuid[]) AND e.id >= $2 AND e.id < $3 AND {_MOVES} AND {_SEEN} GROUP BY 1, 2
        """,
        holder_ids,
        lowest_uuid7(first_of_month(last)),
        lowest_uuid7(until),
    )
    return [(row[0], row[1], "", row[2]) for row in all_time] + [
        (row[0], row[1], month_of(last), row[2]) for row in monthly
    ]


# Balances hold what was booked until now: what came after the moment is taken off again, in the same statement.
_ALL_TIME = f"""
    WITH later AS (
        SELECT e.holder_id, {_NET} AS mg FROM entries e WHERE e.id >= $1 AND {_MOVES} GROUP BY 1)
    SELECT h.id, h.region, (b.open_mg + b.issued_mg + b.used_mg + b.excluded_mg - coalesce(l.mg, 0))::bigint
    FROM balances b JOIN holders h ON h.id = b.holder_id LEFT JOIN later l ON l.holder_id = h.id
    WHERE {_SEEN} AND b.open_mg + b.issued_mg + b.used_mg + b.excluded_mg - coalesce(l.mg, 0) <> 0
"""


async def everything(driver: "asyncpg.Connection", until: datetime.datetime) -> AsyncIterator[list[Score]]:
    """All scores of what was booked before a moment: of all time, and of the month that ran until then; in pages."""
    for setting in ("enable_seqscan", "enable_hashjoin"):
        await driver.execute(f"SET LOCAL {setting} = on")
    await driver.execute("SET LOCAL statement_timeout = 0")
    last = until - datetime.timedelta(milliseconds=1)
    bounds = lowest_uuid7(first_of_month(last)), lowest_uuid7(until)
    async for page in _pages(driver, _ALL_TIME, bounds[1]):
        yield [(row[0], row[1], "", row[2]) for row in page]
    async for page in _pages(driver, _BOOKED, *bounds):
        yield [(row[0], row[1], row[2], row[3]) for row in page]


async def _pages(driver: "asyncpg.Connection", query: str, *arguments: UUID) -> "AsyncIterator[list[Any]]":
    cursor = await driver.cursor(query, *arguments)
    while page := await cursor.fetch(PAGE):
        yield page


async def hidden(driver: "asyncpg.Connection", holder_ids: Sequence[UUID]) -> set[UUID]:
    """Those of some holders who are not to be seen now."""
    rows = await driver.fetch(
        f"SELECT id FROM unnest($1::uuid[]) AS s (id) WHERE id IN ({HIDDEN})", holder_ids
    )
    return {row[0] for row in rows}


async def choose(driver: "asyncpg.Connection", holder_id: UUID, shown: bool, now: datetime.datetime) -> None:
    """Keep what a holder wants."""
    await driver.execute(
        """
        INSERT INTO rank_choices (holder_id, shown, changed_at) VALUES ($1, $2, $3)
        ON CONFLICT (holder_id) DO UPDATE SET shown = excluded.shown, changed_at = excluded.changed_at
        """,
        holder_id,
        shown,
        now,
    )


async def move_choice(
    driver: "asyncpg.Connection", holder_id: UUID, absorbed: UUID, now: datetime.datetime
) -> None:
    """Have a blank account's wish not to be seen hold for the account that it becomes part of."""
    await driver.execute(
        """
        INSERT INTO rank_choices (holder_id, shown, changed_at)
        SELECT $1, shown, $3 FROM rank_choices WHERE holder_id = $2 AND NOT shown
        ON CONFLICT (holder_id) DO UPDATE SET shown = excluded.shown, changed_at = excluded.changed_at
        """,
        holder_id,
        absorbed,
        now,
    )


async def lock(driver: "asyncpg.Connection") -> None:
    """One builder of ranks at a time, over all processes."""
    await driver.execute("SELECT pg_advisory_xact_lock(hashtext('tanpuhui_ranks'))")
