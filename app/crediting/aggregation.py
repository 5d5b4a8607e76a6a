"""What platforms have aggregated with the persons' consent, as platforms and operators see it."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import BaseModel, Field

from accounts.ids import lowest_uuid7, parse_public_id, public_id
from accounts.quantities import grams
from app.auth.principal import prefix
from dedup.periods import LOCAL

if TYPE_CHECKING:
    import asyncpg

Place = tuple[UUID, str, int, int]
"""(source, scene, methodology, vintage): what a row is of, and where a page begins."""
LOWEST: Place = (UUID(int=0), "", 0, 0)


class AggregationRow(BaseModel):
    """Acts booked in a month and not reversed since, of which the platform took a part."""

    month: str = Field(description="Of booking, YYYY-MM in Asia/Shanghai")
    source_id: str = Field(description="`org_…`: the platform")
    scene: str
    methodology_region: str
    methodology_code: str
    methodology_version: str
    vintage: int = Field(description="Year of the acts")
    activities: int
    aggregated_g: str = Field(description="What the platform took, in grams, decimal")


class AggregationList(BaseModel):
    """A page of what was aggregated in a month."""

    items: list[AggregationRow]
    next_cursor: str | None


async def page_of_aggregates(
    driver: "asyncpg.Connection",
    month: datetime.date,
    region: str,
    source_id: UUID | None,
    after: Place,
    limit: int,
) -> AggregationList:
    """Sums of a month (its first day) within a region, of one platform or of all, behind `after`."""
    rows = await driver.fetch(
        """
        SELECT s.*, m.region, m.code, m.version FROM (
            SELECT source_id, scene, methodology_id, vintage, count(*) AS activities, sum(aggregated_mg)::bigint AS mg
            FROM (
                SELECT source_id, scene, methodology_id, aggregated_mg,
                       extract(year FROM started_at AT TIME ZONE 'Asia/Shanghai')::int AS vintage
                FROM activities
                WHERE id >= $1 AND id < $2 AND aggregated_mg > 0 AND reversed_at IS NULL
                  AND source_id BETWEEN $3 AND $4 AND starts_with(region, $5)) a
            WHERE (source_id, scene, methodology_id, vintage) > ($6::uuid, $7::varchar, $8::int, $9::int)
            GROUP BY source_id, scene, methodology_id, vintage
            ORDER BY source_id, scene, methodology_id, vintage LIMIT $10) s
        JOIN methodology_versions m ON m.id = s.methodology_id
        ORDER BY s.source_id, s.scene, s.methodology_id, s.vintage
        """,
        _midnight(month),
        _midnight((month + datetime.timedelta(days=31)).replace(day=1)),
        source_id or UUID(int=0),
        source_id or UUID(int=2**128 - 1),
        prefix(region),
        *after,
        limit + 1,
    )
    page = rows[:limit]
    items = [
        AggregationRow(
            month=f"{month:%Y-%m}",
            source_id=public_id("org", row["source_id"]),
            scene=row["scene"],
            methodology_region=row["region"],
            methodology_code=row["code"],
            methodology_version=row["version"],
            vintage=row["vintage"],
            activities=row["activities"],
            aggregated_g=grams(row["mg"]),
        )
        for row in page
    ]
    return AggregationList(items=items, next_cursor=_cursor(page[-1]) if len(rows) > limit else None)


def _midnight(day: datetime.date) -> UUID:
    """The bound of the month's partition, whose days are local."""
    return lowest_uuid7(datetime.datetime.combine(day, datetime.time(), LOCAL))


def _cursor(row: "asyncpg.Record") -> str:
    source, scene, methodology, vintage = row[0], row[1], row[2], row[3]
    return f"{public_id('org', source)}~{scene}~{methodology}~{vintage}"


def place_of(cursor: str | None) -> Place | None:
    """Where a page begins; None where the cursor is none of this list."""
    if cursor is None:
        return LOWEST
    source_text, *rest = cursor.split("~")
    source = parse_public_id("org", source_text)
    if source is None or len(rest) != 3:  # noqa: PLR2004 - scene, methodology, vintage
        return None
    scene, methodology, vintage = rest
    if not (scene.isascii() and scene.isprintable() and _is_small(methodology) and _is_small(vintage)):
        return None
    return source, scene, int(methodology), int(vintage)


def _is_small(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= 9  # noqa: PLR2004 - fits four bytes
