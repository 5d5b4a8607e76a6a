"""Each rule about exchanged claims finds the row that breaks it, and nothing in sound books."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from helpers import metro
from neighbours.towns import Town
from sqlalchemy.engine import make_url

from accounts.ids import public_id
from app.neighbours.verification import QUERIES
from app.verification import verify

CASES = {
    "what is told is of no act": ("exchanged", "UPDATE exchanged_claims SET activity_id = $1", None),
    "what is reversed is told to be claimed": (
        "exchanged",
        "UPDATE exchanged_claims SET released_at = NULL WHERE activity_id = $1",
        "reversed",
    ),
    "what stands is told to be released": (
        "exchanged",
        "UPDATE exchanged_claims SET released_at = now() WHERE activity_id = $1",
        "credited",
    ),
    "an act that stands is said to be reversed": (
        "yielded",
        "UPDATE double_claims SET activity_id = $1 WHERE state = 'reversed'",
        "credited",
    ),
}


@pytest_asyncio.fixture(loop_scope="session")
async def books(towns: tuple[Town, Town], phones: Any) -> dict[str, uuid.UUID]:
    """An act that the second reversed for the first, and one that stands."""
    one, other = towns
    await one.agree()
    await other.agree()
    person = phones()
    for each in towns:
        await each.holder(person)
    later = {"started_at": "2026-11-16T19:00:00+08:00", "ended_at": "2026-11-16T19:25:00+08:00"}
    await one.report(metro(uuid.uuid4().hex, person))
    lost = await other.report(metro(uuid.uuid4().hex, person))
    stands = await other.report(metro(uuid.uuid4().hex, person, **later))
    await other.exchange()
    assert (await other.reverse(lost["activity_id"])).status_code == 200
    return {
        "reversed": uuid.UUID(hex=lost["activity_id"][4:]),
        "credited": uuid.UUID(hex=stands["activity_id"][4:]),
    }


@pytest_asyncio.fixture(loop_scope="session")
async def root(towns: tuple[Town, Town]) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the owner's, in a transaction that is rolled back."""
    name = make_url(towns[1].owner_url).database
    assert name is not None
    connection = await asyncpg.connect(towns[1].owner_url)
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


async def breaches(root: asyncpg.Connection) -> dict[str, str]:
    found = {finding.rule: finding.breach async for finding in verify(root)}
    # The owner's connection: what the service's role may do is looked at elsewhere.
    return {rule: breach for rule, breach in found.items() if breach is not None and rule != "rights"}


def test_every_rule_has_a_case() -> None:
    assert {rule for rule, _, _ in CASES.values()} == QUERIES.keys()


@pytest.mark.parametrize("case", CASES)
async def test_a_broken_row_is_named(
    books: dict[str, uuid.UUID], root: asyncpg.Connection, case: str
) -> None:
    assert await breaches(root) == {}
    rule, statement, about = CASES[case]
    named = uuid.uuid4() if about is None else books[about]
    if about is None:
        statement += " WHERE activity_id = (SELECT min(activity_id::text)::uuid FROM exchanged_claims)"
    if rule == "yielded":
        statement += (
            " AND reference = (SELECT min(reference::text)::uuid FROM double_claims WHERE state = 'reversed')"
        )
    assert not (await root.execute(statement, named)).endswith(" 0")
    assert await breaches(root) == {rule: public_id("act", named)}
