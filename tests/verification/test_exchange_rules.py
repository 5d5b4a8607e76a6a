"""The rule about units at exchanges finds the row that breaks it, and passes sound books."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from exchanges.town import Town, uuid_of
from helpers import City
from verification.breakages import breaches

from app.exchanges.verification import QUERIES


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def deliveries(city: City, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[str]]:
    """A delivery that stands at an exchange of files, and one that was retired there."""
    town = await Town.made(city, "files", tmp_path_factory.mktemp("exchange"))
    await town.connect()
    made = [await town.approved("open_account", account_id=await town.account_id())]

    async def answered() -> None:
        await town.exchanges.run()
        town.answer_files()
        town.clock.ahead += town.clock.ahead.__class__(seconds=30)
        await town.exchanges.run()
        assert (await town.state(made[-1]))["state"] == "done"

    await answered()
    account, origin = await town.account_id(), await town.firm.units(4_000)
    for _ in range(2):
        order = {"account_id": account, "origin_id": origin, "quantity_kg": 2_000}
        made.append(await town.approved("deliver_units", **order))
        await answered()
    order = {"delivery_id": made[2], "purpose": "voluntary", "beneficiary": "x"}
    made.append(await town.approved("retire", **order))
    await answered()
    yield made
    await town.http.aclose()


async def test_sound_deliveries(root: asyncpg.Connection, deliveries: list[str]) -> None:
    states = await root.fetch("SELECT kind, state FROM exchange_instructions ORDER BY id")
    assert [tuple(row) for row in states] == [
        ("open_account", "done"),
        ("deliver_units", "done"),
        ("deliver_units", "done"),
        ("retire", "done"),
    ]
    assert await breaches(root) == {}
    assert len(deliveries) == len(states)


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("UPDATE exchange_instructions SET state = 'refused', done_on = NULL WHERE id = $1", 1),
        ("UPDATE exchange_instructions SET quantity_kg = 1000 WHERE id = $1", 1),
        ("UPDATE exchange_instructions SET quantity_kg = 1000 WHERE id = $1", 2),
        ("DELETE FROM unit_retirements WHERE subject_id = (SELECT $1::uuid)", 3),
    ],
)
async def test_breakages_are_named(
    root: asyncpg.Connection, deliveries: list[str], statement: str, place: int
) -> None:
    assert QUERIES.keys() == {"exchange_deliveries"}
    assert not (await root.execute(statement, uuid_of(deliveries[place]))).endswith(" 0")
    found = await breaches(root)
    assert found["exchange_deliveries"] == deliveries[min(place, 2)]
