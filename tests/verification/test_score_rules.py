"""The rule about monthly deeds finds the row that breaks it, waits for what is not counted, passes sound books."""

from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from disputes.quarrel import Quarrel
from helpers import City
from verification.breakages import breaches

from accounts.ids import parse_public_id, public_id
from app.scoring.counting import BEHIND, count_deeds
from app.scoring.verification import QUERIES
from app.wiring import utc_now


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def counted(city: City) -> UUID:
    """A holder with an act that two platforms have seen, counted."""
    quarrel = await Quarrel.begin(city)
    await quarrel.one_act()
    await count_deeds(city.service.database, utc_now() + BEHIND)
    found = parse_public_id("hld", quarrel.persons[0][1])
    assert found is not None
    return found


async def test_sound_deeds(root: asyncpg.Connection, counted: UUID) -> None:
    assert await root.fetchval("SELECT grade FROM monthly_deeds WHERE holder_id = $1", counted) == 2
    assert await breaches(root) == {}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE monthly_deeds SET acts = acts + 1 WHERE holder_id = $1",
        "UPDATE monthly_deeds SET co2e_mg = co2e_mg - 1 WHERE holder_id = $1",
        "UPDATE monthly_deeds SET grade = 1 WHERE holder_id = $1",
        "UPDATE monthly_deeds SET month = month - interval '1 month' WHERE holder_id = $1",
        "DELETE FROM monthly_deeds WHERE holder_id = $1",
    ],
)
async def test_deeds_that_are_not_the_books_are_named(
    root: asyncpg.Connection, counted: UUID, statement: str
) -> None:
    assert QUERIES.keys() == {"deeds_counted"}
    assert not (await root.execute(statement, counted)).endswith(" 0")
    assert await breaches(root) == {"deeds_counted": public_id("hld", counted)}
    # While something of the holder waits to be counted, nothing is said of it.
    await root.execute("RESET ROLE")
    await root.execute("INSERT INTO deed_changes (holder_id, activity_id) VALUES ($1, $1)", counted)
    assert await breaches(root) == {}
