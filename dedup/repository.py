"""SQL of receipts and claims. Every statement is array-shaped; arrays that lock are given in token order."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from dedup.writes import Writes, columns

if TYPE_CHECKING:
    import asyncpg


async def read_receipts(
    driver: "asyncpg.Connection", tokens: Sequence[UUID]
) -> dict[UUID, tuple[bytes, UUID, UUID]]:
    """Token → (MAC of the body, holder, activity) of the receipts that exist."""
    rows = await driver.fetch(
        "SELECT token, body_mac, holder_id, activity_id FROM receipts WHERE token = ANY($1::uuid[])", tokens
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


ReceiptRow = tuple[UUID, bytes, UUID, UUID]
"""(token, MAC of the body, holder, activity)."""


async def acquire(
    driver: "asyncpg.Connection",
    receipts: Sequence[ReceiptRow],
    whole: Mapping[UUID, UUID],
    intervals: Collection[tuple[UUID, date]],
) -> tuple[set[UUID], set[UUID], list[tuple[UUID, date]]]:
    """Write receipts, claim tokens for their whole period (token → activity), and lock those of intervals.

    Waits for concurrent transactions that have the same. Answers the receipts that are new, the whole tokens that
    were free, and the intervals' tokens that may have claims. Those are read by the next statement: one that locked
    and read at once would read by the snapshot from before it waited.
    """
    rows = await driver.fetch(
        """
        WITH new AS (
            INSERT INTO receipts (token, body_mac, holder_id, activity_id)
            SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::uuid[], $4::uuid[]) AS r (token, mac, holder, activity)
            ORDER BY token
            ON CONFLICT DO NOTHING
            RETURNING token
        ), free AS (
            INSERT INTO whole_claims (token, activity_id)
            SELECT * FROM unnest($5::uuid[], $6::uuid[]) AS c (token, activity) ORDER BY token
            ON CONFLICT DO NOTHING
            RETURNING token
        ), locked AS (
            INSERT INTO interval_tokens AS t (token, day, claimed)
            SELECT token, day, 1 FROM unnest($7::uuid[], $8::date[]) AS k (token, day) ORDER BY token, day
            ON CONFLICT (token, day) DO UPDATE SET claimed = t.claimed + 1
            RETURNING token, day, claimed
        )
        SELECT 1, token, NULL::date FROM new
        UNION ALL SELECT 2, token, NULL FROM free
        UNION ALL SELECT 3, token, day FROM locked WHERE claimed > 1
        """,
        *(columns(receipts) or [[]] * 4),
        list(whole),
        list(whole.values()),
        [token for token, _ in intervals],
        [day for _, day in intervals],
    )
    found: tuple[set[UUID], set[UUID], list[tuple[UUID, date]]] = (set(), set(), [])
    for kind, token, day in rows:
        if kind == 1:
            found[0].add(token)
        elif day is None:
            found[1].add(token)
        else:
            found[2].append((token, day))
    return found


async def read_whole(driver: "asyncpg.Connection", tokens: Sequence[UUID]) -> dict[UUID, UUID]:
    """Token → activity that holds it."""
    rows = await driver.fetch(
        "SELECT token, activity_id FROM whole_claims WHERE token = ANY($1::uuid[])", tokens
    )
    return {row[0]: row[1] for row in rows}


def hand_over_whole(writes: Writes, tokens: Sequence[UUID], activity_ids: Sequence[UUID]) -> None:
    """Give tokens acquired in this transaction to another activity of it."""
    writes.add(
        """
        UPDATE whole_claims w SET activity_id = c.activity
        FROM unnest($1::uuid[], $2::uuid[]) AS c (token, activity) WHERE w.token = c.token
        """,
        tokens,
        activity_ids,
    )


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


@dataclass(slots=True)
class Held:
    """What a transaction found when it took tokens."""

    receipts: set[UUID]
    """Those that are new."""
    acquired: dict[UUID, UUID]
    """Whole tokens that were free, with the owner they were taken for."""
    whole: dict[UUID, UUID]
    """Whole tokens that were not, with their owner."""
    intervals: dict[UUID, list[tuple[int, int, UUID]]]
    """Locked tokens → (start, end, owner) of the live claims on them, epoch seconds."""


async def take(
    driver: "asyncpg.Connection",
    receipts: Sequence[ReceiptRow],
    whole: Mapping[UUID, UUID],
    intervals: Collection[tuple[UUID, date]],
) -> Held:
    """Write receipts, take every token that is claimed (whole ones for an owner), and read who holds the others."""
    new, free, used = await acquire(driver, receipts, whole, intervals)
    held = Held(new, {token: whole[token] for token in free}, {}, {})
    while taken := [token for token in whole if token not in held.acquired and token not in held.whole]:
        held.whole.update(await read_whole(driver, taken))
        # Released between the two statements: claim it after all.
        if freed := {token: whole[token] for token in taken if token not in held.whole}:
            _, free, _ = await acquire(driver, (), freed, ())
            held.acquired.update((token, whole[token]) for token in free)
    if used:
        tokens, days = columns(used)
        for token, start, end, owner in await read_interval_claims(driver, tokens, days):
            held.intervals.setdefault(token, []).append((int(start.timestamp()), int(end.timestamp()), owner))
    return held


IntervalRow = tuple[UUID, date, UUID, int, int, int, int]
"""(token, local day, activity, start, end, raw start, raw end), times in epoch seconds."""


def write_interval_claims(writes: Writes, rows: Sequence[IntervalRow]) -> None:
    """Write claims that were decided under the lock of their tokens."""
    writes.add(
        """
        INSERT INTO interval_claims (token, day, activity_id, starts_at, ends_at, raw_starts_at, raw_ends_at)
        SELECT token, day, activity, to_timestamp(starts), to_timestamp(ends), to_timestamp(raw_starts),
               to_timestamp(raw_ends)
        FROM unnest($1::uuid[], $2::date[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
            AS c (token, day, activity, starts, ends, raw_starts, raw_ends)
        """,
        *columns(rows),
    )


def release_whole(writes: Writes, tokens: Sequence[UUID], activity_ids: Sequence[UUID]) -> None:
    """Free the tokens that these activities hold for their whole period (pairs)."""
    writes.add(
        """
        DELETE FROM whole_claims w USING unnest($1::uuid[], $2::uuid[]) AS c (token, activity)
        WHERE w.token = c.token AND w.activity_id = c.activity
        """,
        tokens,
        activity_ids,
    )


def release_intervals(
    writes: Writes, tokens: Sequence[UUID], activity_id: UUID, first: date, last: date
) -> None:
    """Free what an activity that lasted from the first to the last local day claims on these tokens."""
    writes.add(
        """
        DELETE FROM interval_claims WHERE token = ANY($1::uuid[]) AND activity_id = $2 AND day BETWEEN $3 AND $4
        """,
        tokens,
        activity_id,
        first,
        last,
    )
