"""Computes revisions in shadow beside the texts that count, on what comes in. Nothing here is ever credited."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import lowest_uuid7
from app.auth.principal import prefix
from app.crediting.prepare import place_and_time
from app.database import driver_of
from app.versions.models import Revision
from app.versions.shadow_models import ShadowDay, ShadowProgress
from dedup.periods import day_of
from methodologies import Methodology, Refused, rebuild

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

LAG = datetime.timedelta(minutes=3)
"""Ids carry the moment of booking, and commit somewhat later: a batch takes well under a second. One that took longer
than this would be left out of the comparison, which credits nothing."""
PAGE = 5_000
MOST = 50_000
"""Activities of one revision in one run; what is left waits for the next."""


@dataclass(slots=True)
class _Sums:
    activities: int = 0
    refused: int = 0
    active_mg: int = 0
    shadow_mg: int = 0


async def compare_shadows(session: AsyncSession, now: datetime.datetime) -> None:
    """Take every revision in shadow further, from its submission on."""
    revisions = await session.exec(
        select(Revision)
        .where(
            col(Revision.submitted_at).is_not(None),
            col(Revision.approved_at).is_(None),
            col(Revision.retired_at).is_(None),
        )
        .order_by(col(Revision.id))
    )
    for revision in revisions.all():
        await _compare(session, revision, now)


async def _compare(session: AsyncSession, revision: Revision, now: datetime.datetime) -> None:
    progress = await _progress(session, revision)
    methodology = rebuild(revision.content)
    until = lowest_uuid7(now - LAG)
    driver = await driver_of(session)
    days: dict[tuple[str, datetime.date], _Sums] = {}
    for _ in range(MOST // PAGE):
        rows = await _page(driver, revision, progress.through_id, until)
        _add(rows, methodology, days)
        if rows:
            progress.through_id = rows[-1]["id"]
        if len(rows) < PAGE:
            break
    session.add(progress)
    await session.flush()
    await _keep(driver, revision.id, days)


async def _progress(session: AsyncSession, revision: Revision) -> ShadowProgress:
    """How far it came. A text that was changed and submitted again begins anew."""
    content_hash, submitted_at = revision.content_hash, revision.submitted_at
    if content_hash is None or submitted_at is None:
        raise ValueError("a revision in shadow has a hash and a moment")
    progress = await session.get(ShadowProgress, revision.id)
    if progress is None:
        return ShadowProgress(
            revision_id=revision.id, content_hash=content_hash, through_id=lowest_uuid7(submitted_at)
        )
    if progress.content_hash != content_hash:
        await session.exec(delete(ShadowDay).where(col(ShadowDay.revision_id) == revision.id))
        progress.content_hash, progress.through_id = content_hash, lowest_uuid7(submitted_at)
    return progress


async def _page(
    driver: "asyncpg.Connection", revision: Revision, after: UUID, until: UUID
) -> "Sequence[asyncpg.Record]":
    rows: Sequence[asyncpg.Record] = await driver.fetch(
        f"""
        SELECT id, region, extract(epoch FROM started_at)::bigint AS started_s, evidence,
               inputs::text AS inputs, full_mg
        FROM activities
        WHERE id > $1 AND id < $2 AND scene = $3 AND starts_with(region, $4)
          AND outcome IN ('credited', 'capped', 'pending') AND reversed_at IS NULL
        ORDER BY id LIMIT {PAGE}
        """,
        after,
        until,
        revision.scene,
        prefix(revision.region),
    )
    return rows


def _add(
    rows: "Sequence[asyncpg.Record]",
    methodology: Methodology,
    days: dict[tuple[str, datetime.date], _Sums],
) -> None:
    for row in rows:
        day = day_of(row["started_s"])
        sums = days.setdefault((row["region"], day), _Sums())
        sums.activities += 1
        sums.active_mg += row["full_mg"]
        try:
            act = orjson.loads(row["inputs"]) | place_and_time(methodology.context, row["region"], day)
            quantified = methodology.quantify(act)
        except Refused:
            sums.refused += 1
        else:
            sums.shadow_mg += methodology.share(quantified, row["evidence"])


async def _keep(
    driver: "asyncpg.Connection", revision_id: UUID, days: dict[tuple[str, datetime.date], _Sums]
) -> None:
    if days:
        await driver.execute(
            """
            INSERT INTO shadow_days AS d (revision_id, region, day, activities, refused, active_mg, shadow_mg)
            SELECT $1, * FROM unnest($2::varchar[], $3::date[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
            ON CONFLICT (revision_id, region, day) DO UPDATE SET
                activities = d.activities + excluded.activities, refused = d.refused + excluded.refused,
                active_mg = d.active_mg + excluded.active_mg, shadow_mg = d.shadow_mg + excluded.shadow_mg
            """,
            revision_id,
            [region for region, _ in days],
            [day for _, day in days],
            [sums.activities for sums in days.values()],
            [sums.refused for sums in days.values()],
            [sums.active_mg for sums in days.values()],
            [sums.shadow_mg for sums in days.values()],
        )


async def shadow_days(session: AsyncSession, revision_id: UUID, limit: int) -> list[ShadowDay]:
    """What was compared, the latest days first."""
    rows = await session.exec(
        select(ShadowDay)
        .where(col(ShadowDay.revision_id) == revision_id)
        .order_by(col(ShadowDay.day).desc(), col(ShadowDay.region))
        .limit(limit)
    )
    return list(rows.all())
