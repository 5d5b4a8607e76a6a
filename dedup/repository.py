"""SQL of receipts and claims. Every statement is array-shaped; arrays that lock are given in token order."""

from collections.abc import Sequence
from datetime import date, datetime
from struct import Struct
from typing import TYPE_CHECKING
from uuid import UUID

from dedup.binary_copy import copy_rows, days, micros

if TYPE_CHECKING:
    import asyncpg


async def acquire_receipts(
    driver: "asyncpg.Connection",
    tokens: Sequence[UUID],
    macs: Sequence[bytes],
    holder_ids: Sequence[UUID],
    activity_ids: Sequence[UUID],
) -> set[UUID]:
    """Write the receipts that are new; answers their tokens. Waits for a concurrent writer of the same token."""
    rows = await driver.fetch(
        """
        INSERT INTO receipts (token, body_mac, holder_id, activity_id)
        SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::uuid[], $4::uuid[]) AS r (token, mac, holder, activity)
        ORDER BY token
        ON CONFLICT DO NOTHING
        RETURNING token
        """,
        tokens,
        macs,
        holder_ids,
        activity_ids,
    )
    return {row[0] for row in rows}


async def read_receipts(
    driver: "asyncpg.Connection", tokens: Sequence[UUID]
) -> dict[UUID, tuple[bytes, UUID, UUID]]:
    """Token → (MAC of the body, holder, activity) of the receipts that exist."""
    rows = await driver.fetch(
        "SELECT token, body_mac, holder_id, activity_id FROM receipts WHERE token = ANY($1::uuid[])", tokens
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


async def acquire_whole(
    driver: "asyncpg.Connection", tokens: Sequence[UUID], activity_ids: Sequence[UUID]
) -> set[UUID]:
    """Claim tokens for their whole period; answers those that were free."""
    rows = await driver.fetch(
        """
        INSERT INTO whole_claims (token, activity_id)
        SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS c (token, activity) ORDER BY token
        ON CONFLICT DO NOTHING
        RETURNING token
        """,
        tokens,
        activity_ids,
    )
    return {row[0] for row in rows}


async def read_whole(driver: "asyncpg.Connection", tokens: Sequence[UUID]) -> dict[UUID, UUID]:
    """Token → activity that holds it."""
    rows = await driver.fetch(
        "SELECT token, activity_id FROM whole_claims WHERE token = ANY($1::uuid[])", tokens
    )
    return {row[0]: row[1] for row in rows}


async def hand_over_whole(
    driver: "asyncpg.Connection", tokens: Sequence[UUID], activity_ids: Sequence[UUID]
) -> None:
    """Give tokens acquired in this transaction to another activity of it."""
    await driver.execute(
        """
        UPDATE whole_claims w SET activity_id = c.activity
        FROM unnest($1::uuid[], $2::uuid[]) AS c (token, activity) WHERE w.token = c.token
        """,
        tokens,
        activity_ids,
    )


async def lock_interval_tokens(
    driver: "asyncpg.Connection", tokens: Sequence[UUID], days: Sequence[date]
) -> list[tuple[UUID, date]]:
    """Lock tokens until the transaction ends; answers those that may have claims.

    The claims are read by the next statement: one that locked and read at once would read by the snapshot from
    before it waited.
    """
    rows = await driver.fetch(
        """
        INSERT INTO interval_tokens AS t (token, day, claimed)
        SELECT token, day, 1 FROM unnest($1::uuid[], $2::date[]) AS k (token, day) ORDER BY token, day
        ON CONFLICT (token, day) DO UPDATE SET claimed = t.claimed + 1
        RETURNING token, day, claimed
        """,
        tokens,
        days,
    )
    return [(row[0], row[1]) for row in rows if row[2] > 1]


async def read_interval_claims(
    driver: "asyncpg.Connection", tokens: Sequence[UUID], days: Sequence[date]
) -> list[tuple[UUID, datetime, datetime, UUID]]:
    """(token, start, end, activity) of the live claims on locked tokens."""
    rows = await driver.fetch(
        """
        SELECT token, starts_at, ends_at, activity_id FROM interval_claims
        WHERE token = ANY($1::uuid[]) AND day BETWEEN $2 AND $3
        """,
        tokens,
        min(days),
        max(days),
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


IntervalRow = tuple[UUID, date, UUID, int, int, int, int]
"""(token, local day, activity, start, end, raw start, raw end), times in epoch seconds."""

_INTERVAL = Struct(">h i16s ii i16s iq iq iq iq")


async def write_interval_claims(driver: "asyncpg.Connection", rows: Sequence[IntervalRow]) -> None:
    """Write claims that were decided under the lock of their tokens."""
    await copy_rows(
        driver,
        "interval_claims",
        ("token", "day", "activity_id", "starts_at", "ends_at", "raw_starts_at", "raw_ends_at"),
        [
            _INTERVAL.pack(
                7,
                *(16, token.bytes),
                *(4, days(day)),
                *(16, activity_id.bytes),
                *(8, micros(start), 8, micros(end)),
                *(8, micros(raw_start), 8, micros(raw_end)),
            )
            for token, day, activity_id, start, end, raw_start, raw_end in rows
        ],
    )


async def release(driver: "asyncpg.Connection", tokens: Sequence[UUID], activity_ids: Sequence[UUID]) -> None:
    """Free what these activities claim on these tokens (pairs), of either kind."""
    await driver.execute(
        """
        DELETE FROM whole_claims w USING unnest($1::uuid[], $2::uuid[]) AS c (token, activity)
        WHERE w.token = c.token AND w.activity_id = c.activity
        """,
        tokens,
        activity_ids,
    )
    await driver.execute(
        """
        DELETE FROM interval_claims i USING unnest($1::uuid[], $2::uuid[]) AS c (token, activity)
        WHERE i.token = c.token AND i.activity_id = c.activity
        """,
        tokens,
        activity_ids,
    )
