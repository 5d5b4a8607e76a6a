"""Each rule about disputes finds the row that breaks it, and nothing in sound books."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from disputes.quarrel import Quarrel
from helpers import City
from verification.breakages import breaches

from accounts.ids import parse_public_id, public_id
from app.disputes.verification import QUERIES


@dataclass
class Books:
    """A dispute that was moved, and its two activities."""

    dispute: UUID
    credited: UUID
    duplicate: UUID


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def books(city: City) -> Books:
    quarrel = await Quarrel.begin(city)
    old, new = await quarrel.one_act()
    dispute = await quarrel.dispute(new)
    assert (await quarrel.decide(dispute, "moved")).status_code == 200
    found = [parse_public_id(text[:3], text) for text in (dispute, old, new)]
    assert None not in found
    return Books(*found)  # type: ignore[arg-type]


@dataclass
class Case:
    """A statement about one of the books that breaks a rule; `also` breaks with it."""

    name: str
    rule: str
    about: str
    statement: str
    named: str
    also: frozenset[str] = frozenset()


CASES = [
    Case(
        "a move is forgotten", "moves", "dispute", "DELETE FROM claim_moves WHERE dispute_id = $1", "dispute"
    ),
    Case(
        "a dispute is said to be upheld that moved",
        "moves",
        "dispute",
        "UPDATE disputes SET state = 'upheld' WHERE id = $1",
        "dispute",
    ),
    Case(
        "the old credit stands beside the new one",
        "moves",
        "credited",
        "UPDATE activities SET reversed_at = NULL WHERE id = $1",
        "dispute",
        frozenset({"caps", "claims_of_credits", "corroborations_reports", "entries_of_activities"}),
    ),
    Case(
        "what lost its credit is said to have got another one's",
        "moved_once",
        "duplicate",
        """
        INSERT INTO claim_moves
        SELECT gen_random_uuid(), to_holder_id, to_activity_id, to_holder_id, gen_random_uuid(), at
        FROM claim_moves WHERE to_activity_id = $1
        """,
        "duplicate",
        frozenset({"moves"}),
    ),
    Case(
        "an amount is not what the decision made of it",
        "settled",
        "duplicate",
        "UPDATE settled_activities SET after_mg = after_mg + 1 WHERE activity_id = $1",
        "duplicate",
    ),
    Case(
        "the outcome is not what the decision made of it",
        "settled",
        "duplicate",
        "UPDATE settled_activities SET after_outcome = 'capped' WHERE activity_id = $1",
        "duplicate",
    ),
]


async def test_sound_books(root: asyncpg.Connection, books: Books) -> None:
    assert await breaches(root) == {}


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} == QUERIES.keys()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.name}")
async def test_a_broken_row_is_named(root: asyncpg.Connection, books: Books, case: Case) -> None:
    assert not (await root.execute(case.statement, getattr(books, case.about))).endswith(" 0")
    found = await breaches(root)
    assert found.keys() == {case.rule} | case.also
    prefix = "dsp" if case.named == "dispute" else "act"
    assert found[case.rule] == public_id(prefix, getattr(books, case.named))
