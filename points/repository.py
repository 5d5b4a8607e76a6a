"""SQL that an intake batch needs of points."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    import asyncpg

    from dedup.writes import Writes


def add_to_lots(
    writes: "Writes",
    holder_ids: Sequence[UUID],
    asset_ids: Sequence[int],
    expires_on: Sequence[date],
    amounts: Sequence[int],
    now: datetime,
) -> None:
    """Earn points into lots, one row for each (holder, asset, expiry date)."""
    writes.add(
        """
        INSERT INTO lots AS l (holder_id, asset_id, expires_on, earned, remaining, opened_at)
        SELECT holder, asset, expires, amount, amount, $5::timestamptz
        FROM unnest($1::uuid[], $2::int[], $3::date[], $4::bigint[]) AS e (holder, asset, expires, amount)
        ON CONFLICT (holder_id, asset_id, expires_on)
        DO UPDATE SET earned = l.earned + excluded.earned, remaining = l.remaining + excluded.remaining
        """,
        holder_ids,
        asset_ids,
        expires_on,
        amounts,
        now,
    )


async def take_back(
    driver: "asyncpg.Connection", holder_id: UUID, asset_id: int, expires_on: date, amount: int
) -> bool:
    """Take reversed points out of the lot they were earned into; False where the lot no longer holds them."""
    row = await driver.fetchrow(
        """
        UPDATE lots SET earned = earned - $4, remaining = remaining - $4
        WHERE holder_id = $1 AND asset_id = $2 AND expires_on = $3 AND remaining >= $4
        RETURNING remaining
        """,
        holder_id,
        asset_id,
        expires_on,
        amount,
    )
    return row is not None
