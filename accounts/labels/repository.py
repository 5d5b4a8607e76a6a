"""SQL of figures, and of what enterprises are."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.labels.measures import Measure, figure_key
from accounts.labels.rules import Scale
from accounts.labels.scoring import Facts

if TYPE_CHECKING:
    import asyncpg


@dataclass(frozen=True, slots=True)
class Enterprise:
    """What labels need to know of an enterprise."""

    holder_id: UUID
    domain: str
    industry: str | None
    region: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as it is reported: `amount` in base units of `unit`; `authority` is empty for the enterprise's own."""

    holder_id: UUID
    id: UUID
    year: int
    measure: str
    product: str
    amount: int
    unit: str
    source: str
    authority: str
    document_title: str
    document_number: str
    document_issued_on: datetime.date
    document_sha256: bytes | None
    recorded_at: datetime.datetime
    recorded_by: str


@dataclass(frozen=True, slots=True)
class Known:
    """A figure that counts."""

    measure: str
    product: str
    amount: int
    unit: str


FIGURE = (
    "holder_id, id, year, measure, product, amount, unit, source, authority, document_title, document_number,"
    " document_issued_on, document_sha256, recorded_at, recorded_by"
)
_RANK = "(source = 'operator') DESC, id DESC"


async def add_figures(driver: "asyncpg.Connection", figures: Sequence[Figure]) -> None:
    """Append figures, in one statement."""
    await driver.execute(
        f"""
        INSERT INTO label_figures ({FIGURE})
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::varchar[], $5::varchar[], $6::bigint[],
            $7::varchar[], $8::varchar[], $9::varchar[], $10::varchar[], $11::varchar[], $12::date[], $13::bytea[],
            $14::timestamptz[], $15::varchar[])
        """,
        *([getattr(each, name) for each in figures] for name in FIGURE.replace(" ", "").split(",")),
    )


async def known_figures(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID], years: Sequence[int]
) -> dict[tuple[UUID, int], list[Known]]:
    """(Holder, year) → what counts: the operators' latest word, else the enterprise's."""
    rows = await driver.fetch(
        f"""
        SELECT DISTINCT ON (holder_id, year, measure, product) holder_id, year, measure, product, amount, unit
        FROM label_figures WHERE holder_id = ANY($1::uuid[]) AND year = ANY($2::smallint[])
        ORDER BY holder_id, year, measure, product, {_RANK}
        """,
        holder_ids,
        years,
    )
    found: dict[tuple[UUID, int], list[Known]] = {}
    for row in rows:
        found.setdefault((row[0], row[1]), []).append(Known(*row[2:]))
    return found


async def counting(driver: "asyncpg.Connection", holder_id: UUID, years: Sequence[int]) -> set[UUID]:
    """Ids of an enterprise's figures of some years that count."""
    rows = await driver.fetch(
        f"""
        SELECT DISTINCT ON (year, measure, product) id FROM label_figures
        WHERE holder_id = $1 AND year = ANY($2::smallint[]) ORDER BY year, measure, product, {_RANK}
        """,
        holder_id,
        years,
    )
    return {row[0] for row in rows}


async def page_of_figures(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    year: int | None,
    before: UUID | None,
    limit: int,
) -> list[tuple[Figure, bool]]:
    """Figures of an enterprise, the newest first, each with whether it counts."""
    rows = await driver.fetch(
        f"""
        SELECT {FIGURE}, id = (
            SELECT o.id FROM label_figures o
            WHERE o.holder_id = f.holder_id AND o.year = f.year AND o.measure = f.measure AND o.product = f.product
            ORDER BY {_RANK} LIMIT 1
        )
        FROM label_figures f
        WHERE holder_id = $1 AND ($2::smallint IS NULL OR year = $2) AND ($3::uuid IS NULL OR id < $3)
        ORDER BY id DESC LIMIT $4
        """,
        holder_id,
        year,
        before,
        limit,
    )
    return [(Figure(*row[:-1]), row[-1]) for row in rows]


async def enterprises(driver: "asyncpg.Connection", holder_ids: Sequence[UUID]) -> dict[UUID, Enterprise]:
    """Those that are enterprises."""
    rows = await driver.fetch(
        "SELECT holder_id, domain, industry_code, region FROM enterprises WHERE holder_id = ANY($1::uuid[])",
        holder_ids,
    )
    return {row[0]: Enterprise(*row) for row in rows}


async def enterprises_after(
    driver: "asyncpg.Connection", prefix: str, after: UUID | None, limit: int
) -> list[Enterprise]:
    """The next enterprises of a region and its parts, in order of their ids."""
    rows = await driver.fetch(
        """
        SELECT holder_id, domain, industry_code, region FROM enterprises
        WHERE ($1::uuid IS NULL OR holder_id > $1) AND starts_with(region, $2) ORDER BY holder_id LIMIT $3
        """,
        after,
        prefix,
        limit,
    )
    return [Enterprise(*row) for row in rows]


def facts_of(scale: Scale, year: int, emissions_mg: int | None, known: Iterable[Known]) -> Facts:
    """A year's facts as a scale reads them: output counts in the product's own unit only."""
    units = {each.code: each.unit for each in scale.products}
    return Facts(
        year,
        emissions_mg,
        {
            figure_key(Measure(each.measure), each.product): each.amount
            for each in known
            if each.measure != Measure.OUTPUT or units.get(each.product) == each.unit
        },
    )
