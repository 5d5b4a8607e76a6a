"""When groups begin, and that nobody is left waiting. What they commit is proved in the tests of the crediting."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from app.crediting.errors import Unprocessable
from app.database import Chain
from app.groups import Groups


class Database:
    """Takes groups and answers them when told."""

    def __init__(self) -> None:
        self.under_way: list[tuple[list[int], asyncio.Event]] = []
        self.taken: list[list[int]] = []

    def chain(self, more: Callable[[], bool]) -> Chain:
        return Chain(None, more)  # type: ignore[arg-type]

    async def attempt(self, _chain: Chain, items: Sequence[int]) -> list[int]:
        answered = asyncio.Event()
        group = (list(items), answered)
        self.under_way.append(group)
        self.taken.append(group[0])
        await answered.wait()
        self.under_way.remove(group)
        return [-item for item in items]


@pytest.fixture
def database() -> Database:
    return Database()


def groups_of(database: Database, committers: int = 2) -> "Groups[int, int]":
    return Groups(
        database,
        database.attempt,  # type: ignore[arg-type]
        Unprocessable,
        committers=committers,
        group_max=100,
    )


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def arrive(groups: "Groups[int, int]", numbers: range) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(groups.submit(number)) for number in numbers]
    await settled()
    return tasks


async def test_one_who_comes_alone_does_not_wait(database: Database) -> None:
    groups = groups_of(database)
    await arrive(groups, range(1))
    await arrive(groups, range(1, 2))
    assert database.taken == [[0], [1]]


async def test_a_group_begins_beside_another_when_as_many_wait_as_that_one_took(database: Database) -> None:
    groups = groups_of(database, committers=3)
    tasks = await arrive(groups, range(10))
    # What comes in one turn of the loop is one group.
    assert [len(group) for group in database.taken] == [10]
    tasks += await arrive(groups, range(10, 19))
    assert len(database.taken) == 1
    tasks += await arrive(groups, range(19, 20))
    assert [len(group) for group in database.taken] == [10, 10]
    tasks += await arrive(groups, range(20, 25))
    assert len(database.taken) == 2
    database.under_way[0][1].set()
    await settled()
    assert len(database.taken) == 2, "five are too few beside ten"
    database.under_way[0][1].set()
    await settled()
    assert database.taken[2] == list(range(20, 25)), "and are taken when nothing is under way"
    database.under_way[0][1].set()
    assert await asyncio.gather(*tasks) == [-number for number in range(25)]
    assert not groups.committing()


@pytest.mark.parametrize("committers", [1, 2, 3])
async def test_nobody_is_left_waiting(database: Database, committers: int) -> None:
    groups = groups_of(database, committers)
    tasks: list[asyncio.Task[int]] = []
    for step in range(60):
        tasks += await arrive(groups, range(step * 10, step * 10 + step * 7 % 11))
        if database.under_way and step % 3:
            database.under_way[step % len(database.under_way)][1].set()
            await settled()
    async with asyncio.timeout(5):
        while database.under_way:
            database.under_way[0][1].set()
            await settled()
        await asyncio.gather(*tasks)
    assert sum(len(group) for group in database.taken) == len(tasks)
    assert max(len(group) for group in database.taken) > 1
