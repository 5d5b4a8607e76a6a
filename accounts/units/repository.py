"""SQL of units. Holdings change by `tanpuhui_move_units`, which locks the account that units leave."""

import datetime
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from asyncpg import Range

from accounts.units.ranges import UnitRange
from accounts.units.serials import Origin, OriginKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

Row: TypeAlias = "asyncpg.Record"
_ORIGIN = "o.id, o.kind, o.subject_id, o.region, o.methodology, o.vintage, o.unit_type"


def of_ranges(ranges: "Iterable[Range]") -> tuple[UnitRange, ...]:
    """Ranges as PostgreSQL gives them, which are half-open."""
    return tuple(UnitRange(each.lower, each.upper) for each in ranges)


def origin_of_row(row: Row) -> Origin:
    """An origin as it is stored."""
    return Origin(
        row["id"],
        OriginKind(row["kind"]),
        row["subject_id"],
        row["region"],
        row["methodology"],
        row["vintage"],
        row["unit_type"],
    )


async def account_exists(driver: "asyncpg.Connection", account_id: UUID) -> bool:
    """Whether there is such a registry account."""
    return bool(await driver.fetchval("SELECT true FROM registry_accounts WHERE id = $1", account_id))


async def take_numbers(driver: "asyncpg.Connection", quantity_kg: int) -> UnitRange:
    """The next free numbers, in one range."""
    end = await driver.fetchval(
        "UPDATE unit_numbers SET next_number = next_number + $1 WHERE id = 1 RETURNING next_number",
        quantity_kg,
    )
    return UnitRange(end - quantity_kg, end)


async def give_numbers_back(driver: "asyncpg.Connection", quantity_kg: int) -> None:
    """Undo what this transaction just took."""
    await driver.execute("UPDATE unit_numbers SET next_number = next_number - $1 WHERE id = 1", quantity_kg)


async def add_origin(
    driver: "asyncpg.Connection", origin: Origin, units: UnitRange, now: datetime.datetime
) -> bool:
    """Write down what a range came of; False where its subject has units already."""
    made = await driver.fetchval(
        """
        INSERT INTO unit_origins (id, kind, subject_id, region, methodology, vintage, unit_type, units, issued_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (subject_id) DO NOTHING RETURNING true
        """,
        origin.id,
        origin.kind.value,
        origin.subject_id,
        origin.region,
        origin.methodology,
        origin.vintage,
        origin.unit_type,
        Range(units.first, units.end),
        now,
    )
    return bool(made)


async def add_issued(
    driver: "asyncpg.Connection",
    movement_id: UUID,
    origin: Origin,
    account_id: UUID,
    units: UnitRange,
    now: datetime.datetime,
) -> None:
    """The first holding of a range, and the movement that began it."""
    await driver.execute(
        """
        WITH moved AS (
            INSERT INTO unit_movements (id, kind, account_id, subject_id, units, at)
            VALUES ($1, 'issued', $2, $3, int8multirange($4::int8range), $5))
        INSERT INTO unit_holdings (units, origin_id, account_id, status, rest, begun_by, begun_at)
        VALUES ($4, $6, $2, 'held', false, $1, $5)
        """,
        movement_id,
        account_id,
        origin.subject_id,
        Range(units.first, units.end),
        now,
        origin.id,
    )


async def move(
    driver: "asyncpg.Connection",
    movement_id: UUID,
    kind: str,
    account_id: UUID,
    lock_id: UUID | None,
    origin_id: UUID | None,
    quantity_kg: int | None,
    to: tuple[UUID | None, str, UUID | None],
    subject_id: UUID,
    now: datetime.datetime,
) -> tuple[str, tuple[UnitRange, ...]]:
    """Move units that are held freely, or that a lock has, to another (account, status, lock).

    `moved` with their ranges; or `insufficient`, `frozen` or `missing`, with nothing written.
    """
    row = await driver.fetchrow(
        "SELECT outcome, moved FROM tanpuhui_move_units($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        movement_id,
        kind,
        account_id,
        lock_id,
        origin_id,
        quantity_kg,
        *to,
        subject_id,
        now,
    )
    if row is None:
        raise LookupError("the function answers with one row")
    return row["outcome"], of_ranges(row["moved"] or ())


async def move_parts(
    driver: "asyncpg.Connection",
    lock_id: UUID,
    account_id: UUID,
    parts: "Sequence[tuple[UUID, UUID, int, UUID]]",
    now: datetime.datetime,
) -> str:
    """Hand parts of a lock (movement, account, kg, subject) to accounts: `moved`; or why not, with nothing written."""
    outcome: str = await driver.fetchval(
        "SELECT tanpuhui_deliver_units($1, $2, $3, $4, $5, $6, $7)",
        lock_id,
        account_id,
        *([part[column] for part in parts] for column in range(4)),
        now,
    )
    return outcome


async def add_lock(
    driver: "asyncpg.Connection",
    lock_id: UUID,
    account_id: UUID,
    kind: str,
    reason: str,
    subject_id: UUID,
    now: datetime.datetime,
) -> bool:
    """Write down a lock; False where its subject has one already."""
    made = await driver.fetchval(
        """
        INSERT INTO unit_locks (id, account_id, kind, reason, subject_id, locked_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (subject_id) DO NOTHING RETURNING true
        """,
        lock_id,
        account_id,
        kind,
        reason,
        subject_id,
        now,
    )
    return bool(made)


async def lock_by_id(driver: "asyncpg.Connection", lock_id: UUID) -> "Row | None":
    """A lock: id, account_id, kind, reason, subject_id."""
    return await driver.fetchrow(
        "SELECT id, account_id, kind, reason, subject_id FROM unit_locks WHERE id = $1", lock_id
    )


async def lock_of_subject(driver: "asyncpg.Connection", subject_id: UUID) -> "Row | None":
    """The lock of a subject: id, account_id, kind, reason, subject_id."""
    return await driver.fetchrow(
        "SELECT id, account_id, kind, reason, subject_id FROM unit_locks WHERE subject_id = $1", subject_id
    )


async def ranges_of_lock(driver: "asyncpg.Connection", lock_id: UUID) -> tuple[UnitRange, ...]:
    """What a lock still has, the lowest numbers first."""
    found = await driver.fetchval(
        "SELECT range_agg(units) FROM unit_holdings WHERE lock_id = $1 AND ended_at IS NULL", lock_id
    )
    return of_ranges(found or ())


async def add_retirement(driver: "asyncpg.Connection", row: tuple[object, ...]) -> bool:
    """Write down a retirement (id, account, subject, purpose, beneficiary, period, time); False for a known subject."""
    made = await driver.fetchval(
        """
        INSERT INTO unit_retirements
            (id, account_id, subject_id, purpose, beneficiary, obligation_period, retired_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (subject_id) DO NOTHING RETURNING true
        """,
        *row,
    )
    return bool(made)


async def retirement_of(driver: "asyncpg.Connection", subject_id: UUID) -> "Row | None":
    """What was retired for a subject."""
    return await driver.fetchrow(
        """
        SELECT id, account_id, subject_id, purpose, beneficiary, obligation_period, retired_at
        FROM unit_retirements WHERE subject_id = $1
        """,
        subject_id,
    )


async def add_cancellation(driver: "asyncpg.Connection", row: tuple[object, ...]) -> bool:
    """Write down a cancellation (id, account, subject, reason, time); False for a known subject."""
    made = await driver.fetchval(
        """
        INSERT INTO unit_cancellations (id, account_id, subject_id, reason, cancelled_at)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (subject_id) DO NOTHING RETURNING true
        """,
        *row,
    )
    return bool(made)


async def parts_of(driver: "asyncpg.Connection", movement_id: UUID) -> list[tuple[Origin, UnitRange]]:
    """The ranges of a movement, each of one origin, the lowest numbers first."""
    return [(origin, part) for _, origin, part in await parts_of_all(driver, [movement_id])]


async def parts_of_all(
    driver: "asyncpg.Connection", movement_ids: list[UUID]
) -> list[tuple[UUID, Origin, UnitRange]]:
    """The ranges of movements, each of one origin, the lowest numbers first."""
    rows = await driver.fetch(
        f"""
        SELECT m.id AS movement_id, {_ORIGIN}, o.units * r AS part
        FROM unit_movements m CROSS JOIN unnest(m.units) AS r JOIN unit_origins o ON o.units && r
        WHERE m.id = ANY($1) ORDER BY lower(o.units * r)
        """,
        movement_ids,
    )
    return [
        (row["movement_id"], origin_of_row(row), UnitRange(row["part"].lower, row["part"].upper))
        for row in rows
    ]


async def movements_of(
    driver: "asyncpg.Connection", account_id: UUID, before: UUID | None, limit: int
) -> list[Row]:
    """Movements out of, into and within an account, the newest first."""
    return list(
        await driver.fetch(
            """
            SELECT id, kind, account_id, to_account_id, at FROM (
                (SELECT id, kind, account_id, to_account_id, at FROM unit_movements
                 WHERE account_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3)
                UNION
                (SELECT id, kind, account_id, to_account_id, at FROM unit_movements
                 WHERE to_account_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3)) m
            ORDER BY id DESC LIMIT $3
            """,
            account_id,
            before,
            limit,
        )
    )


async def ranges_of_account(
    driver: "asyncpg.Connection", account_id: UUID, status: str, after: int, limit: int
) -> list[Row]:
    """Ranges of a status that begin at a number or behind it, the lowest first, with their origin."""
    return list(
        await driver.fetch(
            f"""
            SELECT {_ORIGIN}, h.units, h.status, h.begun_at
            FROM unit_holdings h JOIN unit_origins o ON o.id = h.origin_id
            WHERE h.account_id = $1 AND h.status = $2 AND h.ended_at IS NULL AND lower(h.units) >= $3
            ORDER BY lower(h.units) LIMIT $4
            """,
            account_id,
            status,
            after,
            limit,
        )
    )


async def held_by_origin(
    driver: "asyncpg.Connection", account_id: UUID, origin_id: UUID | None
) -> list[tuple[Origin, int]]:
    """What an account holds freely of each origin, in kg."""
    rows = await driver.fetch(
        f"""
        SELECT {_ORIGIN}, h.kg FROM (
            SELECT origin_id, sum(upper(units) - lower(units))::bigint AS kg FROM unit_holdings
            WHERE account_id = $1 AND status = 'held' AND ended_at IS NULL
              AND ($2::uuid IS NULL OR origin_id = $2) GROUP BY origin_id) h
        JOIN unit_origins o ON o.id = h.origin_id ORDER BY lower(o.units)
        """,
        account_id,
        origin_id,
    )
    return [(origin_of_row(row), row["kg"]) for row in rows]


async def origin_of(driver: "asyncpg.Connection", subject_id: UUID) -> Origin | None:
    """The origin of a subject."""
    row = await driver.fetchrow(f"SELECT {_ORIGIN} FROM unit_origins o WHERE o.subject_id = $1", subject_id)
    return None if row is None else origin_of_row(row)
