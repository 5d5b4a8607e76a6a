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


def take_from_lots(
    writes: "Writes",
    holder_ids: Sequence[UUID],
    asset_ids: Sequence[int],
    expires_on: Sequence[date],
    amounts: Sequence[int],
) -> None:
    """Take points out of the lots that they were earned into, one row for each; a CHECK is the backstop."""
    writes.add(
        """
        UPDATE lots l SET earned = l.earned - t.amount, remaining = l.remaining - t.amount
        FROM unnest($1::uuid[], $2::int[], $3::date[], $4::bigint[]) AS t (holder, asset, expires, amount)
        WHERE l.holder_id = t.holder AND l.asset_id = t.asset AND l.expires_on = t.expires
        """,
        holder_ids,
        asset_ids,
        expires_on,
        amounts,
    )


async def lots_of(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID]
) -> dict[UUID, dict[tuple[int, date], int]]:
    """Holder → (asset, expiry date) → what is left."""
    found: dict[UUID, dict[tuple[int, date], int]] = {}
    for holder, asset, expires_on, remaining in await driver.fetch(
        "SELECT holder_id, asset_id, expires_on, remaining FROM lots WHERE holder_id = ANY($1::uuid[])",
        holder_ids,
    ):
        found.setdefault(holder, {})[asset, expires_on] = remaining
    return found


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
