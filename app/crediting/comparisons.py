"""Why a report was held to be of an act that was credited already: kept with the loser, shown in its explanation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import orjson
from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel, col, select

from dedup.writes import Writes, columns

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.crediting.decision import Candidate


class Comparison(SQLModel, table=True):
    """The decision by which an activity became a duplicate, with its evidence. No identifier, no place."""

    __tablename__: ClassVar[str] = "comparisons"

    holder_id: UUID = Field(primary_key=True)
    activity_id: UUID = Field(primary_key=True)
    decision: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


def write_comparisons(writes: Writes, candidates: Sequence["Candidate"]) -> None:
    """Keep the decisions of those that were compared and refused."""
    rows = [
        (each.holder_id, each.activity_id, orjson.dumps(each.comparison).decode())
        for each in candidates
        if each.comparison is not None
    ]
    if rows:
        writes.add(
            """
            INSERT INTO comparisons (holder_id, activity_id, decision)
            SELECT holder, activity, decision::jsonb
            FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS c (holder, activity, decision)
            """,
            *columns(rows),
        )


async def comparison_of(session: "AsyncSession", holder_id: UUID, activity_id: UUID) -> dict[str, Any] | None:
    """The decision by which an activity became a duplicate; None where it was not compared."""
    found = await session.exec(
        select(Comparison.decision).where(
            col(Comparison.holder_id) == holder_id, col(Comparison.activity_id) == activity_id
        )
    )
    decision = found.first()
    return None if decision is None else dict(decision)
