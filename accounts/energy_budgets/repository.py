"""SQL of energy budgets."""

import datetime
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    import asyncpg

Row: TypeAlias = "asyncpg.Record"


async def add_quota(
    driver: "asyncpg.Connection",
    row: tuple[UUID, UUID, str, datetime.date, datetime.date, int, str, str, datetime.datetime],
) -> Row:
    """Enter a quota (holder, id, measure, first day, last day, amount, reference, by, at)."""
    return await driver.fetchrow(
        """
        INSERT INTO energy_quotas
            (holder_id, id, measure, first_day, last_day, amount, document_reference, entered_by, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING *
        """,
        *row,
    )


async def quotas(
    driver: "asyncpg.Connection", holder_id: UUID, since: datetime.date, until: datetime.date
) -> list[Row]:
    """The quotas that count, the last of each measure and period, that begin from `since` to before `until`."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT DISTINCT ON (measure, first_day, last_day) * FROM energy_quotas
        WHERE holder_id = $1 AND first_day >= $2 AND first_day < $3
        ORDER BY measure, first_day, last_day, id DESC
        """,
        holder_id,
        since,
        until,
    )
    return sorted(rows, key=lambda row: (row["first_day"], -row["last_day"].toordinal(), row["measure"]))


async def page_of_quotas(
    driver: "asyncpg.Connection", holder_id: UUID, before: UUID | None, limit: int
) -> list[Row]:
    """All that was entered, the newest first."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT * FROM energy_quotas
        WHERE holder_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
        """,
        holder_id,
        before,
        limit,
    )
    return rows


async def add_warning(
    driver: "asyncpg.Connection",
    row: tuple[UUID, UUID, UUID, str, int, int | None, int | None, datetime.datetime],
) -> bool:
    """Keep a warning (holder, id, quota, kind, used, expected, upper, at); False where it was given before."""
    found = await driver.fetchval(
        """
        INSERT INTO energy_budget_warnings (holder_id, id, quota_id, kind, used, expected, upper, warned_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (holder_id, quota_id, kind) DO NOTHING RETURNING true
        """,
        *row,
    )
    return bool(found)


async def page_of_warnings(
    driver: "asyncpg.Connection", holder_id: UUID, before: UUID | None, limit: int
) -> list[Row]:
    """Warnings with their quotas, the newest first."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT w.*, q.measure, q.first_day, q.last_day, q.amount FROM energy_budget_warnings w
        JOIN energy_quotas q ON q.holder_id = w.holder_id AND q.id = w.quota_id
        WHERE w.holder_id = $1 AND ($2::uuid IS NULL OR w.id < $2) ORDER BY w.id DESC LIMIT $3
        """,
        holder_id,
        before,
        limit,
    )
    return rows


async def holders_with_quotas(
    driver: "asyncpg.Connection", day: datetime.date, after: UUID | None, limit: int
) -> list[UUID]:
    """Enterprises with a quota for a day, by id."""
    rows = await driver.fetch(
        """
        SELECT DISTINCT holder_id FROM energy_quotas
        WHERE first_day <= $1 AND last_day >= $1 AND ($2::uuid IS NULL OR holder_id > $2)
        ORDER BY holder_id LIMIT $3
        """,
        day,
        after,
        limit,
    )
    return [row[0] for row in rows]
