"""SQL of sources' clocks."""

import datetime
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy.orm import aliased
from sqlmodel import col, or_, select

from accounts.ids import lowest_uuid7
from app.auth.models import Organisation
from app.auth.principal import prefix
from app.clocks.models import SourceClock
from dedup.sightings import Clocks, PairClock
from dedup.writes import columns

if TYPE_CHECKING:
    import asyncpg
    from sqlmodel.ext.asyncio.session import AsyncSession

Measured = tuple[UUID, UUID, int, int]
"""(left source, right source, how far the right one's clock is ahead, tolerance), s."""
MOST_ACTS = 100_000
"""How many of the latest acts one measurement looks at, so that its cost does not grow with the city."""


async def read_clocks(driver: "asyncpg.Connection") -> tuple[Measured, ...]:
    """What is measured of all pairs."""
    rows = await driver.fetch(
        "SELECT left_id, right_id, ahead_s, tolerance_s FROM source_clocks ORDER BY left_id, right_id"
    )
    return tuple((row[0], row[1], row[2], row[3]) for row in rows)


def clocks_of(measured: Iterable[Measured]) -> Clocks:
    """The same as the decision takes it."""
    return Clocks(
        {
            (left.hex, right.hex): PairClock(ahead_s, tolerance_s, measured=True)
            for left, right, ahead_s, tolerance_s in measured
        }
    )


async def read_differences(
    driver: "asyncpg.Connection", since: datetime.datetime, reasons: Sequence[str], most_acts: int
) -> dict[tuple[UUID, UUID], list[int]]:
    """(left, right source) → how far the right one's starts and ends lie after the left one's, s, the oldest first.

    Of acts of one holder that both reported since a moment, the later one refused for one of these reasons; the latest
    `most_acts` of each pair.
    """
    rows = await driver.fetch(
        """
        WITH lost AS (
            SELECT holder_id, id, source_id, winner_id, started_at, ended_at FROM activities
            WHERE id >= $1 AND outcome = 'duplicate' AND reason = ANY($2::varchar[]) AND started_at < ended_at
            ORDER BY id DESC LIMIT $3
        ), met AS (
            SELECT l.id, l.source_id AS lost, w.source_id AS won,
                   extract(epoch FROM l.started_at - w.started_at)::bigint AS starts,
                   extract(epoch FROM l.ended_at - w.ended_at)::bigint AS ends
            FROM lost l JOIN activities w ON w.holder_id = l.holder_id AND w.id = l.winner_id AND w.id >= $1
            WHERE w.source_id <> l.source_id AND w.started_at < w.ended_at
        ), placed AS (
            SELECT *, row_number() OVER (PARTITION BY least(lost, won), greatest(lost, won) ORDER BY id DESC) AS place
            FROM met
        )
        SELECT least(lost, won), greatest(lost, won), lost > won, starts, ends FROM placed
        WHERE place <= $4 ORDER BY id
        """,
        lowest_uuid7(since),
        reasons,
        MOST_ACTS,
        most_acts,
    )
    found: dict[tuple[UUID, UUID], list[int]] = {}
    for left, right, lost_is_right, starts, ends in rows:
        values = (starts, ends) if lost_is_right else (-starts, -ends)
        found.setdefault((left, right), []).extend(values)
    return found


ClockRow = tuple[UUID, UUID, int, int, int]
"""(left source, right source, ahead, tolerance, number of differences)."""


async def write_clocks(
    driver: "asyncpg.Connection", rows: Sequence[ClockRow], now: datetime.datetime, since: datetime.datetime
) -> None:
    """Keep what was measured, and forget what nobody could measure again since a moment."""
    if rows:
        await driver.execute(
            """
            INSERT INTO source_clocks (left_id, right_id, ahead_s, tolerance_s, differences, measured_at)
            SELECT c.*, $6::timestamptz
            FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::int[])
                AS c (left_id, right_id, ahead, tolerance, differences)
            ON CONFLICT (left_id, right_id) DO UPDATE SET ahead_s = excluded.ahead_s,
                tolerance_s = excluded.tolerance_s, differences = excluded.differences,
                measured_at = excluded.measured_at
            """,
            *columns(rows),
            now,
        )
    await driver.execute("DELETE FROM source_clocks WHERE measured_at < $1", since)


async def page_of_clocks(
    session: "AsyncSession", region: str, after: tuple[UUID, UUID] | None, limit: int
) -> list[tuple[SourceClock, Organisation, Organisation]]:
    """Clocks of pairs of which one is of a region or below, in the order of their ids."""
    left, right = aliased(Organisation), aliased(Organisation)
    query = (
        select(SourceClock, left, right)
        .join(left, col(SourceClock.left_id) == left.id)
        .join(right, col(SourceClock.right_id) == right.id)
        .where(or_(left.region.startswith(prefix(region)), right.region.startswith(prefix(region))))
        .order_by(col(SourceClock.left_id), col(SourceClock.right_id))
    )
    if after is not None:
        last_left, last_right = after
        query = query.where(
            or_(
                col(SourceClock.left_id) > last_left,
                (col(SourceClock.left_id) == last_left) & (col(SourceClock.right_id) > last_right),
            )
        )
    return [(row[0], row[1], row[2]) for row in (await session.exec(query.limit(limit))).all()]
