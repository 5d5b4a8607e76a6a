"""SQL of enterprises, their sites, lines and meters. Every statement bounds the enterprise."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    import asyncpg

Row: TypeAlias = "asyncpg.Record"
NOTHING = UUID(int=0)
"""Before every id."""
_ENTERPRISE = "holder_id, name, domain, industry_code, region, version, created_at"
_SITE = "id, name, region, version, created_at"
_LINE = "id, site_id, name, version, created_at"
_METER = (
    "id, site_id, line_id, number, carrier, flow, reading, register_max, counts, installed_at, removed_at,"
    " version, created_at"
)


async def add_enterprise(driver: "asyncpg.Connection", row: tuple[object, ...]) -> bool:
    """Make a holder an enterprise (holder, name, domain, industry code, region, created at); whether it was none."""
    found = await driver.fetchval(
        "INSERT INTO enterprises (holder_id, name, domain, industry_code, region, version, created_at)"
        " VALUES ($1, $2, $3, $4, $5, 1, $6) ON CONFLICT (holder_id) DO NOTHING RETURNING 1",
        *row,
    )
    return found is not None


async def find_enterprise(driver: "asyncpg.Connection", holder_id: UUID) -> "Row | None":
    """An enterprise."""
    return await driver.fetchrow(f"SELECT {_ENTERPRISE} FROM enterprises WHERE holder_id = $1", holder_id)


async def lock_enterprise(driver: "asyncpg.Connection", holder_id: UUID) -> "Row | None":
    """An enterprise, locked: what it has is counted by the next statement."""
    return await driver.fetchrow(
        f"SELECT {_ENTERPRISE} FROM enterprises WHERE holder_id = $1 FOR UPDATE", holder_id
    )


async def page_of_enterprises(
    driver: "asyncpg.Connection", prefix: str, after: UUID | None, limit: int
) -> list[Row]:
    """Enterprises of the regions that begin with a prefix, the first onboarded first."""
    return list(
        await driver.fetch(
            f"SELECT {_ENTERPRISE} FROM enterprises WHERE starts_with(region, $1) AND holder_id > $2"
            " ORDER BY holder_id LIMIT $3",
            prefix,
            after or NOTHING,
            limit,
        )
    )


async def change_enterprise(driver: "asyncpg.Connection", holder_id: UUID, row: tuple[object, ...]) -> None:
    """Enter what a locked enterprise is (name, domain, industry code) as its next version."""
    await driver.execute(
        "UPDATE enterprises SET name = $2, domain = $3, industry_code = $4, version = version + 1"
        " WHERE holder_id = $1",
        holder_id,
        *row,
    )


async def count(driver: "asyncpg.Connection", table: str, holder_id: UUID) -> int:
    """Rows that an enterprise has in one of its tables."""
    found: int = await driver.fetchval(f"SELECT count(*) FROM {table} WHERE holder_id = $1", holder_id)
    return found


async def add_site(driver: "asyncpg.Connection", row: tuple[object, ...]) -> None:
    """Enter a site (holder, id, name, region, created at)."""
    await driver.execute(
        "INSERT INTO enterprise_sites (holder_id, id, name, region, version, created_at)"
        " VALUES ($1, $2, $3, $4, 1, $5)",
        *row,
    )


async def find_site(
    driver: "asyncpg.Connection", holder_id: UUID, site_id: UUID, *, lock: bool = False
) -> "Row | None":
    """A site of an enterprise."""
    return await driver.fetchrow(
        f"SELECT {_SITE} FROM enterprise_sites WHERE holder_id = $1 AND id = $2" + " FOR UPDATE" * lock,
        holder_id,
        site_id,
    )


async def page_of_sites(
    driver: "asyncpg.Connection", holder_id: UUID, after: UUID | None, limit: int
) -> list[Row]:
    """Sites of an enterprise, the first entered first."""
    return list(
        await driver.fetch(
            f"SELECT {_SITE} FROM enterprise_sites WHERE holder_id = $1 AND id > $2 ORDER BY id LIMIT $3",
            holder_id,
            after or NOTHING,
            limit,
        )
    )


async def change_site(
    driver: "asyncpg.Connection", holder_id: UUID, site_id: UUID, name: str, region: str
) -> None:
    """Enter a locked site's next version."""
    await driver.execute(
        "UPDATE enterprise_sites SET name = $3, region = $4, version = version + 1"
        " WHERE holder_id = $1 AND id = $2",
        holder_id,
        site_id,
        name,
        region,
    )


async def add_line(driver: "asyncpg.Connection", row: tuple[object, ...]) -> None:
    """Enter a line (holder, id, site, name, created at)."""
    await driver.execute(
        "INSERT INTO enterprise_lines (holder_id, id, site_id, name, version, created_at)"
        " VALUES ($1, $2, $3, $4, 1, $5)",
        *row,
    )


async def find_line(
    driver: "asyncpg.Connection", holder_id: UUID, line_id: UUID, *, lock: bool = False
) -> "Row | None":
    """A line of an enterprise."""
    return await driver.fetchrow(
        f"SELECT {_LINE} FROM enterprise_lines WHERE holder_id = $1 AND id = $2" + " FOR UPDATE" * lock,
        holder_id,
        line_id,
    )


async def page_of_lines(
    driver: "asyncpg.Connection", holder_id: UUID, site_id: UUID | None, after: UUID | None, limit: int
) -> list[Row]:
    """Lines of an enterprise, or of one site, the first entered first."""
    return list(
        await driver.fetch(
            f"SELECT {_LINE} FROM enterprise_lines WHERE holder_id = $1 AND ($2::uuid IS NULL OR site_id = $2)"
            " AND id > $3 ORDER BY id LIMIT $4",
            holder_id,
            site_id,
            after or NOTHING,
            limit,
        )
    )


async def change_line(driver: "asyncpg.Connection", holder_id: UUID, line_id: UUID, name: str) -> None:
    """Enter a locked line's next version."""
    await driver.execute(
        "UPDATE enterprise_lines SET name = $3, version = version + 1 WHERE holder_id = $1 AND id = $2",
        holder_id,
        line_id,
        name,
    )


async def add_meter(driver: "asyncpg.Connection", row: tuple[object, ...]) -> bool:
    """Enter a meter; answers whether its number was free.

    The row is (holder, id, site, line, number, carrier, flow, reading, register max, counts, installed at, created at).
    """
    found = await driver.fetchval(
        """
        INSERT INTO meters (holder_id, id, site_id, line_id, number, carrier, flow, reading, register_max, counts,
            installed_at, version, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12)
        ON CONFLICT (holder_id, number) DO NOTHING RETURNING 1
        """,
        *row,
    )
    return found is not None


async def find_meter(
    driver: "asyncpg.Connection", holder_id: UUID, meter_id: UUID, *, lock: bool = False
) -> "Row | None":
    """A meter of an enterprise, removed ones too."""
    return await driver.fetchrow(
        f"SELECT {_METER} FROM meters WHERE holder_id = $1 AND id = $2" + " FOR UPDATE" * lock,
        holder_id,
        meter_id,
    )


async def meters_by_number(
    driver: "asyncpg.Connection", holder_id: UUID, numbers: Sequence[str]
) -> dict[str, Row]:
    """Number → meter, of those that the enterprise has."""
    rows = await driver.fetch(
        f"SELECT {_METER} FROM meters WHERE holder_id = $1 AND number = ANY($2)", holder_id, numbers
    )
    return {row["number"]: row for row in rows}


async def meters_of(driver: "asyncpg.Connection", holder_id: UUID, site_id: UUID | None = None) -> list[Row]:
    """All meters of an enterprise, or of one site, removed ones too."""
    return list(
        await driver.fetch(
            f"SELECT {_METER} FROM meters WHERE holder_id = $1 AND ($2::uuid IS NULL OR site_id = $2) ORDER BY id",
            holder_id,
            site_id,
        )
    )


async def page_of_meters(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    wanted: tuple[UUID | None, UUID | None, str | None],
    after: UUID | None,
    limit: int,
) -> list[Row]:
    """Meters of an enterprise, the first entered first; of a site, a line and a carrier where these are given."""
    return list(
        await driver.fetch(
            f"SELECT {_METER} FROM meters WHERE holder_id = $1 AND ($2::uuid IS NULL OR site_id = $2)"
            " AND ($3::uuid IS NULL OR line_id = $3) AND ($4::text IS NULL OR carrier = $4) AND id > $5"
            " ORDER BY id LIMIT $6",
            holder_id,
            *wanted,
            after or NOTHING,
            limit,
        )
    )


async def change_meter(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    meter_id: UUID,
    *,
    line_id: UUID | None,
    counts: bool,
    register_max: int | None,
    removed_at: datetime.datetime | None,
) -> None:
    """Enter a locked meter's next version."""
    await driver.execute(
        "UPDATE meters SET line_id = $3, counts = $4, register_max = $5, removed_at = $6, version = version + 1"
        " WHERE holder_id = $1 AND id = $2",
        holder_id,
        meter_id,
        line_id,
        counts,
        register_max,
        removed_at,
    )
