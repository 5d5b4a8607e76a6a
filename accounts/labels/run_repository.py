"""SQL of yearly runs, labels, distributions and publications."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from accounts.labels.measures import Indicator

if TYPE_CHECKING:
    import asyncpg

RUN = (
    "id, region, year, rules_id, yearly, reason, created_at, created_by, position, assessed_at, decided_at,"
    " published_at, published_by, official"
)
ORDER = "ARRAY['unlabelled', 'red', 'yellow', 'light_green', 'dark_green']::varchar[]"


@dataclass(frozen=True, slots=True)
class Run:
    """A row of `label_runs`."""

    id: UUID
    region: str
    year: int
    rules_id: UUID
    yearly: bool
    reason: str
    created_at: datetime.datetime
    created_by: str
    position: UUID | None
    assessed_at: datetime.datetime | None
    decided_at: datetime.datetime | None
    published_at: datetime.datetime | None
    published_by: str | None
    official: bool | None


@dataclass(frozen=True, slots=True)
class Assessed:
    """An enterprise of a run with its facts, before it is decided."""

    holder_id: UUID
    domain: str
    industry: str | None
    cell: str | None
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided of one."""

    holder_id: UUID
    colour: str
    points: str | None
    views: Mapping[str, Any]
    reasons: Sequence[Any]


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


async def add_run(driver: "asyncpg.Connection", run: Run) -> bool:
    """Begin a run; false where the yearly one of the region and year is there."""
    found = await driver.fetchval(
        f"INSERT INTO label_runs ({RUN}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
        " ON CONFLICT (region, year) WHERE yearly DO NOTHING RETURNING id",
        *(getattr(run, name) for name in RUN.replace(" ", "").split(",")),
    )
    return found is not None


async def find_run(driver: "asyncpg.Connection", run_id: UUID, *, lock: bool = False) -> Run | None:
    """A run, locked where it is going to change."""
    row = await driver.fetchrow(
        f"SELECT {RUN} FROM label_runs WHERE id = $1" + (" FOR UPDATE" if lock else ""), run_id
    )
    return None if row is None else Run(*row)


async def take_run(driver: "asyncpg.Connection", run_id: UUID) -> Run | None:
    """An unfinished run, unless another process works at it."""
    row = await driver.fetchrow(
        f"SELECT {RUN} FROM label_runs WHERE id = $1 AND decided_at IS NULL FOR UPDATE SKIP LOCKED", run_id
    )
    return None if row is None else Run(*row)


async def open_runs(driver: "asyncpg.Connection") -> list[UUID]:
    """Unfinished runs, the oldest first."""
    rows = await driver.fetch("SELECT id FROM label_runs WHERE decided_at IS NULL ORDER BY id")
    return [row[0] for row in rows]


async def page_of_runs(
    driver: "asyncpg.Connection", prefix: str, before: UUID | None, limit: int
) -> list[Run]:
    """Runs of a region and its parts, the newest first."""
    rows = await driver.fetch(
        f"SELECT {RUN} FROM label_runs WHERE starts_with(region, $1) AND ($2::uuid IS NULL OR id < $2)"
        " ORDER BY id DESC LIMIT $3",
        prefix,
        before,
        limit,
    )
    return [Run(*row) for row in rows]


async def colours(driver: "asyncpg.Connection", run_ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    """Run → colour → how many."""
    rows = await driver.fetch(
        "SELECT run_id, colour, count(*) FROM enterprise_labels WHERE run_id = ANY($1::uuid[]) AND colour IS NOT NULL"
        " GROUP BY run_id, colour",
        run_ids,
    )
    found: dict[UUID, dict[str, int]] = {}
    for run_id, colour, number in rows:
        found.setdefault(run_id, {})[colour] = number
    return found


async def move(
    driver: "asyncpg.Connection",
    run_id: UUID,
    position: UUID | None,
    assessed_at: datetime.datetime | None,
    decided_at: datetime.datetime | None,
) -> None:
    """Keep how far a locked run has come."""
    await driver.execute(
        "UPDATE label_runs SET position = $2, assessed_at = $3, decided_at = $4 WHERE id = $1",
        run_id,
        position,
        assessed_at,
        decided_at,
    )


async def add_assessed(driver: "asyncpg.Connection", run: Run, rows: Sequence[Assessed]) -> None:
    """Keep the facts of a slice."""
    await driver.execute(
        """
        INSERT INTO enterprise_labels (holder_id, run_id, year, domain, industry, cell, facts)
        SELECT h, $2, $3, d, i, c, f::jsonb
        FROM unnest($1::uuid[], $4::varchar[], $5::varchar[], $6::varchar[], $7::varchar[]) AS r (h, d, i, c, f)
        """,
        [each.holder_id for each in rows],
        run.id,
        run.year,
        [each.domain for each in rows],
        [each.industry for each in rows],
        [each.cell for each in rows],
        [_json(each.facts) for each in rows],
    )


_ASSESSED = "holder_id, domain, industry, cell, facts::text"


def _assessed(row: "asyncpg.Record") -> Assessed:
    return Assessed(row[0], row[1], row[2], row[3], orjson.loads(row[4]))


async def next_cell(driver: "asyncpg.Connection", run_id: UUID) -> str | None:
    """A cell of a run whose distributions are not made."""
    found: str | None = await driver.fetchval(
        """
        SELECT l.cell FROM enterprise_labels l WHERE l.run_id = $1 AND l.cell IS NOT NULL AND NOT EXISTS
            (SELECT FROM label_distributions d WHERE d.run_id = $1 AND d.cell = l.cell)
        LIMIT 1
        """,
        run_id,
    )
    return found


async def of_cell(driver: "asyncpg.Connection", run_id: UUID, cell: str) -> list[Assessed]:
    """All enterprises of a cell."""
    rows = await driver.fetch(
        f"SELECT {_ASSESSED} FROM enterprise_labels WHERE run_id = $1 AND cell = $2 ORDER BY holder_id",
        run_id,
        cell,
    )
    return [_assessed(row) for row in rows]


async def assessed_after(
    driver: "asyncpg.Connection", run_id: UUID, after: UUID | None, limit: int
) -> list[Assessed]:
    """The next enterprises of a run, in order of their ids."""
    rows = await driver.fetch(
        f"SELECT {_ASSESSED} FROM enterprise_labels WHERE run_id = $1 AND ($2::uuid IS NULL OR holder_id > $2)"
        " ORDER BY holder_id LIMIT $3",
        run_id,
        after,
        limit,
    )
    return [_assessed(row) for row in rows]


@dataclass(frozen=True, slots=True)
class RunLabel:
    """A label of a run as operators see it."""

    holder_id: UUID
    domain: str
    industry: str | None
    colour: str
    points: str | None
    percentile: int | None
    reasons: Sequence[Any]


async def decided_after(
    driver: "asyncpg.Connection", run_id: UUID, after: UUID | None, limit: int
) -> list[RunLabel]:
    """The next labels of a run that are decided, in order of the enterprises' ids."""
    rows = await driver.fetch(
        "SELECT holder_id, domain, industry, colour, points, percentile, reasons::text FROM enterprise_labels"
        " WHERE run_id = $1 AND colour IS NOT NULL AND ($2::uuid IS NULL OR holder_id > $2)"
        " ORDER BY holder_id LIMIT $3",
        run_id,
        after,
        limit,
    )
    return [RunLabel(row[0], row[1], row[2], row[3], row[4], row[5], orjson.loads(row[6])) for row in rows]


async def lock_publications(driver: "asyncpg.Connection") -> None:
    """Wait for other publications, to the end of the transaction."""
    await driver.execute("SELECT pg_advisory_xact_lock(hashtextextended('tanpuhui label publications', 0))")


async def any_released(driver: "asyncpg.Connection", year: int, holder_ids: Sequence[UUID]) -> bool:
    """Whether one of them is in percentiles of the year that were told."""
    found: bool = await driver.fetchval(
        "SELECT EXISTS (SELECT FROM label_released_enterprises WHERE year = $1 AND holder_id = ANY($2::uuid[]))",
        year,
        holder_ids,
    )
    return found


async def add_distribution(
    driver: "asyncpg.Connection",
    run: Run,
    cell: str,
    indicator: Indicator,
    count: int,
    percentiles: Mapping[int, Fraction] | None,
    *,
    own: bool,
) -> None:
    """Keep what may be told of an indicator; `own` where it is this run's, and not one that was told before."""
    told = (
        None if percentiles is None else _json({str(key): str(value) for key, value in percentiles.items()})
    )
    await driver.execute(
        "INSERT INTO label_distributions (run_id, cell, indicator, year, enterprises, percentiles, own)"
        " VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7)",
        run.id,
        cell,
        indicator,
        run.year,
        count,
        told,
        own,
    )


async def distributions(
    driver: "asyncpg.Connection", run_id: UUID
) -> dict[str, dict[Indicator, Mapping[int, Fraction]]]:
    """Cell → indicator → percentiles of a run; what is withheld is not there."""
    rows = await driver.fetch(
        "SELECT cell, indicator, percentiles::text FROM label_distributions"
        " WHERE run_id = $1 AND percentiles IS NOT NULL",
        run_id,
    )
    found: dict[str, dict[Indicator, Mapping[int, Fraction]]] = {}
    for cell, indicator, percentiles in rows:
        found.setdefault(cell, {})[Indicator(indicator)] = _percentiles(percentiles)
    return found


@dataclass(frozen=True, slots=True)
class Told:
    """A distribution that was published."""

    year: int
    region: str
    indicator: Indicator
    enterprises: int
    percentiles: Mapping[int, Fraction] | None


async def told(
    driver: "asyncpg.Connection", cell: str, regions: Sequence[str], year: int, *, until: bool
) -> list[Told]:
    """What was told of a cell, the nearest region's: of this very year, or of the latest `until` it."""
    rows = await driver.fetch(
        """
        SELECT DISTINCT ON (d.indicator) d.year, r.region, d.indicator, d.enterprises, d.percentiles::text
        FROM label_distributions d JOIN label_runs r ON r.id = d.run_id
        WHERE d.cell = $1 AND r.region = ANY($2::varchar[]) AND d.released_at IS NOT NULL
            AND (d.year = $3 OR ($4 AND d.year < $3))
        ORDER BY d.indicator, d.year DESC, array_position($2::varchar[], r.region), d.released_at
        """,
        cell,
        regions,
        year,
        until,
    )
    return [
        Told(row[0], row[1], Indicator(row[2]), row[3], None if row[4] is None else _percentiles(row[4]))
        for row in rows
    ]


def _percentiles(text: str) -> dict[int, Fraction]:
    return {int(key): Fraction(value) for key, value in orjson.loads(text).items()}


async def set_percentiles(driver: "asyncpg.Connection", run_id: UUID, found: Mapping[UUID, int]) -> None:
    """Keep each enterprise's own place."""
    await driver.execute(
        """
        UPDATE enterprise_labels l SET percentile = p.percentile
        FROM unnest($2::uuid[], $3::smallint[]) AS p (holder_id, percentile)
        WHERE l.holder_id = p.holder_id AND l.run_id = $1
        """,
        run_id,
        list(found),
        list(found.values()),
    )


async def decide(
    driver: "asyncpg.Connection", run_id: UUID, rows: Sequence[Decided], now: datetime.datetime
) -> None:
    """Write the labels of a slice."""
    await driver.execute(
        """
        UPDATE enterprise_labels l
        SET colour = d.colour, points = d.points, views = d.views::jsonb, reasons = d.reasons::jsonb, decided_at = $7
        FROM unnest($2::uuid[], $3::varchar[], $4::varchar[], $5::varchar[], $6::varchar[])
            AS d (holder_id, colour, points, views, reasons)
        WHERE l.holder_id = d.holder_id AND l.run_id = $1
        """,
        run_id,
        [each.holder_id for each in rows],
        [each.colour for each in rows],
        [each.points for each in rows],
        [_json(each.views) for each in rows],
        [_json(each.reasons) for each in rows],
        now,
    )


async def release(driver: "asyncpg.Connection", run: Run, now: datetime.datetime) -> bool:
    """Tell a run's own distributions; false where one of their enterprises was counted in another one of the year."""
    members = """
        SELECT l.holder_id FROM enterprise_labels l
        WHERE l.run_id = $1 AND EXISTS
            (SELECT FROM label_distributions d WHERE d.run_id = $1 AND d.cell = l.cell AND d.own
                AND d.percentiles IS NOT NULL)
    """
    expected = await driver.fetchval(f"SELECT count(*) FROM ({members}) m", run.id)
    status = await driver.execute(
        f"INSERT INTO label_released_enterprises (holder_id, year, run_id) SELECT holder_id, $2, $1 FROM ({members}) m"
        " ORDER BY holder_id ON CONFLICT DO NOTHING",
        run.id,
        run.year,
    )
    if int(status.rsplit(" ", 1)[1]) != expected:
        return False
    await driver.execute(
        "UPDATE label_distributions SET released_at = $2 WHERE run_id = $1 AND own", run.id, now
    )
    return True


async def publish(
    driver: "asyncpg.Connection", run_id: UUID, now: datetime.datetime, by: str, *, official: bool
) -> int:
    """Publish a locked run, and keep which labels fell; answers how many did."""
    status = await driver.execute(
        f"""
        INSERT INTO label_falls
            (holder_id, run_id, year, from_year, from_colour, to_colour, official, reasons, happened_at)
        SELECT l.holder_id, l.run_id, l.year, b.year, b.colour, l.colour, $3, l.reasons, $2
        FROM enterprise_labels l CROSS JOIN LATERAL (
            SELECT o.colour, o.year, r.official FROM enterprise_labels o JOIN label_runs r ON r.id = o.run_id
            WHERE o.holder_id = l.holder_id AND r.published_at IS NOT NULL
            ORDER BY r.official DESC, o.year DESC, r.published_at DESC LIMIT 1
        ) b
        WHERE l.run_id = $1 AND ($3, l.year) >= (b.official, b.year)
            AND array_position({ORDER}, l.colour) < array_position({ORDER}, b.colour)
        """,
        run_id,
        now,
        official,
    )
    await driver.execute(
        "UPDATE label_runs SET published_at = $2, published_by = $3, official = $4 WHERE id = $1",
        run_id,
        now,
        by,
        official,
    )
    return int(status.rsplit(" ", 1)[1])
