"""SQL of what is claimed here and at a neighbour: the days that changed, and each of them by itself."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.auth.principal import prefix
from app.neighbours.models import DoubleClaim, DoubleState
from app.neighbours.repository import COLUMNS, read_claim
from dedup.exchange import Exchanged
from dedup.writes import columns

if TYPE_CHECKING:
    import asyncpg


@dataclass(frozen=True, slots=True)
class Pair:
    """An own row and a neighbour's of one digest."""

    own: Exchanged
    other: Exchanged
    region: str


async def changed_days(
    driver: "asyncpg.Connection", neighbour_id: UUID, changed: tuple[int, int]
) -> list[datetime.date]:
    """Days of which either side has rows that transactions of a range wrote last."""
    rows = await driver.fetch(
        """
        SELECT day FROM exchanged_claims WHERE changed_by >= $2 AND changed_by < $3
        UNION
        SELECT day FROM neighbour_claims WHERE neighbour_id = $1 AND changed_by >= $2 AND changed_by < $3
        ORDER BY day
        """,
        neighbour_id,
        *changed,
    )
    return [row[0] for row in rows]


async def changed_pairs(
    driver: "asyncpg.Connection", neighbour_id: UUID, changed: tuple[int, int], day: datetime.date
) -> list[Pair]:
    """Pairs of a day of which either row was written last by transactions of a range."""
    own = ", ".join(f"o.{name.strip()}" for name in COLUMNS.split(","))
    theirs = ", ".join(f"n.{name.strip()}" for name in COLUMNS.split(","))
    shown = f"o.day, o.digest, o.activity_id, {own}, n.reference, {theirs}, o.region"
    # From the side that changed to the other one's key, one after the other: a plan for both at once reads a day whole.
    rows = await driver.fetch(
        f"""
        SELECT {shown} FROM exchanged_claims o
        JOIN neighbour_claims n ON n.neighbour_id = $1 AND n.day = $4 AND n.digest = o.digest
        WHERE o.day = $4 AND o.changed_by >= $2 AND o.changed_by < $3
        UNION
        SELECT {shown} FROM neighbour_claims n
        JOIN exchanged_claims o ON o.day = $4 AND o.digest = n.digest
        WHERE n.neighbour_id = $1 AND n.day = $4 AND n.changed_by >= $2 AND n.changed_by < $3
        """,
        neighbour_id,
        *changed,
        day,
    )
    width = 3 + len(COLUMNS.split(","))
    return [
        Pair(read_claim(row[:width]), read_claim((row[0], row[1], *row[width:-1])), row[-1])
        for row in map(tuple, rows)
    ]


DoubleRow = tuple[
    UUID, UUID, str, datetime.date, int, str, str, datetime.datetime, datetime.datetime, str, str, bool
]
"""(activity, reference, region, day, kind, scene, their scene, arrived, theirs, precedence, state, automatic)."""


async def write_doubles(
    driver: "asyncpg.Connection", neighbour_id: UUID, rows: Sequence[DoubleRow], now: datetime.datetime
) -> None:
    """Keep what is claimed in both; what was reversed for it, or ended, stays so."""
    await driver.execute(
        """
        INSERT INTO double_claims AS d (activity_id, reference, region, day, kind, scene, their_scene, arrived_at,
            their_arrived_at, precedence, state, automatic, neighbour_id, found_at, reason)
        SELECT *, $13::uuid, $14::timestamptz, ''
        FROM unnest($1::uuid[], $2::uuid[], $3::varchar[], $4::date[], $5::smallint[], $6::varchar[], $7::varchar[],
                    $8::timestamptz[], $9::timestamptz[], $10::varchar[], $11::varchar[], $12::bool[])
        ON CONFLICT (neighbour_id, activity_id, reference)
            DO UPDATE SET state = excluded.state, precedence = excluded.precedence, automatic = excluded.automatic
            WHERE d.state IN ('kept', 'lost')
        """,
        *columns(list(rows)),
        neighbour_id,
        now,
    )


async def end_doubles(
    driver: "asyncpg.Connection", neighbour_id: UUID, pairs: Sequence[tuple[UUID, UUID]]
) -> None:
    """Of these (activity, reference) one was released: nothing is claimed twice any more."""
    await driver.execute(
        """
        UPDATE double_claims d SET state = 'ended'
        FROM unnest($2::uuid[], $3::uuid[]) AS e (activity, reference)
        WHERE d.neighbour_id = $1 AND d.activity_id = e.activity AND d.reference = e.reference
          AND d.state IN ('kept', 'lost')
        """,
        neighbour_id,
        *columns(list(pairs)),
    )


async def set_reconciled(driver: "asyncpg.Connection", neighbour_id: UUID, changed: tuple[int, int]) -> bool:
    """Both sides are compared up to here; False where somebody else did meanwhile. Taken first, it is also the lock."""
    done = await driver.fetchval(
        "UPDATE neighbours SET reconciled = $3 WHERE id = $1 AND reconciled = $2 RETURNING 1",
        neighbour_id,
        *changed,
    )
    return done is not None


async def lost_automatically(
    session: AsyncSession, neighbour_id: UUID, after: UUID, limit: int
) -> list[UUID]:
    """Activities that the service itself is to reverse, in order of their ids."""
    query = (
        select(DoubleClaim.activity_id)
        .where(
            col(DoubleClaim.neighbour_id) == neighbour_id,
            col(DoubleClaim.state) == DoubleState.LOST.value,
            col(DoubleClaim.automatic),
            col(DoubleClaim.activity_id) > after,
        )
        .distinct()
        .order_by(col(DoubleClaim.activity_id))
    )
    return list((await session.exec(query.limit(limit))).all())


async def doubles_of(
    session: AsyncSession, neighbour_id: UUID, activity_id: UUID, *, lock: bool = False
) -> list[DoubleClaim]:
    """What an activity is claimed twice with, at one neighbour."""
    query = (
        select(DoubleClaim)
        .where(col(DoubleClaim.neighbour_id) == neighbour_id, col(DoubleClaim.activity_id) == activity_id)
        .order_by(col(DoubleClaim.reference))
    )
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return list((await session.exec(query)).all())


async def page_of_doubles(
    session: AsyncSession,
    neighbour_id: UUID,
    region: str,
    state: DoubleState | None,
    after: tuple[UUID, UUID] | None,
    limit: int,
) -> list[DoubleClaim]:
    """Of a region and below, in the order in which the acts were credited here."""
    query = select(DoubleClaim).where(
        col(DoubleClaim.neighbour_id) == neighbour_id, col(DoubleClaim.region).startswith(prefix(region))
    )
    if state is not None:
        query = query.where(col(DoubleClaim.state) == state.value)
    if after is not None:
        activity, reference = after
        query = query.where(
            (col(DoubleClaim.activity_id) > activity)
            | ((col(DoubleClaim.activity_id) == activity) & (col(DoubleClaim.reference) > reference))
        )
    ordered = query.order_by(col(DoubleClaim.activity_id), col(DoubleClaim.reference))
    return list((await session.exec(ordered.limit(limit))).all())
