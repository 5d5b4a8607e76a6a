"""SQL of lots: earned into, spent from the earliest on, given back to where they came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from dedup.writes import columns

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
        DO UPDATE SET earned = l.earned + excluded.earned, remaining = l.remaining + excluded.remaining,
            swept = false
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


def change_lots(
    writes: "Writes",
    changes: Sequence[tuple[UUID, Part]],
    restored: Sequence[tuple[UUID, Part]] = (),
    now: datetime | None = None,
) -> None:
    """Take points out of lots (negative) or give them back (positive), of locked holders.

    `restored` goes to lots of another day than it came from, which are made where there are none, at `now`. What is
    done with one lot is added up: a statement changes a row once.
    """
    sums: dict[tuple[UUID, int, date], list[int]] = {}
    for holder_id, part in changes:
        sums.setdefault((holder_id, part.asset_id, part.expires_on), [0, 0])[1] += part.points
    for holder_id, part in restored:
        row = sums.setdefault((holder_id, part.asset_id, part.expires_on), [0, 0])
        row[0] += part.points
        row[1] += part.points
    # One that ends with less than it had is there.
    made = [(*key, max(row), row[1]) for key, row in sums.items() if row[0] and row[1] >= 0]
    kept = [(*key, *row) for key, row in sums.items() if not row[0] or row[1] < 0]
    if made:
        writes.add(
            """
            INSERT INTO lots AS l (holder_id, asset_id, expires_on, earned, remaining, opened_at)
            SELECT e.*, $6::timestamptz
            FROM unnest($1::uuid[], $2::int[], $3::date[], $4::bigint[], $5::bigint[]) AS e
            ON CONFLICT (holder_id, asset_id, expires_on) DO UPDATE SET earned = l.earned + excluded.earned,
                remaining = l.remaining + excluded.remaining, swept = false
            """,
            *columns(made),
            now,
        )
    if kept:
        writes.add(
            """
            UPDATE lots l SET earned = l.earned + c.earned, remaining = l.remaining + c.points,
                swept = l.swept AND l.remaining + c.points = 0
            FROM unnest($1::uuid[], $2::int[], $3::date[], $4::bigint[], $5::bigint[])
                AS c (holder, asset, expires, earned, points)
            WHERE l.holder_id = c.holder AND l.asset_id = c.asset AND l.expires_on = c.expires
            """,
            *columns(kept),
        )


def undo_earning(writes: "Writes", holder_id: UUID, part: Part) -> None:
    """Take out of a locked holder's lot what was earned into it: as if it had not been."""
    writes.add(
        """
        UPDATE lots SET earned = earned - $4, remaining = remaining - $4
        WHERE holder_id = $1 AND asset_id = $2 AND expires_on = $3
        """,
        holder_id,
        part.asset_id,
        part.expires_on,
        part.points,
    )


async def due_holders(driver: "asyncpg.Connection", today: date, limit: int) -> list[UUID]:
    """Holders of some lots that have expired and are not swept, the oldest first."""
    rows = await driver.fetch(
        """
        SELECT DISTINCT holder_id FROM (
            SELECT holder_id FROM lots WHERE NOT swept AND expires_on <= $1 ORDER BY expires_on LIMIT $2) AS due
        """,
        today,
        limit,
    )
    return [row[0] for row in rows]


async def sweep(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID], today: date
) -> list[tuple[UUID, Part]]:
    """Empty the expired lots of locked holders; answers what was left in them."""
    rows = await driver.fetch(
        """
        WITH due AS MATERIALIZED (
            SELECT holder_id, asset_id, expires_on, remaining FROM lots
            WHERE holder_id = ANY($1::uuid[]) AND NOT swept AND expires_on <= $2)
        UPDATE lots l SET remaining = 0, swept = true FROM due d
        WHERE l.holder_id = d.holder_id AND l.asset_id = d.asset_id AND l.expires_on = d.expires_on
        RETURNING d.holder_id, d.asset_id, d.expires_on, d.remaining
        """,
        holder_ids,
        today,
    )
    return [(row[0], Part(row[1], row[2], row[3])) for row in rows if row[3] > 0]
