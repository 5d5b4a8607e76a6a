"""SQL of payments."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from dedup.periods import LOCAL
from dedup.writes import Writes

if TYPE_CHECKING:
    import asyncpg

    from points.payments.models import PaymentState


async def open_payment(
    driver: "asyncpg.Connection",
    payment_id: UUID,
    order: tuple[str, UUID, UUID, str, int, datetime.datetime],
    provider: str,
    out_trade_no: str,
    now: datetime.datetime,
    look_at: datetime.datetime,
) -> "asyncpg.Record":
    """The payment of an order (kind, id, payer, region, fen, until): a new one, or the one it has already."""
    await driver.execute(
        """
        INSERT INTO payments (id, subject, subject_id, payer_id, region, amount_fen, expires_at, provider,
            out_trade_no, state, created_at, look_at, looks)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'awaiting', $10, $11, 0)
        ON CONFLICT (subject_id) DO NOTHING
        """,
        payment_id,
        *order,
        provider,
        out_trade_no,
        now,
        look_at,
    )
    return await driver.fetchrow("SELECT * FROM payments WHERE subject_id = $1", order[1])


async def lock_payment(driver: "asyncpg.Connection", out_trade_no: str) -> "asyncpg.Record | None":
    """A payment by its number; others that tell of it wait."""
    return await driver.fetchrow("SELECT * FROM payments WHERE out_trade_no = $1 FOR UPDATE", out_trade_no)


async def mark_paid(
    driver: "asyncpg.Connection",
    payment_id: UUID,
    state: "PaymentState",
    transaction_id: str,
    paid_fen: int,
    paid_at: datetime.datetime,
    reason: str | None,
    look_at: datetime.datetime | None,
    trouble: str | None,
) -> None:
    """Keep that it was paid, and what follows."""
    await driver.execute(
        """
        UPDATE payments SET state = $2, transaction_id = $3, paid_fen = $4, paid_at = $5, refund_reason = $6,
            look_at = $7, looks = 0, trouble = $8
        WHERE id = $1
        """,
        payment_id,
        state.value,
        transaction_id,
        paid_fen,
        paid_at,
        reason,
        look_at,
        trouble,
    )


async def mark_refund(
    driver: "asyncpg.Connection",
    payment_id: UUID,
    state: "PaymentState",
    accepted_at: datetime.datetime | None,
    refunded_at: datetime.datetime | None,
    look_at: datetime.datetime | None,
    trouble: str | None,
) -> None:
    """Keep how a refund stands."""
    await driver.execute(
        """
        UPDATE payments SET state = $2, refund_at = coalesce(refund_at, $3), refunded_at = $4, look_at = $5,
            trouble = $6
        WHERE id = $1
        """,
        payment_id,
        state.value,
        accepted_at,
        refunded_at,
        look_at,
        trouble,
    )


async def mark_closed(driver: "asyncpg.Connection", payment_id: UUID) -> bool:
    """Close a payment that still awaits."""
    done = await driver.execute(
        "UPDATE payments SET state = 'closed', look_at = NULL WHERE id = $1 AND state = 'awaiting'",
        payment_id,
    )
    return bool(done == "UPDATE 1")


def begin_refunds(writes: Writes, subject_ids: Sequence[UUID], reason: str, now: datetime.datetime) -> None:
    """Have what was paid for these subjects given back, once."""
    writes.add(
        """
        UPDATE payments SET state = 'refunding', refund_reason = $2::varchar, look_at = $3::timestamptz, looks = 0
        WHERE subject_id = ANY($1::uuid[]) AND state = 'paid'
        """,
        list(subject_ids),
        reason,
        now,
    )


async def take_due(
    driver: "asyncpg.Connection", now: datetime.datetime, until: datetime.datetime, limit: int
) -> "list[asyncpg.Record]":
    """Lease payments that the provider is to be asked about."""
    rows: list[asyncpg.Record] = await driver.fetch(
        """
        UPDATE payments p SET look_at = $2, looks = p.looks + 1
        FROM (SELECT id FROM payments WHERE look_at <= $1 ORDER BY look_at LIMIT $3 FOR UPDATE SKIP LOCKED) d
        WHERE p.id = d.id RETURNING p.*
        """,
        now,
        until,
        limit,
    )
    return rows


async def look_again(
    driver: "asyncpg.Connection",
    payment_id: UUID,
    looks: int,
    look_at: datetime.datetime,
    trouble: str | None,
) -> None:
    """Ask again later, unless something else was decided meanwhile."""
    await driver.execute(
        "UPDATE payments SET look_at = $3, trouble = $4 WHERE id = $1 AND looks = $2 AND look_at IS NOT NULL",
        payment_id,
        looks,
        look_at,
        trouble,
    )


async def look_now(driver: "asyncpg.Connection", payment_ids: Sequence[UUID], now: datetime.datetime) -> None:
    """Ask the provider about these as soon as may be."""
    await driver.execute(
        "UPDATE payments SET look_at = $2 WHERE id = ANY($1::uuid[])", list(payment_ids), now
    )


# Bills


async def know_days(
    driver: "asyncpg.Connection", provider: str, days: Sequence[datetime.date], now: datetime.datetime
) -> None:
    """Have the bills of days compared that were not before."""
    await driver.execute(
        """
        INSERT INTO payment_bills (provider, day, look_at)
        SELECT $1, day, $3 FROM unnest($2::date[]) AS day ON CONFLICT DO NOTHING
        """,
        provider,
        list(days),
        now,
    )


async def first_day(driver: "asyncpg.Connection", provider: str) -> datetime.date | None:
    """The local day of the first payment."""
    moment = await driver.fetchval("SELECT min(created_at) FROM payments WHERE provider = $1", provider)
    return None if moment is None else moment.astimezone(LOCAL).date()


async def take_day(
    driver: "asyncpg.Connection", provider: str, now: datetime.datetime, until: datetime.datetime
) -> datetime.date | None:
    """Lease the earliest day whose bill is to be compared."""
    day: datetime.date | None = await driver.fetchval(
        """
        UPDATE payment_bills b SET look_at = $3
        FROM (
            SELECT day FROM payment_bills
            WHERE provider = $1 AND compared_at IS NULL AND look_at <= $2
            ORDER BY day LIMIT 1 FOR UPDATE SKIP LOCKED) d
        WHERE b.provider = $1 AND b.day = d.day RETURNING b.day
        """,
        provider,
        now,
        until,
    )
    return day


async def mark_compared(
    driver: "asyncpg.Connection", provider: str, day: datetime.date, lines: int, now: datetime.datetime
) -> bool:
    """Keep that a day was compared; False where somebody else did."""
    done = await driver.execute(
        """
        UPDATE payment_bills SET compared_at = $4, lines = $3
        WHERE provider = $1 AND day = $2 AND compared_at IS NULL
        """,
        provider,
        day,
        lines,
        now,
    )
    return bool(done == "UPDATE 1")


async def payments_of_day(
    driver: "asyncpg.Connection",
    provider: str,
    since: datetime.datetime,
    until: datetime.datetime,
    named: Sequence[str],
) -> "list[asyncpg.Record]":
    """Payments paid or given back in a span, and those of the named numbers."""
    rows: list[asyncpg.Record] = await driver.fetch(
        """
        SELECT * FROM payments WHERE provider = $1 AND paid_at >= $2 AND paid_at < $3
        UNION SELECT * FROM payments WHERE provider = $1 AND refund_at >= $2 AND refund_at < $3
        UNION SELECT * FROM payments WHERE provider = $1 AND out_trade_no = ANY($4::varchar[])
        """,
        provider,
        since,
        until,
        list(named),
    )
    return rows


async def write_differences(
    driver: "asyncpg.Connection",
    rows: Sequence[tuple[UUID, str, datetime.date, str, str, str, int | None, int | None, datetime.datetime]],
) -> None:
    """Keep (id, provider, day, number, kind, region, ours, theirs, found at)."""
    await driver.executemany(
        """
        INSERT INTO payment_differences
            (id, provider, day, out_trade_no, kind, region, ours_fen, theirs_fen, found_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        list(rows),
    )
