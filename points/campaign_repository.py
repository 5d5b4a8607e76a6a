"""SQL of campaigns at work. A budget lies in slices; a transaction leases those that it can lock without waiting.

The lease is the row's lock: it ends with the transaction, whether that commits, rolls back or dies with its process,
and what was not used was never taken out. So nothing has to be given back or recovered, and no row is waited for
until a budget is nearly gone.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from dedup.writes import columns
from points.campaigns import Standing

if TYPE_CHECKING:
    import datetime

    import asyncpg

    from dedup.writes import Writes

SLICES = 32
Place = tuple[UUID, UUID]
"""(holder, campaign)."""
Leased = dict[UUID, list[tuple[int, int]]]
"""Campaign → (slice, points that are left in it)."""
AwardRow = tuple[UUID, UUID, UUID, int, "datetime.date", int]
"""(holder, activity, campaign, asset, expiry of the lot, points)."""

_ANY_FREE = """
SELECT s.campaign_id, s.slice, s.points_left FROM unnest($1::uuid[]) AS c (id),
LATERAL (SELECT campaign_id, slice, points_left FROM campaign_slices
         WHERE campaign_id = c.id AND points_left > 0 ORDER BY points_left DESC LIMIT 1
         FOR NO KEY UPDATE SKIP LOCKED) AS s
"""
_ALL_FREE = """
SELECT campaign_id, slice, points_left FROM campaign_slices
WHERE campaign_id = ANY($1::uuid[]) AND points_left > 0 FOR NO KEY UPDATE SKIP LOCKED
"""
_ALL = """
SELECT campaign_id, slice, points_left FROM campaign_slices WHERE campaign_id = ANY($1::uuid[]) AND points_left > 0
ORDER BY campaign_id, slice FOR NO KEY UPDATE
"""


async def open_budget(driver: "asyncpg.Connection", campaign_id: UUID, budget: int) -> None:
    """Lay a budget out in slices that differ by a point at most."""
    share, rest = divmod(budget, SLICES)
    await driver.execute(
        """
        INSERT INTO campaign_slices (campaign_id, slice, points_left)
        SELECT $1, n, points FROM unnest($2::smallint[], $3::bigint[]) AS s (n, points)
        """,
        campaign_id,
        list(range(SLICES)),
        [share + (number < rest) for number in range(SLICES)],
    )


async def budget_left(driver: "asyncpg.Connection", campaign_ids: Sequence[UUID]) -> dict[UUID, int]:
    """What is left of budgets."""
    rows = await driver.fetch(
        """
        SELECT campaign_id, sum(points_left)::bigint FROM campaign_slices WHERE campaign_id = ANY($1::uuid[])
        GROUP BY campaign_id
        """,
        campaign_ids,
    )
    return {row[0]: row[1] for row in rows}


async def lease(driver: "asyncpg.Connection", wanted: Mapping[UUID, int]) -> Leased:
    """Lock as much of budgets as is wanted, or all that there is, until the transaction ends.

    One free slice of each, then all that are free, then all: only the last waits, and holds no slice while it does, so
    that no two wait for each other. Slices are the last that a transaction locks.
    """
    if not wanted:
        return {}
    for query in (_ANY_FREE, _ALL_FREE):
        attempt = driver.transaction()
        await attempt.start()
        leased = await _locked(driver, query, wanted)
        if all(sum(left for _, left in leased.get(key, ())) >= points for key, points in wanted.items()):
            await attempt.commit()
            return leased
        await attempt.rollback()
    return await _locked(driver, _ALL, wanted)


async def _locked(driver: "asyncpg.Connection", query: str, wanted: Mapping[UUID, int]) -> Leased:
    leased: Leased = {}
    for row in await driver.fetch(query, list(wanted)):
        leased.setdefault(row[0], []).append((row[1], row[2]))
    return leased


def use_budget(writes: "Writes", leased: Leased, used: Mapping[UUID, int]) -> None:
    """Take out of leased slices what was awarded; a CHECK stands behind it."""
    rows = []
    for campaign_id, points in used.items():
        missing = points
        for number, left in leased.get(campaign_id, ()):
            if part := min(left, missing):
                rows.append((campaign_id, number, part))
                missing -= part
        if missing:
            raise ValueError("more was awarded than leased")
    if rows:
        writes.add(
            """
            UPDATE campaign_slices s SET points_left = s.points_left - u.points
            FROM unnest($1::uuid[], $2::smallint[], $3::bigint[]) AS u (campaign, slice, points)
            WHERE s.campaign_id = u.campaign AND s.slice = u.slice
            """,
            *columns(rows),
        )


async def return_budget(driver: "asyncpg.Connection", campaign_id: UUID, act: UUID, points: int) -> None:
    """Give back to a slice what the award of an act that was reversed had taken."""
    await driver.execute(
        "UPDATE campaign_slices SET points_left = points_left + $3 WHERE campaign_id = $1 AND slice = $2",
        campaign_id,
        act.int % SLICES,
        points,
    )


async def read_progress(driver: "asyncpg.Connection", places: Sequence[Place]) -> dict[Place, Standing]:
    """How far locked holders have come."""
    rows = await driver.fetch(
        """
        SELECT p.holder_id, p.campaign_id, p.acts, p.streak, p.last_day, p.awarded, p.day, p.awarded_on_day
        FROM campaign_progress p WHERE p.holder_id = ANY($1::uuid[]) AND p.campaign_id = ANY($2::uuid[])
        """,
        list({holder for holder, _ in places}),
        list({campaign for _, campaign in places}),
    )
    return {(row[0], row[1]): Standing(*row[2:]) for row in rows}


def write_progress(writes: "Writes", standings: Mapping[Place, Standing]) -> None:
    """Store how far locked holders have come now."""
    if not standings:
        return
    writes.add(
        """
        INSERT INTO campaign_progress
            (holder_id, campaign_id, acts, streak, last_day, awarded, day, awarded_on_day)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::int[], $5::date[], $6::bigint[], $7::date[],
                             $8::bigint[])
        ON CONFLICT (holder_id, campaign_id) DO UPDATE SET acts = excluded.acts, streak = excluded.streak,
            last_day = excluded.last_day, awarded = excluded.awarded, day = excluded.day,
            awarded_on_day = excluded.awarded_on_day
        """,
        *columns(
            [
                (*place, s.acts, s.streak, s.last_day, s.awarded, s.day, s.awarded_on_day)
                for place, s in standings.items()
            ]
        ),
    )


async def return_progress(
    driver: "asyncpg.Connection", holder_id: UUID, campaign_id: UUID, points: int
) -> None:
    """Give a locked holder's cap in all its headroom back. What was got on a day stays got, and acts counted."""
    await driver.execute(
        "UPDATE campaign_progress SET awarded = awarded - $3 WHERE holder_id = $1 AND campaign_id = $2",
        holder_id,
        campaign_id,
        points,
    )


def write_awards(writes: "Writes", rows: Sequence[AwardRow]) -> None:
    """Append what acts were awarded."""
    if rows:
        writes.add(
            """
            INSERT INTO campaign_awards (holder_id, activity_id, campaign_id, asset_id, expires_on, points)
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::date[], $6::bigint[])
            """,
            *columns(rows),
        )


async def read_awards(
    driver: "asyncpg.Connection", holder_id: UUID, activity_id: UUID
) -> list["asyncpg.Record"]:
    """What an act was awarded: campaign_id, asset_id, expires_on, points."""
    return list(
        await driver.fetch(
            """
            SELECT campaign_id, asset_id, expires_on, points FROM campaign_awards
            WHERE holder_id = $1 AND activity_id = $2 ORDER BY campaign_id
            """,
            holder_id,
            activity_id,
        )
    )
