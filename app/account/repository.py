"""SQL of what residents read of their own: by the holder's index, from the first day that counts on."""

import datetime
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from accounts.ids import lowest_uuid7
from dedup.periods import LOCAL

if TYPE_CHECKING:
    import asyncpg

EARNED = "outcome IN ('credited', 'capped') AND reversed_at IS NULL"
LOCAL_DAY = "(started_at AT TIME ZONE 'Asia/Shanghai')::date"


def floor(day: datetime.date) -> UUID:
    """Below the id of everything that was reported on a local day or later: acts are reported after they happened."""
    return lowest_uuid7(datetime.datetime.combine(day, datetime.time(), LOCAL))


_DAYS = f"""
    SELECT {LOCAL_DAY} AS day, sum(co2e_mg)::bigint AS mg, count(*) AS acts FROM activities
    WHERE holder_id = $1 AND id >= $2 AND id < $3 AND {EARNED} GROUP BY 1
"""
Days: TypeAlias = dict[datetime.date, tuple[int, int]]
"""Local day of the acts → (mg, acts)."""


async def account(
    driver: "asyncpg.Connection", holder_id: UUID, first: UUID, before: UUID
) -> "tuple[asyncpg.Record, Days] | None":
    """A holder with its balances and what expires when (two arrays, the next first), and its days as `days` has them.

    One statement, so that all of it is of one moment.
    """
    row = await driver.fetchrow(
        f"""
        SELECT h.kind, h.region, h.created_at, b.open_mg, b.issued_mg, b.used_mg, b.excluded_mg, b.points,
            b.held_points, b.owed_points, l.expiring, l.amounts, d.days, d.mgs, d.acts
        FROM holders h JOIN balances b ON b.holder_id = h.id, (
            SELECT array_agg(day) AS days, array_agg(mg) AS mgs, array_agg(acts) AS acts FROM ({_DAYS}) AS a) AS d, (
            SELECT array_agg(expires_on ORDER BY expires_on) AS expiring,
                array_agg(points ORDER BY expires_on) AS amounts
            FROM (
                SELECT expires_on, sum(remaining)::bigint AS points FROM lots
                WHERE holder_id = $1 AND remaining > 0 GROUP BY expires_on ORDER BY expires_on LIMIT 200) AS lot) AS l
        WHERE h.id = $1
        """,
        holder_id,
        first,
        before,
    )
    if row is None:
        return None
    if row["days"] is None:
        return row, {}
    return row, dict(zip(row["days"], zip(row["mgs"], row["acts"], strict=True), strict=True))


async def days(driver: "asyncpg.Connection", holder_id: UUID, first: UUID, before: UUID) -> Days:
    """Local day → (mg, acts) of what was credited and reported from an id on and before another."""
    rows = await driver.fetch(_DAYS, holder_id, first, before)
    return {row[0]: (row[1], row[2]) for row in rows}


SERIES = {
    "day": f"to_char({LOCAL_DAY}, 'YYYY-MM-DD')",
    "month": f"to_char({LOCAL_DAY}, 'YYYY-MM')",
    "scene": "scene",
}


async def series(
    driver: "asyncpg.Connection", holder_id: UUID, by: str, first: datetime.date, last: datetime.date
) -> list[tuple[str, int, int, int]]:
    """(key, mg, points, acts) of the acts of local days `first` to `last`, by day, month or scene."""
    rows = await driver.fetch(
        f"""
        SELECT {SERIES[by]} AS key, sum(co2e_mg)::bigint, sum(points)::bigint, count(*) FROM activities
        WHERE holder_id = $1 AND id >= $2 AND {EARNED} AND {LOCAL_DAY} BETWEEN $3 AND $4
        GROUP BY 1 ORDER BY 1
        """,
        holder_id,
        floor(first),
        first,
        last,
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


async def acts_by_scene(
    driver: "asyncpg.Connection", holder_id: UUID, since: datetime.datetime
) -> dict[str, int]:
    """Scene → credited acts of a holder that was onboarded then."""
    rows = await driver.fetch(
        f"SELECT scene, count(*) FROM activities WHERE holder_id = $1 AND id >= $2 AND {EARNED} GROUP BY scene",
        holder_id,
        lowest_uuid7(since - datetime.timedelta(days=1)),
    )
    return {row[0]: row[1] for row in rows}
