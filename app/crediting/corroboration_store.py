"""SQL of corroborations after the intake. The holder whose rows they are is locked wherever one is changed."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlmodel import col, or_, select

from app.crediting.corroboration import Corroboration

if TYPE_CHECKING:
    import asyncpg
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.crediting.models import Activity


async def standing_behind(session: "AsyncSession", winner: "Activity") -> Sequence[Corroboration]:
    """What stands behind a credit, in order of arrival."""
    query = select(Corroboration).where(
        col(Corroboration.holder_id) == winner.holder_id,
        col(Corroboration.winner_id) == winner.id,
        col(Corroboration.ended_at).is_(None),
    )
    return (await session.exec(query.order_by(col(Corroboration.activity_id)))).all()


async def about(session: "AsyncSession", activity: "Activity") -> Sequence[Corroboration]:
    """All that was ever kept of an activity as a credit, or as a report that stands behind one."""
    query = select(Corroboration).where(
        col(Corroboration.holder_id) == activity.holder_id,
        or_(col(Corroboration.winner_id) == activity.id, col(Corroboration.activity_id) == activity.id),
    )
    return (await session.exec(query.order_by(col(Corroboration.at), col(Corroboration.activity_id)))).all()


async def winner_of(driver: "asyncpg.Connection", holder_id: UUID, activity_id: UUID) -> UUID | None:
    """The credit that a report stands behind now; of several the first one."""
    found: UUID | None = await driver.fetchval(
        """
        SELECT winner_id FROM corroborations WHERE holder_id = $1 AND activity_id = $2 AND ended_at IS NULL
        ORDER BY at, winner_id LIMIT 1
        """,
        holder_id,
        activity_id,
    )
    return found


async def end_behind(
    driver: "asyncpg.Connection",
    winner: "Activity",
    ended: str,
    now: datetime.datetime,
    only: Sequence[UUID] | None = None,
) -> int:
    """End what stands behind a credit, or only these reports of it; answers how many."""
    rows = await driver.fetch(
        """
        UPDATE corroborations SET ended_at = $4, ended = $3
        WHERE holder_id = $1 AND winner_id = $2 AND ended_at IS NULL AND ($5::uuid[] IS NULL OR activity_id = ANY($5))
        RETURNING activity_id
        """,
        winner.holder_id,
        winner.id,
        ended,
        now,
        None if only is None else list(only),
    )
    return len(rows)


async def end_of(
    driver: "asyncpg.Connection",
    gets: "Activity",
    had_id: UUID | None,
    ended: str,
    now: datetime.datetime,
) -> None:
    """End a report's own, behind whatever it stands, since it has a credit itself: `ended` tells of the one it had."""
    await driver.execute(
        """
        UPDATE corroborations
        SET ended_at = $4, ended = CASE WHEN winner_id = $5 THEN $3 ELSE 'moved_away' END
        WHERE holder_id = $1 AND activity_id = $2 AND ended_at IS NULL
        """,
        gets.holder_id,
        gets.id,
        ended,
        now,
        had_id,
    )


async def pass_on(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    winner_id: UUID,
    follower: tuple[UUID, UUID],
    now: datetime.datetime,
    only: Sequence[UUID] | None = None,
) -> None:
    """What stood behind one credit stands behind another of the act, `follower` as (activity, source).

    What the follower's own source reported is a repeat of it from now on.
    """
    await driver.execute(
        """
        WITH gone AS (
            UPDATE corroborations
            SET ended_at = $5, ended = CASE WHEN source_id = $4 THEN 'own_repeat' ELSE 'passed_on' END
            WHERE holder_id = $1 AND winner_id = $2 AND ended_at IS NULL AND activity_id <> $3
              AND ($6::uuid[] IS NULL OR activity_id = ANY($6))
            RETURNING holder_id, activity_id, source_id, evidence, rule)
        INSERT INTO corroborations (holder_id, winner_id, activity_id, source_id, evidence, rule, at)
        SELECT holder_id, $3, activity_id, source_id, evidence, rule, $5 FROM gone WHERE source_id <> $4
        ON CONFLICT DO NOTHING
        """,
        holder_id,
        winner_id,
        *follower,
        now,
        None if only is None else list(only),
    )


async def hand_over(
    driver: "asyncpg.Connection",
    had: "Activity | None",
    gets: "Activity",
    ended: str,
    now: datetime.datetime,
) -> None:
    """Follow a credit that went from one report to another: `ended` is what became of the other as a corroboration.

    Where it was one of the report that had the credit, both are of one act: that report and all that stood behind it
    stand behind the other now. Otherwise the credit is another act's, and what stood behind it has lost it.
    """
    rule = None
    if had is not None and had.holder_id == gets.holder_id:
        rule = await driver.fetchval(
            """
            SELECT rule FROM corroborations
            WHERE holder_id = $1 AND winner_id = $2 AND activity_id = $3 AND ended_at IS NULL
            """,
            had.holder_id,
            had.id,
            gets.id,
        )
    await end_of(driver, gets, None if had is None else had.id, ended, now)
    if had is None:
        return
    if rule is None:
        await end_behind(driver, had, "moved_away", now)
        return
    await pass_on(driver, had.holder_id, had.id, (gets.id, gets.source_id), now)
    if had.source_id != gets.source_id:
        await driver.execute(
            """
            INSERT INTO corroborations (holder_id, winner_id, activity_id, source_id, evidence, rule, at)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
            """,
            *(had.holder_id, gets.id, had.id, had.source_id, had.evidence, rule, now),
        )
