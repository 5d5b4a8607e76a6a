"""SQL of the exchange with carbon exchanges and registries."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlmodel import col, select

from app.auth.principal import prefix
from app.exchanges.models import ExchangeConnection, ExchangeInstruction, InstructionState

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from accounts.repository import Driver, Row

_CONNECTION = ", ".join(ExchangeConnection.model_fields)


async def connect(driver: "Driver", row: ExchangeConnection) -> UUID:
    """Know an exchange, or where it is now; one that was disabled counts again. Its id, which stays."""
    values = row.model_dump()
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    found: UUID = await driver.fetchval(
        f"""
        INSERT INTO exchange_connections ({", ".join(values)}) VALUES ({places})
        ON CONFLICT (code) DO UPDATE SET name = excluded.name, region = excluded.region, way = excluded.way,
            url = excluded.url, token_url = excluded.token_url, client_id = excluded.client_id,
            sealed_secret = excluded.sealed_secret, folder = excluded.folder, jwks = excluded.jwks,
            disabled_at = NULL
        RETURNING id
        """,
        *values.values(),
    )
    return found


async def known_id(driver: "Driver", code: str) -> UUID | None:
    """The id of an exchange, connected still or not."""
    found: UUID | None = await driver.fetchval("SELECT id FROM exchange_connections WHERE code = $1", code)
    return found


async def disconnect(driver: "Driver", code: str, now: datetime.datetime) -> bool:
    """Tell an exchange no more; False where it is not connected."""
    row = await driver.fetchrow(
        "UPDATE exchange_connections SET disabled_at = $2 WHERE code = $1 AND disabled_at IS NULL RETURNING id",
        code,
        now,
    )
    return row is not None


async def connections(driver: "Driver") -> "list[Row]":
    """The live connections."""
    rows: list[Row] = await driver.fetch(
        f"SELECT {_CONNECTION} FROM exchange_connections WHERE disabled_at IS NULL ORDER BY code"
    )
    return rows


async def code_of(driver: "Driver", exchange_id: UUID) -> str:
    """What an exchange is called."""
    found: str = await driver.fetchval("SELECT code FROM exchange_connections WHERE id = $1", exchange_id)
    return found


async def last_statements(driver: "Driver") -> "dict[UUID, Row]":
    """Exchange → the last day that was compared, and what troubles the oldest that was not."""
    rows = await driver.fetch(
        """
        SELECT exchange_id, max(day) FILTER (WHERE compared_at IS NOT NULL) AS compared_to,
            count(*) FILTER (WHERE compared_at IS NULL) AS waiting
        FROM exchange_statements GROUP BY exchange_id
        """
    )
    return {row["exchange_id"]: row for row in rows}


async def instruction(
    session: "AsyncSession", instruction_id: UUID, *, lock: bool = False
) -> ExchangeInstruction | None:
    """An instruction; locked where it takes a step."""
    query = select(ExchangeInstruction).where(col(ExchangeInstruction.id) == instruction_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return (await session.exec(query)).first()


async def instructions(
    session: "AsyncSession", region: str, state: InstructionState | None, before: UUID | None, limit: int
) -> list[ExchangeInstruction]:
    """Instructions of a region, the newest first."""
    query = select(ExchangeInstruction).where(col(ExchangeInstruction.region).startswith(prefix(region)))
    if state is not None:
        query = query.where(col(ExchangeInstruction.state) == state)
    if before is not None:
        query = query.where(col(ExchangeInstruction.id) < before)
    return list((await session.exec(query.order_by(col(ExchangeInstruction.id).desc()).limit(limit))).all())


async def account_at(driver: "Driver", exchange_id: UUID, account_id: UUID) -> str | None:
    """The number of an account at an exchange, by the opening that was done."""
    found: str | None = await driver.fetchval(
        """
        SELECT reference FROM exchange_instructions
        WHERE exchange_id = $1 AND kind = 'open_account' AND subject = $2::text AND state = 'done'
        """,
        exchange_id,
        str(account_id),
    )
    return found


async def add(driver: "Driver", row: ExchangeInstruction, content: str) -> bool:
    """Stage an instruction; False where the same is staged, approved or done."""
    found = await driver.fetchval(
        """
        INSERT INTO exchange_instructions (id, exchange_id, region, kind, subject, content, account_id, delivery_id,
            quantity_kg, price_fen_per_t, state, staged_by, staged_at, attempts, due_at, reference, last_error)
        VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, $10, 'staged', $11, $12, 0, $12, '', '')
        ON CONFLICT (exchange_id, kind, subject) WHERE state IN ('staged', 'approved', 'done') DO NOTHING
        RETURNING true
        """,
        row.id,
        row.exchange_id,
        row.region,
        row.kind,
        row.subject,
        content,
        row.account_id,
        row.delivery_id,
        row.quantity_kg,
        row.price_fen_per_t,
        row.staged_by,
        row.staged_at,
    )
    return bool(found)


async def take_due(
    driver: "Driver", now: datetime.datetime, until: datetime.datetime, limit: int
) -> "list[Row]":
    """Approved instructions that are due, leased."""
    rows: list[Row] = await driver.fetch(
        """
        WITH taken AS (
            SELECT i.id FROM exchange_instructions i
            JOIN exchange_connections c ON c.id = i.exchange_id AND c.disabled_at IS NULL
            WHERE i.state = 'approved' AND i.due_at <= $1
            ORDER BY i.due_at, i.id LIMIT $3 FOR UPDATE OF i SKIP LOCKED)
        UPDATE exchange_instructions i SET due_at = $2, attempts = i.attempts + 1
        FROM taken WHERE i.id = taken.id
        RETURNING i.id, i.exchange_id, i.kind, i.content::text AS content, i.delivery_id, i.quantity_kg, i.attempts
        """,
        now,
        until,
        limit,
    )
    return rows


async def again(
    driver: "Driver", instruction_id: UUID, attempts: int, due_at: datetime.datetime, trouble: str
) -> None:
    """Tell it again later, unless another process holds it now."""
    await driver.execute(
        """
        UPDATE exchange_instructions SET due_at = $3, last_error = $4
        WHERE id = $1 AND attempts = $2 AND state = 'approved'
        """,
        instruction_id,
        attempts,
        due_at,
        trouble,
    )


async def settle(
    driver: "Driver",
    instruction_id: UUID,
    state: InstructionState,
    reference: str,
    done_on: datetime.date | None,
    trouble: str,
    now: datetime.datetime,
) -> bool:
    """Write down what came of it; False where another process did."""
    found = await driver.fetchval(
        """
        UPDATE exchange_instructions SET state = $2, reference = $3, done_on = $4, last_error = $5, settled_at = $6
        WHERE id = $1 AND state = 'approved' RETURNING true
        """,
        instruction_id,
        state.value,
        reference,
        done_on,
        trouble,
        now,
    )
    return bool(found)


async def know_days(
    driver: "Driver", exchange_id: UUID, days: Sequence[datetime.date], now: datetime.datetime
) -> None:
    """Have the statements of days looked for."""
    await driver.execute(
        """
        INSERT INTO exchange_statements (exchange_id, day, look_at, last_error)
        SELECT $1, day, $3, '' FROM unnest($2::date[]) AS day ON CONFLICT DO NOTHING
        """,
        exchange_id,
        list(days),
        now,
    )


async def take_day(
    driver: "Driver", exchange_id: UUID, now: datetime.datetime, until: datetime.datetime
) -> datetime.date | None:
    """The first day whose statement is due, leased."""
    found: datetime.date | None = await driver.fetchval(
        """
        UPDATE exchange_statements s SET look_at = $3 FROM (
            SELECT day FROM exchange_statements
            WHERE exchange_id = $1 AND compared_at IS NULL AND look_at <= $2
            ORDER BY day LIMIT 1 FOR UPDATE SKIP LOCKED) due
        WHERE s.exchange_id = $1 AND s.day = due.day RETURNING s.day
        """,
        exchange_id,
        now,
        until,
    )
    return found


async def statement_trouble(driver: "Driver", exchange_id: UUID, day: datetime.date, trouble: str) -> None:
    """Write down why a statement is not compared."""
    await driver.execute(
        "UPDATE exchange_statements SET last_error = $3 WHERE exchange_id = $1 AND day = $2",
        exchange_id,
        day,
        trouble,
    )


async def mark_compared(
    driver: "Driver", exchange_id: UUID, day: datetime.date, lines: int, now: datetime.datetime
) -> bool:
    """Close a day; False where another process did."""
    found = await driver.fetchval(
        """
        UPDATE exchange_statements SET compared_at = $4, lines = $3, last_error = ''
        WHERE exchange_id = $1 AND day = $2 AND compared_at IS NULL RETURNING true
        """,
        exchange_id,
        day,
        lines,
        now,
    )
    return bool(found)


async def done_instructions(
    driver: "Driver", exchange_id: UUID, day: datetime.date, named: Sequence[UUID]
) -> "list[Row]":
    """What our books have as done on a day, and what a statement names, done whenever."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT id, kind, region, quantity_kg, price_fen_per_t, reference, done_on FROM exchange_instructions
        WHERE exchange_id = $1 AND state = 'done' AND (done_on = $2 OR id = ANY($3::uuid[])) ORDER BY id
        """,
        exchange_id,
        day,
        list(named),
    )
    return rows


async def held_kg(driver: "Driver", exchange_id: UUID, day: datetime.date) -> int:
    """What was delivered to an exchange and not retired there, at the end of a day by its own word, in kg."""
    found: int = await driver.fetchval(
        """
        SELECT coalesce(sum(CASE kind WHEN 'deliver_units' THEN quantity_kg WHEN 'retire' THEN -quantity_kg ELSE 0 END),
            0)::bigint
        FROM exchange_instructions WHERE exchange_id = $1 AND state = 'done' AND done_on <= $2
        """,
        exchange_id,
        day,
    )
    return found


async def write_differences(driver: "Driver", rows: "Sequence[tuple[object, ...]]") -> None:
    """Differences (id, exchange, day, instruction, kind, region or None, ours, theirs, moment)."""
    await driver.executemany(
        """
        INSERT INTO exchange_differences (id, exchange_id, day, instruction, kind, region, ours, theirs, found_at)
        SELECT $1, c.id, $3, $4, $5, coalesce($6, c.region), $7, $8, $9 FROM exchange_connections c WHERE c.id = $2
        """,
        rows,
    )


async def differences(driver: "Driver", region: str, before: UUID | None, limit: int) -> "list[Row]":
    """Differences of a region, the newest first."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT d.id, c.code AS exchange, d.day, d.instruction, d.kind, d.region, d.ours, d.theirs, d.found_at
        FROM exchange_differences d JOIN exchange_connections c ON c.id = d.exchange_id
        WHERE starts_with(d.region, $1) AND ($2::uuid IS NULL OR d.id < $2) ORDER BY d.id DESC LIMIT $3
        """,
        prefix(region),
        before,
        limit,
    )
    return rows


async def owner_of(driver: "Driver", account_id: UUID) -> "Row | None":
    """Whose a registry account is: id, name, region; organisations' only."""
    return await driver.fetchrow(
        """
        SELECT a.id, o.name, a.region FROM registry_accounts a JOIN organisations o ON o.id = a.organisation_id
        WHERE a.id = $1
        """,
        account_id,
    )


async def blocks(driver: "Driver", region: str, after: int, limit: int) -> "list[Row]":
    """Live ranges of units of a region from a number on, with what they came of and what became of them."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT lower(h.units) AS first, upper(h.units) AS beyond, h.status, o.vintage, o.unit_type, o.kind, o.region,
            o.methodology, coalesce(r.purpose, c.reason, '') AS why, h.account_id
        FROM unit_holdings h JOIN unit_origins o ON o.id = h.origin_id
        LEFT JOIN unit_retirements r ON r.id = h.begun_by
        LEFT JOIN unit_cancellations c ON c.id = h.begun_by
        WHERE h.ended_at IS NULL AND h.units && int8range($2, NULL) AND lower(h.units) >= $2
          AND starts_with(o.region, $1)
        ORDER BY lower(h.units) LIMIT $3
        """,
        prefix(region),
        after,
        limit,
    )
    return rows
