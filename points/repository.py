"""SQL of lots: earned into, spent from the earliest on, given back to where they came from."""

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Part:
    """Points taken from, or to be given back to, one lot."""

    asset_id: int
    expires_on: date
    points: int


def earliest_first(lots: Sequence[Part], points: int) -> list[Part] | None:
    """The parts of the lots that make up a price, the earliest expiry first; None where they do not suffice."""
    taken: list[Part] = []
    for lot in sorted(lots, key=lambda lot: (lot.expires_on, lot.asset_id)):
        if points <= 0:
            break
        share = min(lot.points, points)
        if share > 0:
            taken.append(Part(lot.asset_id, lot.expires_on, share))
            points -= share
    return None if points > 0 else taken


async def read_lots(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID], today: date
) -> dict[UUID, list[Part]]:
    """Locked holder → what is left in its lots that have not expired, the earliest first."""
    rows = await driver.fetch(
        """
        SELECT holder_id, asset_id, expires_on, remaining FROM lots
        WHERE holder_id = ANY($1::uuid[]) AND remaining > 0 AND expires_on > $2
        ORDER BY expires_on, asset_id
        """,
        holder_ids,
        today,
    )
    found: dict[UUID, list[Part]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(Part(row[1], row[2], row[3]))
    return found


def change_lots(writes: "Writes", changes: Sequence[tuple[UUID, Part]]) -> None:
    """Take points out of lots (negative) or give them back (positive); one row for each lot, of locked holders."""
    if not changes:
        return
    sums: dict[tuple[UUID, int, date], int] = {}
    for holder_id, part in changes:
        key = (holder_id, part.asset_id, part.expires_on)
        sums[key] = sums.get(key, 0) + part.points
    writes.add(
        """
        UPDATE lots l SET remaining = l.remaining + c.points
        FROM unnest($1::uuid[], $2::int[], $3::date[], $4::bigint[]) AS c (holder, asset, expires, points)
        WHERE l.holder_id = c.holder AND l.asset_id = c.asset AND l.expires_on = c.expires
        """,
        [key[0] for key in sums],
        [key[1] for key in sums],
        [key[2] for key in sums],
        list(sums.values()),
    )
