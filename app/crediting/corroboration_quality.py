"""Figures of a platform's reports: how many were credited, repeated, supported by others, contested, taken back."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import BaseModel, Field

from accounts.ids import lowest_uuid7, public_id
from app.auth.principal import prefix
from dedup.periods import LOCAL

if TYPE_CHECKING:
    import asyncpg

MILLE = 1000
LOWEST = UUID(int=0)
HIGHEST = UUID(int=2**128 - 1)


class PlatformFigures(BaseModel):
    """Of the reports of one platform that were booked in a period. Shares are per mille of `reports`, rounded down."""

    source_id: str = Field(description="`org_…`: the platform")
    reports: int = Field(description="Reports that were kept, whatever their outcome")
    credited: int = Field(description="Credited, capped or waiting, and not reversed")
    duplicates: int = Field(
        description="Own repeats, corroborations, excluded and claimed elsewhere, together"
    )
    own_repeats: int = Field(description="Acts that the platform itself had reported already")
    corroborations: int = Field(description="Reports of acts that another platform had reported already")
    excluded: int = Field(description="Acts that nobody can have done beside one that is credited")
    claimed_elsewhere: int = Field(description="Claimed by another person or by a platform with own accounts")
    corroborated: int = Field(description="Credits that another platform's report stands behind")
    disputed: int = Field(description="Reports whose outcome was contested")
    moved_away: int = Field(description="Credits that an operator or precedence gave to another report")
    reversed: int = Field(description="Credits that were reversed, moved ones among them")
    credited_per_mille: int
    duplicates_per_mille: int
    own_repeats_per_mille: int
    corroborated_per_mille: int = Field(description="Per mille of `credited`")
    disputed_per_mille: int
    reversed_per_mille: int


class PlatformFiguresList(BaseModel):
    """A page of platforms."""

    first_day: datetime.date
    last_day: datetime.date
    items: list[PlatformFigures]
    next_cursor: str | None


async def figures_of(
    driver: "asyncpg.Connection",
    days: tuple[datetime.date, datetime.date],
    region: str,
    source_id: UUID | None,
    after: UUID | None,
    limit: int,
) -> PlatformFiguresList:
    """Figures of what was booked on the days (the first and the last), within a region, platform by platform."""
    first, last = days
    rows = await driver.fetch(
        _FIGURES,
        _midnight(first),
        _midnight(last + datetime.timedelta(days=1)),
        source_id or after or LOWEST,
        source_id or HIGHEST,
        prefix(region),
        LOWEST if source_id is not None or after is None else after,
        limit + 1,
    )
    items = [_figures(row) for row in rows[:limit]]
    following = items[-1].source_id if len(rows) > limit else None
    return PlatformFiguresList(first_day=first, last_day=last, items=items, next_cursor=following)


def _midnight(day: datetime.date) -> UUID:
    return lowest_uuid7(datetime.datetime.combine(day, datetime.time(), LOCAL))


def _figures(row: "asyncpg.Record") -> PlatformFigures:
    reports: int = row["reports"]
    credited: int = row["credited"]

    def share(part: int, whole: int = reports) -> int:
        return part * MILLE // whole if whole else 0

    return PlatformFigures(
        source_id=public_id("org", row["source_id"]),
        **{name: value for name, value in row.items() if name != "source_id"},
        claimed_elsewhere=row["duplicates"] - row["own_repeats"] - row["corroborations"] - row["excluded"],
        credited_per_mille=share(credited),
        duplicates_per_mille=share(row["duplicates"]),
        own_repeats_per_mille=share(row["own_repeats"]),
        corroborated_per_mille=share(row["corroborated"], credited),
        disputed_per_mille=share(row["disputed"]),
        reversed_per_mille=share(row["reversed"]),
    )


# What a report is beside the period's rows is looked up by key, row by row; each lookup is of one partition.
_FIGURES = """
SELECT source_id, count(*) AS reports,
    count(*) FILTER (WHERE credited) AS credited,
    count(*) FILTER (WHERE duplicate) AS duplicates,
    count(*) FILTER (WHERE duplicate AND repeated) AS own_repeats,
    count(*) FILTER (WHERE duplicate AND NOT repeated AND supports) AS corroborations,
    count(*) FILTER (WHERE duplicate AND NOT repeated AND NOT supports AND excluded) AS excluded,
    count(*) FILTER (WHERE credited AND corroborated) AS corroborated,
    count(*) FILTER (WHERE disputed) AS disputed,
    count(*) FILTER (WHERE gone AND moved) AS moved_away,
    count(*) FILTER (WHERE gone) AS reversed
FROM (
    SELECT a.source_id, a.duplicate, a.credited, a.gone,
        a.lost AND coalesce((
            SELECT w.source_id = a.source_id FROM activities w WHERE w.id = a.winner_id AND w.id < $2), false)
            AS repeated,
        a.lost AND EXISTS (
            SELECT FROM corroborations c WHERE c.holder_id = a.holder_id AND c.activity_id = a.id) AS supports,
        a.lost AND EXISTS (
            SELECT FROM comparisons c WHERE c.holder_id = a.holder_id AND c.activity_id = a.id
              AND c.decision ->> 'verdict' = 'excludes') AS excluded,
        a.credited AND EXISTS (
            SELECT FROM corroborations c
            WHERE c.holder_id = a.holder_id AND c.winner_id = a.id AND c.ended_at IS NULL) AS corroborated,
        EXISTS (SELECT FROM disputes d WHERE d.holder_id = a.holder_id AND d.activity_id = a.id) AS disputed,
        a.gone AND (
            EXISTS (SELECT FROM claim_moves m WHERE m.from_activity_id = a.id)
            OR EXISTS (SELECT FROM corroborations c WHERE c.holder_id = a.holder_id AND c.winner_id = a.id
                         AND c.ended = 'took_over')) AS moved
    FROM (
        SELECT id, holder_id, source_id, winner_id, winner_id IS NOT NULL AS lost,
            outcome = 'duplicate' AS duplicate, reversed_at IS NOT NULL AS gone,
            outcome IN ('credited', 'capped', 'pending') AND reversed_at IS NULL AS credited
        FROM activities
        WHERE id >= $1 AND id < $2 AND source_id BETWEEN $3 AND $4 AND source_id > $6 AND starts_with(region, $5)) a) b
GROUP BY source_id ORDER BY source_id LIMIT $7
"""
