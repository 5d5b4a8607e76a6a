"""SQL of recalculations. Statements on activities bound their ids: an act is booked after its day, but for minutes."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import and_, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import lowest_uuid7
from app.auth.principal import prefix
from app.recalculation.models import Recalculation, State
from app.versions.repository import DAY, LATEST, midnight
from dedup.writes import Writes, columns

if TYPE_CHECKING:
    import asyncpg

    from app.recalculation.recompute import Change

LEFT = """
    id >= $1 AND scene = $2 AND starts_with(region, $3) AND started_at >= $4 AND started_at < $5
    AND methodology_id <> $6 AND reversed_at IS NULL
    AND (reason IS NULL OR reason NOT IN ('held_for_review', 'rejected_in_review'))
    AND (outcome IN ('credited', 'capped', 'pending') OR outcome = 'rejected' AND claim_tokens <> '')
"""
"""Acts of a text's days that are not computed by it, but for those that a review holds or refused.

Any other rejected one that holds claims lost its credit to an earlier recalculation.
"""


@dataclass(frozen=True)
class Wanted:
    """Which acts a corrected text may concern; `methodology_id` is what is done already, 0 where nothing can be."""

    region: str
    scene: str
    first_day: datetime.date
    last_day: datetime.date | None
    methodology_id: int

    @property
    def oldest(self) -> UUID:
        """Below every id of their bookings."""
        return lowest_uuid7(midnight(self.first_day) - DAY)

    def arguments(self) -> tuple[Any, ...]:
        """Of `LEFT`."""
        return (
            self.oldest,
            self.scene,
            prefix(self.region),
            midnight(self.first_day),
            LATEST if self.last_day is None else midnight(self.last_day) + DAY,
            self.methodology_id,
        )


async def find(session: AsyncSession, recalculation_id: UUID, *, lock: bool = False) -> Recalculation | None:
    """A recalculation, locked where it is going to change."""
    query = select(Recalculation).where(col(Recalculation.id) == recalculation_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return (await session.exec(query)).first()


async def is_open(session: AsyncSession, revision_id: UUID) -> bool:
    """Whether a version has a recalculation that is not over."""
    rows = await session.exec(
        select(col(Recalculation.id))
        .where(col(Recalculation.revision_id) == revision_id, col(Recalculation.ended_at).is_(None))
        .limit(1)
    )
    return rows.first() is not None


async def page(session: AsyncSession, within: str, before: UUID | None, limit: int) -> list[Recalculation]:
    """Recalculations of the caller's region and below, the newest first."""
    query = select(Recalculation).where(col(Recalculation.region).startswith(prefix(within)))
    if before is not None:
        query = query.where(col(Recalculation.id) < before)
    return list((await session.exec(query.order_by(col(Recalculation.id).desc()).limit(limit))).all())


async def take_next(session: AsyncSession, now: datetime.datetime) -> Recalculation | None:
    """The first that has work to do and that no other process works at."""
    rows = await session.exec(
        select(Recalculation)
        .where(
            or_(
                col(Recalculation.state) == State.PREVIEWING,
                and_(
                    col(Recalculation.state).in_((State.APPROVED, State.RUNNING)),
                    col(Recalculation.runs_from) <= now,
                ),
            )
        )
        .order_by(col(Recalculation.id))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return rows.first()


async def left_of_range(
    driver: "asyncpg.Connection", wanted: Wanted, after: UUID, last: UUID
) -> list[tuple[UUID, str, int]]:
    """(holder, region, start in epoch seconds) of acts that are left, of holders after one up to another."""
    rows = await driver.fetch(
        f"""
        SELECT holder_id, region, extract(epoch FROM started_at)::bigint FROM activities
        WHERE holder_id > $7 AND holder_id <= $8 AND {LEFT} ORDER BY holder_id
        """,
        *wanted.arguments(),
        after,
        last,
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def left_of_holders(
    driver: "asyncpg.Connection", wanted: Wanted, holder_ids: Sequence[UUID]
) -> "list[asyncpg.Record]":
    """Acts that are left, in the order of their booking."""
    return list(
        await driver.fetch(
            f"""
            SELECT holder_id, id, source_id, scene, region, started_at,
                extract(epoch FROM started_at)::bigint AS started_s, evidence, inputs::text AS inputs, outcome, reason,
                methodology_id, co2e_mg, aggregated_mg, full_mg, points
            FROM activities WHERE holder_id = ANY($7::uuid[]) AND {LEFT} ORDER BY id
            """,
            *wanted.arguments(),
            holder_ids,
        )
    )


async def former(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID]
) -> dict[UUID, tuple[datetime.datetime, str | None]]:
    """Activity → when it was first recalculated, and its last outcome before one that took its credit."""
    rows = await driver.fetch(
        """
        SELECT activity_id, min(at),
            (array_agg(before_outcome ORDER BY at DESC) FILTER (WHERE before_outcome <> 'rejected'))[1]
        FROM recalculated_activities WHERE holder_id = ANY($1::uuid[]) GROUP BY activity_id
        """,
        holder_ids,
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def write_history(
    driver: "asyncpg.Connection",
    recalculation_id: UUID,
    methodology_id: int,
    changes: "Sequence[Change]",
    now: datetime.datetime,
) -> None:
    """Tell what changes: before it does, a trigger wants it. The key lets a recalculation change an act once."""
    await driver.execute(
        """
        INSERT INTO recalculated_activities (recalculation_id, at, after_methodology_id, holder_id, activity_id,
            before_methodology_id, before_outcome, before_reason, before_mg, before_full_mg, before_points,
            after_outcome, after_reason, after_mg, after_full_mg, after_points, before_aggregated_mg,
            after_aggregated_mg)
        SELECT $1, $2::timestamptz, $3::int, r.* FROM unnest($4::uuid[], $5::uuid[], $6::int[], $7::varchar[],
            $8::varchar[], $9::bigint[], $10::bigint[], $11::bigint[], $12::varchar[], $13::varchar[], $14::bigint[],
            $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[]) AS r
        """,
        recalculation_id,
        now,
        methodology_id,
        *columns(
            [
                (
                    each.act.holder_id,
                    each.act.id,
                    each.act.methodology_id,
                    each.act.outcome.value,
                    each.act.reason,
                    each.act.co2e_mg,
                    each.act.full_mg,
                    each.act.points,
                    each.outcome.value,
                    each.reason,
                    each.co2e_mg,
                    each.full_mg,
                    each.points,
                    each.act.aggregated_mg,
                    each.aggregated_mg,
                )
                for each in changes
            ]
        ),
    )


ActivityChange = tuple[UUID, UUID, str, str, str | None, int, int, int, int]
"""(holder, id, inputs as JSON text, outcome, reason, the person's mg, quantified mg, points, the platform's mg)."""


def write_activities(writes: Writes, methodology_id: int, rows: Sequence[ActivityChange]) -> None:
    """Store the state of recalculated activities."""
    ids = [row[1] for row in rows]
    writes.add(
        """
        UPDATE activities a SET methodology_id = $1::int, inputs = n.inputs::jsonb, outcome = n.outcome,
            reason = n.reason, co2e_mg = n.credited, full_mg = n.quantified, points = n.points,
            aggregated_mg = n.aggregated
        FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::varchar[], $8::varchar[], $9::bigint[], $10::bigint[],
                    $11::bigint[], $12::bigint[])
            AS n (holder, id, inputs, outcome, reason, credited, quantified, points, aggregated)
        WHERE a.holder_id = n.holder AND a.id = n.id AND a.id >= $2::uuid AND a.id <= $3::uuid
        """,
        methodology_id,
        min(ids),
        max(ids),
        *columns(rows),
    )


async def read_texts(
    driver: "asyncpg.Connection", methodology_ids: Sequence[int]
) -> dict[int, tuple[str, str]]:
    """Id → (content hash, content) of stored texts."""
    rows = await driver.fetch(
        "SELECT id, content_hash, content FROM methodology_versions WHERE id = ANY($1::int[])",
        methodology_ids,
    )
    return {row[0]: (row[1], row[2]) for row in rows}
