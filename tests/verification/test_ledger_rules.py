"""The ledger's daily heads: taken once, chained, published, and broken by whatever changes the history behind them."""

import asyncio
import datetime
import struct
from dataclasses import dataclass
from hashlib import sha256

import asyncpg
import pytest
import pytest_asyncio
from crediting.desk import Desk
from helpers import City, metro
from hypothesis import given
from hypothesis import strategies as st
from verification.breakages import breaches

from accounts.proofs import heads
from accounts.proofs.heads import EMPTY, FIRST, Log, chained
from app.proving.heads import BEHIND, take_heads, take_next
from app.wiring import Services, utc_now
from dedup.periods import LOCAL

DAY = datetime.timedelta(days=1)


@dataclass
class Books:
    """Some credits of today, and the heads of today and the two days after it."""

    first: datetime.date
    at: datetime.datetime


def midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), LOCAL)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def books(service: Services) -> Books:
    desk = Desk(service)
    source = await desk.source()
    at = utc_now()
    for number, (phone, _) in enumerate(await desk.people(3, source)):
        result = await desk.intake.report(desk.prepare(source, metro(f"e{number}", phone)))
        assert result.outcome == "credited"
    first = at.astimezone(LOCAL).date()
    # None while the day is not over, and none before what was booked in it is committed.
    await take_heads(service.database, midnight(first) + DAY + BEHIND - datetime.timedelta(seconds=1))
    async with service.database.statement() as driver:
        assert await heads.latest(driver) is None
    later = midnight(first) + 3 * DAY + BEHIND
    await asyncio.gather(*(take_heads(service.database, later) for _ in range(5)))
    return Books(first, later)


def hashed(entry: asyncpg.Record) -> bytes:
    """An entry as docs/proofs.md says, put together by hand."""
    since = entry["booked_at"] - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    numbers = ("asset_id", "kind", "debit", "credit", "amount")
    content = b"".join(entry[name].bytes for name in ("holder_id", "id", "cause_id"))
    content += struct.pack(">ihhhq", *(entry[name] for name in numbers))
    content += struct.pack(">q", since // datetime.timedelta(microseconds=1))
    party = entry["party_id"]
    return sha256(b"tph1:e:" + content + (b"" if party is None else party.bytes)).digest()


def root_of(hashes: list[bytes]) -> bytes:
    """Level by level, the last of an odd number as it is."""
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=False)
        above = [sha256(b"tph1:i:" + left + right).digest() for left, right in pairs]
        hashes = above + hashes[len(above) * 2 :]
    return hashes[0] if hashes else EMPTY


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=70), st.integers(1, 9))
def test_a_root_does_not_depend_on_how_the_hashes_come(hashes: list[bytes], size: int) -> None:
    log = Log()
    for start in range(0, len(hashes), size):
        log.add(b"".join(hashes[start : start + size]))
    assert (log.count, log.root()) == (len(hashes), root_of(hashes))


async def test_heads_are_chained_and_can_be_made_from_entries_by_anyone(
    books: Books, owner: asyncpg.Connection
) -> None:
    entries = await owner.fetch("SELECT * FROM entries ORDER BY id, holder_id")
    assert len(entries) >= 3
    rows = await owner.fetch("SELECT * FROM ledger_heads ORDER BY day")
    assert [row["day"] for row in rows] == [books.first + number * DAY for number in range(3)]
    previous = FIRST
    for row, (count, root) in zip(
        rows,
        [(len(entries), root_of([hashed(each) for each in entries])), (0, EMPTY), (0, EMPTY)],
        strict=True,
    ):
        made = chained(previous, row["day"], count, root)
        assert [row["root"], row["previous"], row["head"], row["entries"]] == [
            root,
            previous,
            made.head,
            count,
        ]
        previous = made.head


async def test_they_are_published(books: Books, city: City) -> None:
    http = city.http
    days, hashes, cursor = [], [], None
    for _ in range(3):
        answer = await http.get(
            "/v1/ledger/heads", params={"limit": 1} | ({"cursor": cursor} if cursor else {})
        )
        assert answer.status_code == 200, answer.text
        (item,) = answer.json()["items"]
        days.append(item["day"])
        hashes.append((item["head"], item["previous"]))
        cursor = answer.json()["next_cursor"]
    assert cursor is None
    assert days == [str(books.first + number * DAY) for number in (2, 1, 0)]
    assert [previous for _, previous in hashes] == [hashes[1][0], hashes[2][0], FIRST.hex()]
    assert (await http.get("/v1/ledger/heads", params={"cursor": "x"})).status_code == 422


async def test_the_next_run_goes_on_where_the_last_one_ended(
    books: Books, service: Services, root: asyncpg.Connection
) -> None:
    assert await take_next(root, books.at) is False
    assert await take_next(root, books.at + 2 * DAY) is True
    assert await take_next(root, books.at + 2 * DAY) is True
    assert await take_next(root, books.at + 2 * DAY) is False
    assert await breaches(root) == {}
    await root.execute("RESET ROLE")
    await root.execute("UPDATE ledger_heads SET entries = 7 WHERE day = $1", books.first)
    assert await breaches(root) == {"ledger_heads": str(books.first)}


_ANOTHER = """
    INSERT INTO entries SELECT holder_id, (left(id::text, 35) || '0')::uuid, cause_id, asset_id, kind, debit, credit,
        amount, booked_at, party_id FROM entries WHERE right(id::text, 1) <> '0' LIMIT 1
"""
CASES = {
    "an entry's amount": ("UPDATE entries SET amount = amount + 1", 0),
    "an entry's time": ("UPDATE entries SET booked_at = booked_at + interval '1 microsecond'", 0),
    "an entry's cause": ("UPDATE entries SET cause_id = gen_random_uuid()", 0),
    "an entry's owner": (
        "UPDATE entries SET holder_id = (SELECT id FROM holders WHERE id <> holder_id LIMIT 1)",
        0,
    ),
    "an entry that is gone": ("DELETE FROM entries WHERE id = (SELECT min(id::text)::uuid FROM entries)", 0),
    "an entry that stands twice": (_ANOTHER, 0),
    "an entry of the day after": (
        "UPDATE entries SET id = tanpuhui_uuid7_floor(booked_at + interval '1 day')",
        0,
    ),
    "a back-dated entry": ("UPDATE entries SET id = tanpuhui_uuid7_floor('2020-01-01')", 0),
    "a root": ("UPDATE ledger_heads SET root = previous WHERE day = $1", 1),
    "a count": ("UPDATE ledger_heads SET entries = entries + 1 WHERE day = $1", 2),
    "a head that is gone": ("DELETE FROM ledger_heads WHERE day = $1", 1),
    "the first head is gone": ("DELETE FROM ledger_heads WHERE day = $1", 0),
}


@pytest.mark.parametrize("case", CASES)
async def test_what_is_changed_behind_a_head_shows(root: asyncpg.Connection, books: Books, case: str) -> None:
    statement, place = CASES[case]
    day = books.first + place * DAY
    if "$1" in statement:
        assert await root.execute(statement, day) != "UPDATE 0"
    else:
        if statement.startswith("UPDATE entries SET"):
            statement += " WHERE id = (SELECT max(id::text)::uuid FROM entries)"
        assert (await root.execute(statement)).endswith(" 1")
    named = {
        "a head that is gone": f"{day} has no head",
        "the first head is gone": str(books.first + DAY),
    }.get(case, str(day))
    await root.execute("SET LOCAL ROLE tanpuhui_service")
    assert await heads.broken(root) == named
