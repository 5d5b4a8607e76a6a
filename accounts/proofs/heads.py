"""Daily heads of the ledger: a tree over a day's entries, and the chain of days. What is hashed, and how; the SQL.

entry = SHA-256("tph1:e:" holder id cause asset(4) kind(2) debit(2) credit(2) amount(8) booked_at(8, µs) [party])
node  = SHA-256("tph1:i:" left right)       entries by id; the last of an odd number moves up as it is
head  = SHA-256("tph1:h:" previous day(10, ISO) entries(8) root)
"""

import datetime
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import lowest_uuid7
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

HASH_BYTES = 32
FIRST = bytes(HASH_BYTES)
"""What stands before the first head."""
EMPTY = sha256(b"tph1:0:").digest()
"""The root of a day without entries."""
DAY = datetime.timedelta(days=1)
_SLICE = datetime.timedelta(hours=1)
_NODE_TAG = b"tph1:i:"
# Ids are UUIDv7, so that a range of them is a range of bookings and names the partitions.
_HASHES = """
    SELECT coalesce(string_agg(sha256(
        'tph1:e:'::bytea || uuid_send(holder_id) || uuid_send(id) || uuid_send(cause_id) || int4send(asset_id)
        || int2send(kind) || int2send(debit) || int2send(credit) || int8send(amount)
        || int8send((extract(epoch FROM booked_at) * 1000000)::bigint) || coalesce(uuid_send(party_id), ''::bytea)
    ), ''::bytea ORDER BY id, holder_id), ''::bytea)
    FROM entries WHERE id >= $1 AND id < $2
"""


@dataclass(frozen=True)
class Head:
    """A day's head."""

    day: datetime.date
    entries: int
    root: bytes
    previous: bytes
    head: bytes


class Log:
    """The root of a tree over hashes that come one after the other: a stack of whole subtrees."""

    def __init__(self) -> None:
        self.count = 0
        self._whole: list[tuple[int, bytes]] = []

    def add(self, hashes: bytes) -> None:
        """Take hashes of 32 bytes, one after the other."""
        stack = self._whole
        for start in range(0, len(hashes), HASH_BYTES):
            node, height = hashes[start : start + HASH_BYTES], 0
            while stack and stack[-1][0] == height:
                node = sha256(_NODE_TAG + stack.pop()[1] + node).digest()
                height += 1
            stack.append((height, node))
        self.count += len(hashes) // HASH_BYTES

    def root(self) -> bytes:
        """The root of all that came so far."""
        if not self._whole:
            return EMPTY
        node = self._whole[-1][1]
        for _, left in reversed(self._whole[:-1]):
            node = sha256(_NODE_TAG + left + node).digest()
        return node


def chained(previous: bytes, day: datetime.date, entries: int, root: bytes) -> Head:
    """The head of a day behind the one before it."""
    content = previous + day.isoformat().encode() + entries.to_bytes(8, "big") + root
    return Head(day, entries, root, previous, sha256(b"tph1:h:" + content).digest())


async def log_of(driver: "asyncpg.Connection", after: datetime.date | None, until: datetime.date) -> Log:
    """The tree of what was booked after a day, or ever, up to the end of another, an hour at a time."""
    log = Log()
    begins = _start(until if after is None else after + DAY)
    ends = _start(until + DAY)
    low = UUID(int=0) if after is None else lowest_uuid7(begins)
    while begins < ends:
        begins += _SLICE
        high = lowest_uuid7(begins)
        log.add(await driver.fetchval(_HASHES, low, high))
        low = high
    return log


async def latest(driver: "asyncpg.Connection") -> "asyncpg.Record | None":
    """(day, head) of the last head."""
    return await driver.fetchrow("SELECT day, head FROM ledger_heads ORDER BY day DESC LIMIT 1")


async def first_day(driver: "asyncpg.Connection") -> datetime.date | None:
    """The day of the first booking of an activity, which all entries come of; None before any."""
    found = await driver.fetchval("SELECT id FROM activities ORDER BY id LIMIT 1")
    if found is None:
        return None
    moment = int.from_bytes(found.bytes[:6], "big") / 1000
    return datetime.datetime.fromtimestamp(moment, LOCAL).date()


async def keep(driver: "asyncpg.Connection", head: Head, now: datetime.datetime) -> None:
    """Append a head; of two who append behind the same one, one fails."""
    await driver.execute(
        "INSERT INTO ledger_heads (day, entries, root, previous, head, taken_at) VALUES ($1, $2, $3, $4, $5, $6)",
        head.day,
        head.entries,
        head.root,
        head.previous,
        head.head,
        now,
    )


async def page(
    driver: "asyncpg.Connection", before: datetime.date | None, limit: int
) -> "list[asyncpg.Record]":
    """Heads, the latest first."""
    found: list[asyncpg.Record] = await driver.fetch(
        """
        SELECT day, entries, root, previous, head, taken_at FROM ledger_heads
        WHERE day < coalesce($1::date, 'infinity') ORDER BY day DESC LIMIT $2
        """,
        before,
        limit,
    )
    return found


async def broken(driver: "asyncpg.Connection") -> str | None:
    """The first day whose head is not what its entries and the head before it come to."""
    previous: Head | None = None
    async for row in _heads(driver):
        day = row["day"]
        if previous is not None and day != previous.day + DAY:
            return f"{previous.day + DAY} has no head"
        log = await log_of(driver, None if previous is None else previous.day, day)
        made = chained(FIRST if previous is None else previous.head, day, log.count, log.root())
        if made != Head(day, row["entries"], row["root"], row["previous"], row["head"]):
            return str(day)
        previous = made
    return None


async def _heads(driver: "asyncpg.Connection") -> "AsyncIterator[asyncpg.Record]":
    after = datetime.date.min
    while True:
        rows = await driver.fetch(
            "SELECT day, entries, root, previous, head FROM ledger_heads WHERE day > $1 ORDER BY day LIMIT 200",
            after,
        )
        for row in rows:
            yield row
            after = row["day"]
        if not rows:
            return


def _start(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), LOCAL)
