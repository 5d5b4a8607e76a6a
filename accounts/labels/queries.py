"""Labels as other parts read them: only what was published."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from accounts.labels.scoring import Colour

__all__ = ["Colour", "Fall", "Label", "current_label", "current_labels", "falls_of_run", "label_history"]

if TYPE_CHECKING:
    import asyncpg

_LABEL = (
    "l.holder_id, l.year, l.colour, r.official, r.rules_id, l.views::text, l.percentile, l.points, l.reasons::text,"
    " l.facts::text, l.decided_at, r.published_at, l.run_id"
)
_PUBLISHED = "enterprise_labels l JOIN label_runs r ON r.id = l.run_id WHERE r.published_at IS NOT NULL"
_LATEST = "r.official DESC, l.year DESC, r.published_at DESC, l.run_id DESC"


@dataclass(frozen=True, slots=True)
class Label:
    """A published label of a year. `rules_id` is the dated text by which it was decided."""

    holder_id: UUID
    year: int
    colour: Colour
    official: bool
    rules_id: UUID
    views: Mapping[str, Any]
    """`industry`, `region`, `history` → colour, points of 100, weight in percent; what did not count is not there."""
    percentile: int | None
    """How many of a hundred others of the industry emit more per unit."""
    points: str | None
    reasons: Sequence[Mapping[str, Any]]
    facts: Mapping[str, Any]
    decided_at: datetime.datetime
    published_at: datetime.datetime
    run_id: UUID


@dataclass(frozen=True, slots=True)
class Fall:
    """`label.fallen`: what became worse with a publication, and why."""

    holder_id: UUID
    run_id: UUID
    year: int
    from_year: int
    from_colour: Colour
    to_colour: Colour
    official: bool
    reasons: Sequence[Mapping[str, Any]]
    happened_at: datetime.datetime


def _label(row: "asyncpg.Record") -> Label:
    return Label(
        row[0],
        row[1],
        Colour(row[2]),
        row[3],
        row[4],
        orjson.loads(row[5]),
        row[6],
        row[7],
        orjson.loads(row[8]),
        orjson.loads(row[9]),
        *row[10:],
    )


async def current_label(driver: "asyncpg.Connection", holder_id: UUID) -> Label | None:
    """The label that counts: an official one before a trial one, then the latest year's, then the last published."""
    return (await current_labels(driver, [holder_id])).get(holder_id)


async def current_labels(driver: "asyncpg.Connection", holder_ids: Sequence[UUID]) -> dict[UUID, Label]:
    """The same for many."""
    rows = await driver.fetch(
        f"SELECT DISTINCT ON (l.holder_id) {_LABEL} FROM {_PUBLISHED} AND l.holder_id = ANY($1::uuid[])"
        f" ORDER BY l.holder_id, {_LATEST}",
        holder_ids,
    )
    return {row[0]: _label(row) for row in rows}


async def label_history(driver: "asyncpg.Connection", holder_id: UUID, limit: int = 200) -> list[Label]:
    """All that were published, the latest year first, of one year the last published first."""
    rows = await driver.fetch(
        f"SELECT {_LABEL} FROM {_PUBLISHED} AND l.holder_id = $1"
        " ORDER BY l.year DESC, r.published_at DESC, l.run_id DESC LIMIT $2",
        holder_id,
        limit,
    )
    return [_label(row) for row in rows]


async def falls_of_run(driver: "asyncpg.Connection", run_id: UUID) -> list[Fall]:
    """Labels that fell with the publication of a run: what banks are told of, in that very transaction."""
    rows = await driver.fetch(
        "SELECT holder_id, run_id, year, from_year, from_colour, to_colour, official, reasons::text, happened_at"
        " FROM label_falls WHERE run_id = $1 ORDER BY holder_id",
        run_id,
    )
    return [
        Fall(
            row[0],
            row[1],
            row[2],
            row[3],
            Colour(row[4]),
            Colour(row[5]),
            row[6],
            orjson.loads(row[7]),
            row[8],
        )
        for row in rows
    ]
