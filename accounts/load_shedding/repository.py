"""SQL of load shedding. Every statement bounds the enterprise."""

import datetime
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    import asyncpg

Row: TypeAlias = "asyncpg.Record"
LAST = UUID(int=2**128 - 1)
NOTHING = UUID(int=0)
_DATA = (
    "d.line_id, d.version, d.value_fen_per_kwh, d.can_stop, d.load_w, d.least_w, d.least_off_minutes,"
    " d.ramp_w_per_minute, d.feeds_line_id, d.entered_at"
)
_PLAN = (
    "id, site_id, cut_kw, solar_kw, starts_at, ends_at, options, skipped, state, chosen, made_at, decided_at"
)


async def add_data(driver: "asyncpg.Connection", row: tuple[object, ...]) -> bool:
    """Enter a version of a line's data: holder, line, version, value, … entered at; whether nobody did before."""
    found = await driver.fetchval(
        "INSERT INTO line_shedding_data (holder_id, line_id, version, value_fen_per_kwh, can_stop, load_w, least_w,"
        " least_off_minutes, ramp_w_per_minute, feeds_line_id, entered_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING RETURNING 1",
        *row,
    )
    return found is not None


async def data_of(driver: "asyncpg.Connection", holder_id: UUID, line_id: UUID) -> "Row | None":
    """What counts of a line now."""
    return await driver.fetchrow(
        f"SELECT {_DATA} FROM line_shedding_data d WHERE holder_id = $1 AND line_id = $2"
        " ORDER BY version DESC LIMIT 1",
        holder_id,
        line_id,
    )


async def all_data(driver: "asyncpg.Connection", holder_id: UUID, site_id: UUID | None) -> list[Row]:
    """What counts of the lines of an enterprise, or of a site."""
    return list(
        await driver.fetch(
            f"SELECT DISTINCT ON (d.line_id) {_DATA} FROM line_shedding_data d"
            " JOIN enterprise_lines l ON l.holder_id = d.holder_id AND l.id = d.line_id"
            " WHERE d.holder_id = $1 AND ($2::uuid IS NULL OR l.site_id = $2)"
            " ORDER BY d.line_id, d.version DESC",
            holder_id,
            site_id,
        )
    )


async def page_of_data(
    driver: "asyncpg.Connection", holder_id: UUID, after: UUID | None, limit: int
) -> list[Row]:
    """What counts of the lines that have data, the first entered first."""
    return list(
        await driver.fetch(
            f"SELECT DISTINCT ON (d.line_id) {_DATA} FROM line_shedding_data d"
            " WHERE d.holder_id = $1 AND d.line_id > $2 ORDER BY d.line_id, d.version DESC LIMIT $3",
            holder_id,
            after or NOTHING,
            limit,
        )
    )


async def power_meters(driver: "asyncpg.Connection", holder_id: UUID, site_id: UUID | None) -> list[Row]:
    """Electricity meters of lines and of own generation that stand now: id, line_id, flow."""
    return list(
        await driver.fetch(
            "SELECT id, line_id, flow FROM meters WHERE holder_id = $1 AND ($2::uuid IS NULL OR site_id = $2)"
            " AND carrier = 'electricity' AND removed_at IS NULL"
            " AND (flow = 'generation' OR (flow = 'use' AND line_id IS NOT NULL))",
            holder_id,
            site_id,
        )
    )


async def add_plan(driver: "asyncpg.Connection", row: tuple[object, ...]) -> None:
    """Keep a plan: holder, id, site, cut, solar, starts, ends, options, skipped, made at."""
    await driver.execute(
        "INSERT INTO load_shedding_plans"
        " (holder_id, id, site_id, cut_kw, solar_kw, starts_at, ends_at, options, skipped, state, made_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'proposed', $10)",
        *row,
    )


async def find_plan(
    driver: "asyncpg.Connection", holder_id: UUID, plan_id: UUID, *, lock: bool = False
) -> "Row | None":
    """A plan of an enterprise."""
    return await driver.fetchrow(
        f"SELECT {_PLAN} FROM load_shedding_plans WHERE holder_id = $1 AND id = $2" + " FOR UPDATE" * lock,
        holder_id,
        plan_id,
    )


async def page_of_plans(
    driver: "asyncpg.Connection", holder_id: UUID, state: str | None, before: UUID | None, limit: int
) -> list[Row]:
    """Plans of an enterprise, perhaps in a state only, the newest first."""
    return list(
        await driver.fetch(
            f"SELECT {_PLAN} FROM load_shedding_plans WHERE holder_id = $1 AND id < $3"
            " AND ($2::varchar IS NULL OR state = $2) ORDER BY id DESC LIMIT $4",
            holder_id,
            state,
            before or LAST,
            limit,
        )
    )


async def decide_plan(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    plan_id: UUID,
    state: str,
    chosen: int | None,
    now: datetime.datetime,
) -> None:
    """Accept a locked plan's option, or drop the plan."""
    await driver.execute(
        "UPDATE load_shedding_plans SET state = $3, chosen = $4, decided_at = $5 WHERE holder_id = $1 AND id = $2",
        holder_id,
        plan_id,
        state,
        chosen,
        now,
    )
