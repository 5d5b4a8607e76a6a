"""SQL of revisions, closures and exclusions."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import ColumnElement, and_, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import lowest_uuid7
from app.auth.principal import prefix
from app.crediting.models import MethodologyVersion
from app.crediting.rules import ExcludedDays
from app.versions.models import Closure, Exclusion, Revision, State
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

DAY = datetime.timedelta(days=1)
LATEST = datetime.datetime(2300, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Versions:
    """What operators decided, as one look at the database found it."""

    revisions: tuple[tuple[str, datetime.datetime], ...] = ()
    """(content hash, moment from which it counts), by moment."""
    ends: tuple[tuple[tuple[str, str, str], datetime.date], ...] = ()
    """((region, code, version), last day in force), the earliest of each."""
    exclusions: tuple[ExcludedDays, ...] = ()


def midnight(day: datetime.date) -> datetime.datetime:
    """The moment at which a local day begins."""
    return datetime.datetime.combine(day, datetime.time(), LOCAL)


async def read_versions(driver: "asyncpg.Connection") -> "Versions":
    """What counts or is going to, in three small look-ups."""
    revisions = await driver.fetch(
        """
        SELECT content_hash, activates_at FROM methodology_revisions WHERE activates_at IS NOT NULL
        ORDER BY activates_at, content_hash
        """
    )
    ends = await driver.fetch(
        """
        SELECT region, code, version, min(last_day) FROM methodology_closures
        GROUP BY region, code, version ORDER BY region, code, version
        """
    )
    exclusions = await driver.fetch(
        "SELECT region, scene, first_day, last_day FROM methodology_exclusions ORDER BY id"
    )
    return Versions(
        tuple((row[0], row[1]) for row in revisions),
        tuple(((row[0], row[1], row[2]), row[3]) for row in ends),
        tuple(ExcludedDays(*row) for row in exclusions),
    )


async def read_contents(driver: "asyncpg.Connection", hashes: "Sequence[str]") -> list[str]:
    """The canonical texts of activated revisions, by hash."""
    if not hashes:
        return []
    rows = await driver.fetch(
        """
        SELECT content FROM methodology_revisions WHERE activates_at IS NOT NULL AND content_hash = ANY($1::varchar[])
        """,
        hashes,
    )
    return [row[0] for row in rows]


async def lock_scene(session: AsyncSession, scene: str) -> None:
    """One decision about a scene at a time: city, province and nation answer for each other's days."""
    await session.exec(text("SET LOCAL lock_timeout = '5s'"))  # type: ignore[call-overload]
    await session.exec(  # type: ignore[call-overload]
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))").bindparams(
            key=f"tanpuhui methodologies of {scene}"
        )
    )


async def find(session: AsyncSession, revision_id: UUID, *, lock: bool = False) -> Revision | None:
    """A revision, locked where it is going to change."""
    query = select(Revision).where(col(Revision.id) == revision_id)
    return (
        await session.exec(
            query.with_for_update().execution_options(populate_existing=True) if lock else query
        )
    ).first()


async def named(session: AsyncSession, region: str, code: str, version: str) -> Revision | None:
    """A revision by its name."""
    rows = await session.exec(
        select(Revision).where(
            col(Revision.region) == region, col(Revision.code) == code, col(Revision.version) == version
        )
    )
    return rows.first()


async def is_taken(session: AsyncSession, region: str, code: str, version: str) -> bool:
    """Whether a revision or a text that was ever loaded has this name."""
    for model in (Revision, MethodologyVersion):
        found = await session.exec(
            select(col(model.id))
            .where(col(model.region) == region, col(model.code) == code, col(model.version) == version)
            .limit(1)
        )
        if found.first() is not None:
            return True
    return False


def _in_state(state: State, now: datetime.datetime) -> ColumnElement[bool]:
    retired, approved = col(Revision.retired_at), col(Revision.approved_at)
    submitted, activates = col(Revision.submitted_at), col(Revision.activates_at)
    return {
        State.RETIRED: retired.is_not(None),
        State.ACTIVE: and_(retired.is_(None), activates <= now),
        State.APPROVED: and_(
            retired.is_(None), approved.is_not(None), (activates.is_(None)) | (activates > now)
        ),
        State.SHADOW: and_(retired.is_(None), approved.is_(None), submitted.is_not(None)),
        State.DRAFT: and_(retired.is_(None), submitted.is_(None)),
    }[state]


async def page(
    session: AsyncSession,
    within: str,
    now: datetime.datetime,
    *,
    region: str | None,
    scene: str | None,
    state: State | None,
    before: UUID | None,
    limit: int,
) -> list[Revision]:
    """Revisions of the caller's region and below, the newest first."""
    query = select(Revision).where(col(Revision.region).startswith(prefix(within)))
    if region is not None:
        query = query.where(col(Revision.region) == region)
    if scene is not None:
        query = query.where(col(Revision.scene) == scene)
    if state is not None:
        query = query.where(_in_state(state, now))
    if before is not None:
        query = query.where(col(Revision.id) < before)
    return list((await session.exec(query.order_by(col(Revision.id).desc()).limit(limit))).all())


async def of_place(session: AsyncSession, region: str, scene: str) -> list[Revision]:
    """Revisions of one region and scene that are approved, or were."""
    rows = await session.exec(
        select(Revision)
        .where(
            col(Revision.region) == region,
            col(Revision.scene) == scene,
            col(Revision.approved_at).is_not(None),
        )
        .order_by(col(Revision.first_day), col(Revision.id))
    )
    return list(rows.all())


async def ends_of(session: AsyncSession, scene: str) -> dict[tuple[str, str, str], datetime.date]:
    """(region, code, version) → the earliest last day that was decided after the text."""
    ends: dict[tuple[str, str, str], datetime.date] = {}
    for closure in (await session.exec(select(Closure).where(col(Closure.scene) == scene))).all():
        key = (closure.region, closure.code, closure.version)
        ends[key] = min(closure.last_day, ends.get(key, closure.last_day))
    return ends


async def find_exclusion(session: AsyncSession, exclusion_id: UUID) -> Exclusion | None:
    """An exclusion, locked."""
    rows = await session.exec(select(Exclusion).where(col(Exclusion.id) == exclusion_id).with_for_update())
    return rows.first()


async def exclusions(
    session: AsyncSession, within: str, before: UUID | None, limit: int, *, scene: str | None = None
) -> list[Exclusion]:
    """Exclusions of the caller's region and below, the newest first."""
    query = select(Exclusion).where(col(Exclusion.region).startswith(prefix(within)))
    if scene is not None:
        query = query.where(col(Exclusion.scene) == scene)
    if before is not None:
        query = query.where(col(Exclusion.id) < before)
    return list((await session.exec(query.order_by(col(Exclusion.id).desc()).limit(limit))).all())


async def credited_days(
    session: AsyncSession,
    region: str,
    scene: str,
    first_day: datetime.date,
    last_day: datetime.date | None,
    displaced: "Sequence[str]",
) -> tuple[int, datetime.date, datetime.date] | None:
    """Credits of a region's acts of these days under texts of the `displaced` regions: number, first and last day.

    An act is never booked before it begins but for some minutes, so only the months since the first day are read.
    """
    row = (
        await session.exec(  # type: ignore[call-overload]
            text(
                """
                SELECT count(*), min(a.started_at), max(a.started_at) FROM activities a
                JOIN methodology_versions m ON m.id = a.methodology_id AND m.region = ANY(:displaced)
                WHERE a.id >= :oldest AND a.scene = :scene AND a.region LIKE :region
                  AND a.started_at >= :starts AND a.started_at < :ends
                  AND a.outcome IN ('credited', 'capped') AND a.reversed_at IS NULL
                """
            ).bindparams(
                displaced=list(displaced),
                oldest=lowest_uuid7(midnight(first_day) - DAY),
                scene=scene,
                region=prefix(region) + "%",
                starts=midnight(first_day),
                ends=LATEST if last_day is None else midnight(last_day) + DAY,
            )
        )
    ).one()
    if not row[0]:
        return None
    return row[0], row[1].astimezone(LOCAL).date(), row[2].astimezone(LOCAL).date()
