"""Deeds counted by holder, month, scene and evidence grade, a little behind the books; intake writes nothing for it.

What was booked is found by its id, behind a cursor; what changed afterwards (a reversal, a recalculation, a collection,
what other platforms say) by a row that a trigger left. Either way the holder's whole month is counted anew, so that a
count is repeated without harm and what comes late is right.
"""

import datetime as dt
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from accounts.ids import lowest_uuid7, moment_ms
from accounts.scores.model import GRADES
from app.crediting.corroboration import PLATFORM
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from app.database import Database

BEHIND: Final = dt.timedelta(minutes=2)
"""Longer than a statement may take: what is booked with an earlier id than this is there to be read."""
SLICE: Final = 20_000
"""Activities, or changes, of one transaction."""
BUDGET_S: Final = 20.0
"""How long one run works; the next goes on."""
EARLY: Final = dt.timedelta(days=1)
"""An act is booked no earlier than it began, but for what clocks differ by."""
_MONTH: Final = "date_trunc('month', a.started_at AT TIME ZONE 'Asia/Shanghai')::date"

_TOUCHED: Final = f"""
WITH took AS (
    DELETE FROM deed_changes WHERE id IN (SELECT id FROM deed_changes ORDER BY id LIMIT $3)
    RETURNING holder_id, activity_id
), about AS MATERIALIZED (
    SELECT holder_id, activity_id FROM took
    UNION SELECT holder_id, id FROM activities WHERE id >= $1 AND id < $2
), deeds AS MATERIALIZED (
    SELECT holder_id, activity_id FROM about
    UNION SELECT c.holder_id, c.winner_id FROM about b
        JOIN corroborations c ON c.holder_id = b.holder_id AND c.activity_id = b.activity_id
)
SELECT DISTINCT a.holder_id, {_MONTH}
FROM deeds d JOIN activities a ON a.holder_id = d.holder_id AND a.id = d.activity_id
"""

COUNTED: Final = f"""
SELECT d.holder_id, d.month, d.scene,
    least(d.own + (SELECT count(DISTINCT c.source_id) FROM corroborations c
        WHERE c.holder_id = d.holder_id AND c.winner_id = d.id AND c.ended_at IS NULL AND c.evidence = '{PLATFORM}'
          AND (d.own = 0 OR c.source_id <> d.source_id)), {len(GRADES) - 1})::smallint AS grade,
    d.co2e_mg
FROM (
    SELECT a.holder_id, a.id, a.source_id, a.scene, t.month, (a.evidence = '{PLATFORM}')::integer AS own,
        a.co2e_mg + a.aggregated_mg AS co2e_mg
    FROM {{touched}}
    JOIN activities a ON a.holder_id = t.holder_id AND a.id >= t.low AND a.id < {{until}}
        AND a.started_at >= t.begins AND a.started_at < t.ends
    WHERE a.outcome IN ('credited', 'capped') AND a.reversed_at IS NULL) d
"""
"""Credited acts of holders and periods with their evidence as it is now: the platforms that have seen the act, two of
them at most, the reporting one among them where it saw it itself."""

_OF_MONTHS: Final = """unnest($1::uuid[], $2::date[], $3::uuid[], $4::timestamptz[], $5::timestamptz[])
        AS t (holder_id, month, low, begins, ends)"""
_RECOUNT: Final = f"""
INSERT INTO monthly_deeds (holder_id, month, scene, grade, acts, co2e_mg)
SELECT holder_id, month, scene, grade, count(*), sum(co2e_mg)::bigint FROM (
    {COUNTED.format(touched=_OF_MONTHS, until="$6")}
) q GROUP BY holder_id, month, scene, grade
"""


async def count_deeds(
    database: "Database",
    now: dt.datetime,
    *,
    budget_s: float = BUDGET_S,
    size: int = SLICE,
    elapsed_s: Callable[[], float] = time.monotonic,
) -> dt.datetime | None:
    """Count what was booked or changed, slice by slice; answers up to when bookings are counted, None before any."""
    began = elapsed_s()
    reached: dt.datetime | None = None
    while True:
        async with database.driver_transaction() as driver:
            reached, more = await count_slice(driver, now, size)
        if not more or elapsed_s() - began > budget_s:
            return reached


async def count_slice(
    driver: "asyncpg.Connection", now: dt.datetime, size: int = SLICE
) -> tuple[dt.datetime | None, bool]:
    """Count the next bookings and changes in the caller's transaction; answers the cursor, and whether more is left."""
    # One counter at a time: two that count one month would write its rows twice.
    await driver.execute("SELECT pg_advisory_xact_lock(hashtext('tanpuhui_deeds'))")
    end = (now - BEHIND).replace(microsecond=(now - BEHIND).microsecond // 1000 * 1000)
    since = await counted_until(driver)
    low = (
        lowest_uuid7(since)
        if since is not None
        else await driver.fetchval("SELECT id FROM activities ORDER BY id LIMIT 1")
    )
    high = max(lowest_uuid7(end), low or lowest_uuid7(end))
    next_id: UUID | None = None
    if low is not None:
        next_id = await driver.fetchval(
            "SELECT id FROM activities WHERE id >= $1 AND id < $2 ORDER BY id OFFSET $3 LIMIT 1",
            low,
            high,
            size,
        )
    if next_id is not None and low is not None:
        # To the millisecond that ids carry; one that has more than a slice is taken whole.
        at = max(moment_ms(next_id), moment_ms(low) + 1)
        high = lowest_uuid7(_moment(at))
    touched = await driver.fetch(_TOUCHED, low or high, high, size)
    left = bool(await driver.fetchval("SELECT EXISTS (SELECT FROM deed_changes)"))
    if touched:
        await _recount(driver, touched, now)
    reached = _moment(moment_ms(high)) if since is None else max(since, _moment(moment_ms(high)))
    await driver.execute(
        """
        INSERT INTO deed_counts (id, counted_until) VALUES (1, $1)
        ON CONFLICT (id) DO UPDATE SET counted_until = excluded.counted_until
        """,
        reached,
    )
    return reached, next_id is not None or (left and bool(touched))


async def _recount(driver: "asyncpg.Connection", touched: "list[asyncpg.Record]", now: dt.datetime) -> None:
    holders, months = [row[0] for row in touched], [row[1] for row in touched]
    bounds = [bounds_of(month) for month in months]
    await driver.execute(
        """
        DELETE FROM monthly_deeds m USING unnest($1::uuid[], $2::date[]) AS t (holder_id, month)
        WHERE m.holder_id = t.holder_id AND m.month = t.month
        """,
        holders,
        months,
    )
    await driver.execute(
        _RECOUNT,
        holders,
        months,
        [lowest_uuid7(begins - EARLY) for begins, _ in bounds],
        [begins for begins, _ in bounds],
        [ends for _, ends in bounds],
        lowest_uuid7(now + EARLY),
    )


def bounds_of(month: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """The first moment of a local month, and of the one after it."""
    following = (month.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    return (
        dt.datetime.combine(month, dt.time(), LOCAL),
        dt.datetime.combine(following, dt.time(), LOCAL),
    )


async def counted_until(driver: "asyncpg.Connection") -> dt.datetime | None:
    """Up to when bookings are counted."""
    found: dt.datetime | None = await driver.fetchval("SELECT counted_until FROM deed_counts WHERE id = 1")
    return found


def _moment(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds // 1000, dt.UTC) + dt.timedelta(
        milliseconds=milliseconds % 1000
    )
