"""SQL of receipts and claims. Every statement is array-shaped; arrays that lock are given in token order."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from dedup.archive import archived_claims, archived_days, archives_of, bring_back, month_of
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


Seen = tuple[UUID | None, str | None, int | None, UUID | None, UUID | None]
"""What is kept of an act with its claim: source, scene, amount in m or Wh, tokens of the order's issuer and number."""
NOTHING_SEEN: Seen = (None, None, None, None, None)

ClaimRow = tuple[UUID, datetime, datetime, UUID, datetime, datetime, Seen]
"""(token, start, end, activity, raw start, raw end, what was seen)."""
_CLAIM = (
    "token, starts_at, ends_at, activity_id, raw_starts_at, raw_ends_at,"
    " source_id, scene, amount, order_issuer, order_number"
)

ReceiptRow = tuple[UUID, bytes, UUID, UUID]
"""(token, MAC of the body, holder, activity)."""


async def acquire(
    driver: "asyncpg.Connection",
    receipts: Sequence[ReceiptRow],
    whole: Mapping[UUID, UUID],
    intervals: Collection[tuple[UUID, date]],
) -> tuple[set[UUID], set[UUID], list[ClaimRow]]:
    """Write receipts, claim tokens for their whole period (token → activity), and lock those of intervals.

    Waits for concurrent transactions that have the same. Answers the receipts that are new, the whole tokens that
    were free, and the live claims on the intervals' tokens. Those are read by a function that is called when the locks
    are held, and so by its own snapshot: the statement's own is from before it waited. What an archive holds of a token
    is brought back with the first lock of it; no month is archived that ended less than two months ago.
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
        ), used AS MATERIALIZED (
            SELECT array_agg(token) AS tokens, min(day) AS first, max(day) AS last FROM locked WHERE claimed > 1
        )
        SELECT c.*, 0 FROM used, tanpuhui_claims_now(used.tokens, used.first, used.last) c
        UNION ALL SELECT token, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1 FROM new
        UNION ALL SELECT token, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 2 FROM free
        UNION ALL SELECT token, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 3 FROM locked
                  WHERE claimed = 1 AND day < current_date - 50
        """,
        *(columns(receipts) or [[]] * 4),
        list(whole),
        list(whole.values()),
        [token for token, _ in intervals],
        [day for _, day in intervals],
    )
    new: set[UUID] = set()
    free: set[UUID] = set()
    early: set[UUID] = set()
    held: list[ClaimRow] = []
    for row in rows:
        if row[11] == 0:
            held.append(_claim(row))
        else:
            (new, free, early)[row[11] - 1].add(row[0])
    if early:
        found = [place for place in intervals if place[0] in early]
        await bring_back(driver, found)
        held += await read_interval_claims(driver, *columns(found))
    return new, free, held


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


Remembered = tuple[int, int, Seen]
"""(start, end, what was seen) of an act that holds a claim, epoch seconds: what a later report is compared with."""


async def read_interval_claims(
    driver: "asyncpg.Connection", tokens: Sequence[UUID], days: Sequence[date]
) -> list[ClaimRow]:
    """The live claims on tokens."""
    rows = await driver.fetch(
        f"SELECT {_CLAIM} FROM tanpuhui_claims_now($1::uuid[], $2, $3)",
        tokens,
        min(days),
        max(days),
    )
    return [_claim(row) for row in rows]


def _claim(row: Sequence[Any]) -> ClaimRow:
    return (row[0], row[1], row[2], row[3], row[4], row[5], tuple(row[6:11]))


@dataclass(slots=True)
class Held:
    """What a transaction found when it took tokens."""

    receipts: set[UUID] = field(default_factory=set)
    """Those that are new."""
    acquired: dict[UUID, UUID] = field(default_factory=dict)
    """Whole tokens that were free, with the owner they were taken for."""
    whole: dict[UUID, UUID] = field(default_factory=dict)
    """Whole tokens that were not, with their owner."""
    intervals: dict[UUID, list[tuple[int, int, UUID]]] = field(default_factory=dict)
    """Tokens → (start, end, owner) of the live claims on them, epoch seconds."""
    seen: dict[UUID, Remembered] = field(default_factory=dict)
    """Of the owners among `intervals` what later acts are compared with, where it was kept."""

    def add(self, claims: Iterable[ClaimRow]) -> None:
        """Take on live claims, and what was seen of their acts."""
        for token, start, end, owner, raw_start, raw_end, seen in claims:
            self.intervals.setdefault(token, []).append((int(start.timestamp()), int(end.timestamp()), owner))
            if seen[0] is not None:
                self.seen[owner] = int(raw_start.timestamp()), int(raw_end.timestamp()), seen

    async def read_archived(self, driver: "asyncpg.Connection", pairs: Collection[tuple[UUID, date]]) -> None:
        """Add what archives hold on tokens of days, after the live claims were read; nothing is locked or written."""
        if not pairs or not await archives_of(driver, {month_of(day) for _, day in pairs}):
            return
        days = [day for _, day in pairs]
        known = await driver.fetch(
            "SELECT token, day FROM interval_tokens WHERE token = ANY($1::uuid[]) AND day BETWEEN $2 AND $3",
            [token for token, _ in pairs],
            min(days),
            max(days),
        )
        asked = set(pairs).difference((row[0], row[1]) for row in known)
        for row in await archived_claims(driver, asked):
            owner = row[2]
            self.intervals.setdefault(row[0], []).append((row[3], row[4], owner))
            if row[7] is not None:
                self.seen[owner] = row[5], row[6], row[7:]


async def take(
    driver: "asyncpg.Connection",
    receipts: Sequence[ReceiptRow],
    whole: Mapping[UUID, UUID],
    intervals: Collection[tuple[UUID, date]],
) -> Held:
    """Write receipts, take every token that is claimed (whole ones for an owner), and read who holds the others."""
    new, free, used = await acquire(driver, receipts, whole, intervals)
    held = Held(new, {token: whole[token] for token in free})
    while taken := [token for token in whole if token not in held.acquired and token not in held.whole]:
        held.whole.update(await read_whole(driver, taken))
        # Released between the two statements: claim it after all.
        if freed := {token: whole[token] for token in taken if token not in held.whole}:
            _, free, _ = await acquire(driver, (), freed, ())
            held.acquired.update((token, whole[token]) for token in free)
    held.add(used)
    return held


IntervalRow = tuple[UUID, date, UUID, int, int, int, int, Seen]
"""(token, local day, activity, start, end, raw start, raw end, what was seen), times in epoch seconds."""


def write_interval_claims(writes: Writes, rows: Sequence[IntervalRow]) -> None:
    """Write claims that were decided under the lock of their tokens."""
    writes.add(
        """
        INSERT INTO interval_claims (token, day, activity_id, starts_at, ends_at, raw_starts_at, raw_ends_at,
                                     source_id, scene, amount, order_issuer, order_number)
        SELECT token, day, activity, to_timestamp(starts), to_timestamp(ends), to_timestamp(raw_starts),
               to_timestamp(raw_ends), source, scene, amount, issuer, number
        FROM unnest($1::uuid[], $2::date[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                    $8::uuid[], $9::varchar[], $10::bigint[], $11::uuid[], $12::uuid[])
            AS c (token, day, activity, starts, ends, raw_starts, raw_ends, source, scene, amount, issuer, number)
        """,
        *columns([(*row[:7], *row[7]) for row in rows]),
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


def _months(first: date, last: date) -> set[date]:
    days = (last - first).days
    return {month_of(first + timedelta(days=day)) for day in range(days + 1)}


async def interval_days(
    driver: "asyncpg.Connection", tokens: Sequence[UUID], first: date, last: date
) -> dict[UUID, date]:
    """Token → its local day, of those of an act's tokens that are claimed for a period."""
    rows = await driver.fetch(
        "SELECT token, day FROM interval_tokens WHERE token = ANY($1::uuid[]) AND day BETWEEN $2 AND $3",
        tokens,
        first,
        last,
    )
    found = {row[0]: row[1] for row in rows}
    missing = [token for token in tokens if token not in found]
    return found | await archived_days(driver, missing, _months(first, last)) if missing else found


async def bring_back_claims(
    driver: "asyncpg.Connection", tokens: Sequence[UUID], first: date, last: date
) -> None:
    """Have in the database what archives hold on an act's tokens, so that it can be released."""
    if tokens and (days := await archived_days(driver, tokens, _months(first, last))):
        await acquire(driver, (), {}, list(days.items()))


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
