"""Each rule about held acts finds the row that breaks it, and nothing in sound books."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from crediting.desk import Desk
from review.watch import HOLD, Street, ride, watch
from verification.breakages import breaches

from accounts.ids import public_id
from app.review.verification import QUERIES
from app.wiring import Services


@dataclass
class Books:
    """An act that waits, one that was released, and one that was rejected."""

    waiting: UUID
    released: UUID
    rejected: UUID


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def books(service: Services) -> Books:
    desk = Desk(service)
    street = Street(desk, await desk.source())
    await watch(service, impossible_travel={"minutes": 60, **HOLD})
    acts = []
    for decision in (None, "released", "rejected"):
        phone, _ = await street.person()
        await street.report(ride(phone))
        act = await street.report(ride(phone, minute=510, region="310000"))
        assert act.reason == "held_for_review"
        assert act.activity_id is not None
        if decision is not None:
            await street.decide(act.activity_id, decision)
        acts.append(act.activity_id)
    return Books(*acts)


@dataclass
class Case:
    """A statement about one of the acts that breaks a rule, which then names it; `also` breaks with it."""

    name: str
    rule: str
    about: str
    statement: str
    also: frozenset[str] = frozenset()


CASES = [
    Case(
        "nobody will ever decide it",
        "held",
        "waiting",
        "DELETE FROM held_activities WHERE activity_id = $1",
    ),
    Case(
        "it waits for nobody any more",
        "held",
        "waiting",
        "UPDATE held_activities SET state = 'reversed', ended_at = now() WHERE activity_id = $1",
    ),
    Case(
        "nothing tells why it was held",
        "held_by_signals",
        "rejected",
        "DELETE FROM act_signals WHERE activity_id = $1",
    ),
    Case(
        "the signal that held it had it pass",
        "held_by_signals",
        "waiting",
        "UPDATE act_signals SET action = 'pass' WHERE activity_id = $1",
    ),
    Case(
        "the review says another thing than what was made of the act",
        "reviewed",
        "released",
        "UPDATE held_activities SET state = 'rejected' WHERE activity_id = $1",
    ),
    Case(
        "a decision is forgotten",
        "reviewed",
        "rejected",
        "DELETE FROM settled_activities WHERE activity_id = $1",
    ),
]


async def test_sound_books(root: asyncpg.Connection, books: Books) -> None:
    assert await breaches(root) == {}


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} == QUERIES.keys()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.name}")
async def test_a_broken_row_is_named(root: asyncpg.Connection, books: Books, case: Case) -> None:
    about = getattr(books, case.about)
    assert not (await root.execute(case.statement, about)).endswith(" 0")
    assert await breaches(root) == {case.rule: public_id("act", about)}
