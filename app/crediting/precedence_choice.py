"""The platform whose reports a person wants to count, for each group of scenes, dated."""

import datetime
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from pydantic import BaseModel
from pydantic import Field as Described
from sqlalchemy import CheckConstraint, Column, DateTime
from sqlmodel import Field, SQLModel

from accounts.ids import public_id

if TYPE_CHECKING:
    import asyncpg


def _moment(*, nullable: bool = False) -> Column[datetime.datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class PreferredPlatform(SQLModel, table=True):
    """A choice that a person made, for acts that begin from then on; at most one at a time of a group."""

    __tablename__: ClassVar[str] = "preferred_platforms"
    __table_args__ = (CheckConstraint("chosen_at <= ended_at", name="preferred_platforms_order"),)

    holder_id: UUID = Field(primary_key=True)
    scene_group: str = Field(primary_key=True)
    chosen_at: datetime.datetime = Field(
        sa_column=Column(DateTime(timezone=True), primary_key=True, nullable=False)
    )
    source_id: UUID
    ended_at: datetime.datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class PreferredPlatformInput(BaseModel):
    """The platform to prefer from now on; null for none."""

    source_id: str | None = Described(
        max_length=40, examples=["org_01a1fc693a86700e9ae525ac545ac6cd"], description="`org_…`"
    )


class PreferredPlatformView(BaseModel):
    """A choice that counts now."""

    scene_group: str
    source_id: str
    source_name: str
    chosen_at: datetime.datetime


class PreferredPlatformList(BaseModel):
    """The choices that count now, one for each group of scenes at most."""

    items: list[PreferredPlatformView]


async def preferred(
    driver: "asyncpg.Connection", holder_id: UUID, scene_group: str, at: datetime.datetime
) -> UUID | None:
    """The platform that a person preferred at a moment."""
    found: UUID | None = await driver.fetchval(
        """
        SELECT source_id FROM preferred_platforms
        WHERE holder_id = $1 AND scene_group = $2 AND chosen_at <= $3 AND (ended_at IS NULL OR ended_at > $3)
        ORDER BY chosen_at DESC LIMIT 1
        """,
        holder_id,
        scene_group,
        at,
    )
    return found


async def choose(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    scene_group: str,
    source_id: UUID | None,
    now: datetime.datetime,
) -> None:
    """Have a locked holder prefer a platform, or none, from now on; a choice that counts already stays as it is."""
    await driver.execute(
        """
        UPDATE preferred_platforms SET ended_at = greatest($4, chosen_at)
        WHERE holder_id = $1 AND scene_group = $2 AND ended_at IS NULL AND source_id IS DISTINCT FROM $3
        """,
        holder_id,
        scene_group,
        source_id,
        now,
    )
    if source_id is not None:
        await driver.execute(
            """
            INSERT INTO preferred_platforms (holder_id, scene_group, chosen_at, source_id)
            SELECT $1, $2::varchar, greatest($4, p.ended_at + interval '1 microsecond'), $3
            FROM (SELECT max(ended_at) AS ended_at, bool_or(ended_at IS NULL) AS stands FROM preferred_platforms
                  WHERE holder_id = $1 AND scene_group = $2::varchar) p
            WHERE p.stands IS NOT TRUE
            """,
            holder_id,
            scene_group,
            source_id,
            now,
        )


async def choices(driver: "asyncpg.Connection", holder_id: UUID) -> list[PreferredPlatformView]:
    """What a person prefers now."""
    rows = await driver.fetch(
        """
        SELECT p.scene_group, p.source_id, o.name, p.chosen_at FROM preferred_platforms p
        JOIN organisations o ON o.id = p.source_id
        WHERE p.holder_id = $1 AND p.ended_at IS NULL ORDER BY p.scene_group
        """,
        holder_id,
    )
    return [
        PreferredPlatformView(
            scene_group=row[0], source_id=public_id("org", row[1]), source_name=row[2], chosen_at=row[3]
        )
        for row in rows
    ]


async def forget(driver: "asyncpg.Connection", holder_id: UUID) -> None:
    """Forget the choices of a holder that is erased."""
    await driver.execute("DELETE FROM preferred_platforms WHERE holder_id = $1", holder_id)
