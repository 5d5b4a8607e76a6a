"""Each rule about corroborations finds the row that breaks it, and nothing in sound books."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from disputes.quarrel import Quarrel, trip
from helpers import City
from verification.breakages import breaches

from accounts.ids import parse_public_id, public_id
from app.crediting.corroboration_verification import QUERIES


@dataclass
class Books:
    """One act by three platforms: the first one's credit is reversed, the second has it, the third stands behind it."""

    first: UUID
    second: UUID
    third: UUID


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def books(city: City) -> Books:
    quarrel = await Quarrel.begin(city, platforms=3)
    first, second = await quarrel.one_act()
    third = (await quarrel.report(2, trip(quarrel.persons[0][0])))["activity_id"]
    await quarrel.platforms[0].post(f"/v1/activities/{first}/reversal", json={"reason": "x"})
    found = [parse_public_id("act", text) for text in (first, second, third)]
    assert None not in found
    return Books(*found)  # type: ignore[arg-type]


@dataclass
class Case:
    """A statement about one of the acts that breaks a rule; `also` breaks with it."""

    name: str
    rule: str
    about: str
    statement: str
    named: str
    also: frozenset[str] = frozenset()


CASES = [
    Case(
        "it stands behind a duplicate",
        "corroborations_stand",
        "third",
        """
        INSERT INTO corroborations
        SELECT holder_id, activity_id, winner_id, gen_random_uuid(), evidence, rule, at FROM corroborations
        WHERE activity_id = $1 AND ended_at IS NULL
        """,
        "second",
        frozenset({"corroborations_reports"}),
    ),
    Case(
        "it stands behind a reversed credit",
        "corroborations_stand",
        "first",
        "UPDATE corroborations SET ended_at = NULL, ended = NULL WHERE winner_id = $1 AND ended = 'passed_on'",
        "third",
    ),
    Case(
        "its platform is the winner's own",
        "corroborations_stand",
        "second",
        """
        UPDATE corroborations c SET source_id = a.source_id FROM activities a
        WHERE a.id = $1 AND c.winner_id = a.id
        """,
        "third",
        frozenset({"corroborations_reports"}),
    ),
    Case(
        "it was reported with another grade",
        "corroborations_reports",
        "third",
        "UPDATE corroborations SET evidence = 'self_report' WHERE activity_id = $1 AND ended_at IS NULL",
        "third",
    ),
    Case(
        "it has a credit itself",
        "corroborations_reports",
        "second",
        """
        INSERT INTO corroborations
        SELECT holder_id, activity_id, $1, (SELECT source_id FROM activities WHERE id = $1), evidence, rule, at
        FROM corroborations WHERE winner_id = $1 AND ended_at IS NULL
        """,
        "second",
        frozenset({"corroborations_stand"}),
    ),
    Case(
        "it is said to have got a credit that nobody decided on",
        "corroborations_credited",
        "third",
        "UPDATE corroborations SET ended = 'took_over', ended_at = now() WHERE activity_id = $1 AND ended_at IS NULL",
        "third",
    ),
    Case(
        "it got a credit by a decision that it does not tell of",
        "corroborations_credited",
        "second",
        "UPDATE corroborations SET ended = 'no_consent' WHERE activity_id = $1",
        "second",
    ),
]


async def test_sound_books(root: asyncpg.Connection, books: Books) -> None:
    assert books
    assert await breaches(root) == {}


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} == QUERIES.keys()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.name}")
async def test_a_broken_row_is_named(root: asyncpg.Connection, books: Books, case: Case) -> None:
    assert not (await root.execute(case.statement, getattr(books, case.about))).endswith(" 0")
    found = await breaches(root)
    assert found.keys() == {case.rule} | case.also
    assert found[case.rule] == public_id("act", getattr(books, case.named))
