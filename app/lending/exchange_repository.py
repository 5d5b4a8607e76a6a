"""SQL of the exchange with banks' own systems."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from app.lending.exchange_models import BankConnection

if TYPE_CHECKING:
    from accounts.repository import Driver, Row

_CONNECTION = ", ".join(BankConnection.model_fields)


async def connect(driver: "Driver", row: BankConnection) -> None:
    """Know a bank's API, or where it is now; one that was disabled counts again."""
    values = row.model_dump()
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    await driver.execute(
        f"""
        INSERT INTO bank_connections ({", ".join(values)}) VALUES ({places})
        ON CONFLICT (bank_id) DO UPDATE SET url = excluded.url, token_url = excluded.token_url,
            client_id = excluded.client_id, sealed_secret = excluded.sealed_secret, jwks = excluded.jwks,
            disabled_at = NULL
        """,
        *values.values(),
    )


async def disconnect(driver: "Driver", bank_id: UUID, now: datetime.datetime) -> bool:
    """Ask a bank no more; False where it is not connected."""
    row = await driver.fetchrow(
        "UPDATE bank_connections SET disabled_at = $2 WHERE bank_id = $1 AND disabled_at IS NULL RETURNING bank_id",
        bank_id,
        now,
    )
    return row is not None


async def connections(driver: "Driver") -> "list[Row]":
    """The live connections."""
    rows: list[Row] = await driver.fetch(
        f"SELECT {_CONNECTION} FROM bank_connections WHERE disabled_at IS NULL ORDER BY bank_id"
    )
    return rows


async def is_bank(driver: "Driver", bank_id: UUID) -> bool:
    """Whether an organisation is a bank."""
    return bool(await driver.fetchval("SELECT 1 FROM organisations WHERE id = $1 AND kind = 'bank'", bank_id))


async def insert_messages(driver: "Driver", rows: "Sequence[tuple[object, ...]]") -> None:
    """Messages (id, bank, holder, grant, kind, subject, data, moment) for the banks that have a live connection."""
    await driver.executemany(
        """
        INSERT INTO bank_messages
            (id, bank_id, holder_id, grant_id, kind, subject, data, happened_at, state, attempts, due_at, receipt,
             last_error)
        SELECT $1, c.bank_id, $3, $4, $5, $6, $7, $8, 'pending', 0, $8, '', ''
        FROM bank_connections c WHERE c.bank_id = $2 AND c.disabled_at IS NULL
        """,
        rows,
    )


async def take_due(
    driver: "Driver", now: datetime.datetime, until: datetime.datetime, limit: int
) -> "list[Row]":
    """Messages that are due, leased; of each bank and subject the first only, so that they come in their order.

    `live` tells whether the holder's grant still lets the bank be told.
    """
    rows: list[Row] = await driver.fetch(
        """
        WITH taken AS (
            SELECT m.id FROM bank_messages m
            JOIN bank_connections c ON c.bank_id = m.bank_id AND c.disabled_at IS NULL
            WHERE m.state = 'pending' AND m.due_at <= $1 AND NOT EXISTS (
                SELECT FROM bank_messages e WHERE e.state = 'pending' AND e.bank_id = m.bank_id
                    AND e.subject = m.subject AND e.id < m.id)
            ORDER BY m.due_at LIMIT $3 FOR UPDATE OF m SKIP LOCKED)
        UPDATE bank_messages m SET due_at = $2, attempts = m.attempts + 1 FROM taken WHERE m.id = taken.id
        RETURNING m.id, m.bank_id, m.kind, m.subject, m.data, m.happened_at, m.attempts, EXISTS (
            SELECT FROM bank_grants g WHERE g.holder_id = m.holder_id AND g.id = m.grant_id
                AND g.ended_at IS NULL AND g.valid_until > $1) AS live
        """,
        now,
        until,
        limit,
    )
    return rows


async def settle(
    driver: "Driver",
    message_id: UUID,
    attempts: int,
    state: str,
    said: tuple[str, str],
    now: datetime.datetime,
) -> None:
    """Delivered or refused, with the bank's receipt and the trouble; by whom still has the lease."""
    await driver.execute(
        """
        UPDATE bank_messages SET state = $3, receipt = $4, last_error = $5, settled_at = $6
        WHERE id = $1 AND attempts = $2 AND state = 'pending'
        """,
        message_id,
        attempts,
        state,
        *said,
        now,
    )


async def again(
    driver: "Driver", message_id: UUID, attempts: int, due_at: datetime.datetime, trouble: str
) -> None:
    """Try later."""
    await driver.execute(
        """
        UPDATE bank_messages SET due_at = $3, last_error = $4
        WHERE id = $1 AND attempts = $2 AND state = 'pending'
        """,
        message_id,
        attempts,
        due_at,
        trouble,
    )


async def know_days(
    driver: "Driver", bank_id: UUID, days: Sequence[datetime.date], now: datetime.datetime
) -> None:
    """Days whose file is to be compared."""
    await driver.execute(
        """
        INSERT INTO bank_files (bank_id, day, look_at, last_error)
        SELECT $1, day, $3, '' FROM unnest($2::date[]) AS day ON CONFLICT DO NOTHING
        """,
        bank_id,
        days,
        now,
    )


async def take_day(
    driver: "Driver", bank_id: UUID, now: datetime.datetime, until: datetime.datetime
) -> datetime.date | None:
    """The earliest day that is due, leased."""
    found: datetime.date | None = await driver.fetchval(
        """
        UPDATE bank_files SET look_at = $3 WHERE bank_id = $1 AND day = (
            SELECT day FROM bank_files WHERE bank_id = $1 AND compared_at IS NULL AND look_at <= $2
            ORDER BY day LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING day
        """,
        bank_id,
        now,
        until,
    )
    return found


async def loans_of_day(
    driver: "Driver", bank_id: UUID, day: datetime.date, numbers: Sequence[str]
) -> "list[Row]":
    """The bank's loans of a day, and those of the numbers, in their latest version."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT number, region, amount_fen, rate_bp, state, granted_on FROM green_loans
        WHERE bank_id = $1 AND latest AND (granted_on = $2 OR number = ANY($3::varchar[]))
        """,
        bank_id,
        day,
        numbers,
    )
    return rows


async def mark_compared(
    driver: "Driver", bank_id: UUID, day: datetime.date, lines: int, now: datetime.datetime
) -> bool:
    """Once: False where another did it."""
    row = await driver.fetchrow(
        """
        UPDATE bank_files SET compared_at = $4, lines = $3, last_error = ''
        WHERE bank_id = $1 AND day = $2 AND compared_at IS NULL RETURNING day
        """,
        bank_id,
        day,
        lines,
        now,
    )
    return row is not None


async def file_trouble(driver: "Driver", bank_id: UUID, day: datetime.date, trouble: str) -> None:
    """Why a day is not compared yet."""
    await driver.execute(
        "UPDATE bank_files SET last_error = $3 WHERE bank_id = $1 AND day = $2 AND compared_at IS NULL",
        bank_id,
        day,
        trouble,
    )


async def write_differences(driver: "Driver", rows: "Sequence[tuple[object, ...]]") -> None:
    """(id, bank, day, number, kind, region or None, ours, theirs, moment); the bank's own region where it is None."""
    await driver.executemany(
        """
        INSERT INTO bank_differences (id, bank_id, day, number, kind, region, ours, theirs, found_at)
        SELECT $1, o.id, $3, $4, $5, coalesce($6, o.region), $7, $8, $9 FROM organisations o WHERE o.id = $2
        """,
        rows,
    )


async def page_of_differences(driver: "Driver", within: str, before: UUID | None, limit: int) -> "list[Row]":
    """Differences of a region and its parts, the latest first."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT d.id, o.name AS bank, d.day, d.number, d.kind, d.region, d.ours, d.theirs, d.found_at
        FROM bank_differences d JOIN organisations o ON o.id = d.bank_id
        WHERE d.region LIKE $1 || '%' AND ($2::uuid IS NULL OR d.id < $2) ORDER BY d.id DESC LIMIT $3
        """,
        within,
        before,
        limit,
    )
    return rows
