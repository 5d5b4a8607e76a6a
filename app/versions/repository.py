"""SQL of revisions, closures, exclusions and adoptions."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import lowest_uuid7
from app.auth.principal import prefix
from app.clocks.repository import Measured, read_clocks
from app.crediting.models import MethodologyVersion
from app.crediting.rules import ExcludedDays
from app.programmes.repository import Approved, read_approved
from app.versions.models import Adoption, Closure, Revision, SceneDays, State
from dedup.periods import LOCAL
from methodologies import Adoption as AdoptedDays

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

DAY = datetime.timedelta(days=1)
LATEST = datetime.datetime(2300, 1, 1, tzinfo=datetime.UTC)
COUNTING_CLOSURES = """
    SELECT region, scene, code, version, last_day, cause, revision_id, counts_from FROM methodology_closures c
    WHERE c.cause <> 'succession' OR NOT EXISTS (
        SELECT FROM methodology_closures x WHERE x.revision_id = c.revision_id AND x.cause = 'cancellation')
"""
"""SQL: closures that count. What a version closed that never came to count does not."""


@dataclass(frozen=True)
class Versions:
    """What operators decided, as one look at the database found it."""

    revisions: tuple[tuple[str, datetime.datetime], ...] = ()
    """(content hash, moment from which it counts), by moment."""
    ends: tuple[tuple[tuple[str, str, str], datetime.date, datetime.datetime | None], ...] = ()
    """((region, code, version), last day in force, moment from which that counts: at once where None)."""
    exclusions: tuple[ExcludedDays, ...] = ()
    adoptions: tuple[AdoptedDays, ...] = ()
    points: tuple[Approved, ...] = ()
    """Programmes and campaigns, which tell by themselves from when on they count."""
    clocks: tuple[Measured, ...] = ()
    """How far the clocks of two sources are apart; counts as soon as it is known."""

    def ends_at(self, moment: datetime.datetime) -> dict[tuple[str, str, str], datetime.date]:
        """(region, code, version) → the earliest last day of those that count at a moment."""
        found: dict[tuple[str, str, str], datetime.date] = {}
        for key, last_day, counts_from in self.ends:
            if counts_from is None or counts_from <= moment:
                found[key] = min(last_day, found.get(key, last_day))
        return found


def midnight(day: datetime.date) -> datetime.datetime:
    """The moment at which a local day begins."""
    return datetime.datetime.combine(day, datetime.time(), LOCAL)


async def read_versions(driver: "asyncpg.Connection") -> "Versions":
    """What counts or is going to, in a few small look-ups."""
    revisions = await driver.fetch(
        """
        SELECT content_hash, activates_at FROM methodology_revisions r
        WHERE activates_at IS NOT NULL AND NOT EXISTS (
            SELECT FROM methodology_closures x WHERE x.revision_id = r.id AND x.cause = 'cancellation')
        ORDER BY activates_at, content_hash
        """
    )
    ends = await driver.fetch(
        f"""
        SELECT region, code, version, min(last_day), counts_from FROM ({COUNTING_CLOSURES}) c
        GROUP BY region, code, version, counts_from ORDER BY region, code, version, counts_from
        """
    )
    exclusions, adoptions = [
        await driver.fetch(
            f"""
            SELECT region, scene, first_day, last_day FROM {table}
            WHERE approved_at IS NOT NULL AND withdrawn_at IS NULL ORDER BY id
            """
        )
        for table in ("methodology_exclusions", "methodology_adoptions")
    ]
    return Versions(
        tuple((row[0], row[1]) for row in revisions),
        tuple(((row[0], row[1], row[2]), row[3], row[4]) for row in ends),
        tuple(ExcludedDays(*row) for row in exclusions),
        tuple(AdoptedDays(*row) for row in adoptions),
        points=await read_approved(driver),
        clocks=await read_clocks(driver),
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


async def called(session: AsyncSession, code: str, version: str) -> list[Revision]:
    """Revisions of a code and version, one a region at most."""
    rows = await session.exec(
        select(Revision)
        .where(col(Revision.code) == code, col(Revision.version) == version)
        .order_by(col(Revision.region))
    )
    return list(rows.all())


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
    rows = await session.exec(  # type: ignore[call-overload]
        text(
            f"""
            SELECT region, code, version, min(last_day) FROM ({COUNTING_CLOSURES}) c
            WHERE scene = :scene GROUP BY region, code, version
            """
        ).bindparams(scene=scene)
    )
    return {(row[0], row[1], row[2]): row[3] for row in rows}


async def closed_by(session: AsyncSession, revision_id: UUID) -> list[Closure]:
    """What a version's succession closed."""
    rows = await session.exec(
        select(Closure)
        .where(col(Closure.revision_id) == revision_id, col(Closure.cause) == "succession")
        .order_by(col(Closure.id))
    )
    return list(rows.all())


async def is_recalculating(session: AsyncSession, revision_id: UUID) -> bool:
    """Whether a version was activated by the approval of a recalculation."""
    row = await session.exec(  # type: ignore[call-overload]
        text(
            "SELECT EXISTS (SELECT FROM recalculations WHERE revision_id = :id AND approved_at IS NOT NULL)"
        ).bindparams(id=revision_id)
    )
    return bool(row.one()[0])


def _cancelled(scene: str) -> Any:
    return select(Closure.revision_id).where(
        col(Closure.scene) == scene, col(Closure.cause) == "cancellation"
    )


async def next_activated(
    session: AsyncSession, region: str, scene: str, after: datetime.date
) -> Revision | None:
    """The activated version of a region and scene that begins first after a day, unless it was cancelled."""
    rows = await session.exec(
        select(Revision)
        .where(
            col(Revision.region) == region,
            col(Revision.scene) == scene,
            col(Revision.activates_at).is_not(None),
            col(Revision.first_day) > after,
            col(Revision.id).not_in(_cancelled(scene)),
        )
        .order_by(col(Revision.first_day))
        .limit(1)
    )
    return rows.first()


async def scheduled(session: AsyncSession, scene: str, after: datetime.datetime) -> list[Revision]:
    """Versions of a scene, in any region, that count from a moment after this one, but for cancelled ones."""
    rows = await session.exec(
        select(Revision)
        .where(
            col(Revision.scene) == scene,
            col(Revision.activates_at) > after,
            col(Revision.id).not_in(_cancelled(scene)),
        )
        .order_by(col(Revision.activates_at), col(Revision.id))
    )
    return list(rows.all())


async def find_days(
    session: AsyncSession, model: type[SceneDays], id_: UUID, *, lock: bool = False
) -> SceneDays | None:
    """An exclusion or an adoption, locked where it is going to change."""
    query = select(model).where(col(model.id) == id_)
    return (
        await session.exec(
            query.with_for_update().execution_options(populate_existing=True) if lock else query
        )
    ).first()


async def days_page(
    session: AsyncSession,
    model: type[SceneDays],
    within: str,
    before: UUID | None,
    limit: int,
    *,
    scene: str | None = None,
) -> list[SceneDays]:
    """Exclusions or adoptions of the caller's region and below, the newest first."""
    query = select(model).where(col(model.region).startswith(prefix(within)))
    if scene is not None:
        query = query.where(col(model.scene) == scene)
    if before is not None:
        query = query.where(col(model.id) < before)
    return list((await session.exec(query.order_by(col(model.id).desc()).limit(limit))).all())


async def adopted(session: AsyncSession, scene: str) -> list[Adoption]:
    """Adoptions of a scene that count or are going to."""
    rows = await session.exec(
        select(Adoption)
        .where(
            col(Adoption.scene) == scene,
            col(Adoption.approved_at).is_not(None),
            col(Adoption.withdrawn_at).is_(None),
        )
        .order_by(col(Adoption.first_day), col(Adoption.id))
    )
    return list(rows.all())


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
