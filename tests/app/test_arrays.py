"""What the driver takes for an array, since `app.database` tells it."""

from collections import deque
from typing import Any

import asyncpg
import pytest

from app.database import ARRAYS
from app.wiring import Services

NUMBERS = {1: "a", 2: "b"}


@pytest.mark.parametrize("array", [[1, 2], (1, 2), {1, 2}, frozenset({1, 2}), NUMBERS.keys()], ids=type)
async def test_collections_are_arrays(service: Services, array: Any) -> None:
    async with service.database.snapshot() as driver:
        assert isinstance(array, ARRAYS)
        assert await driver.fetchval("SELECT sum(n) FROM unnest($1::int[]) n", array) == 3


async def test_texts_and_arrays_are_elements(service: Services) -> None:
    async with service.database.snapshot() as driver:
        assert await driver.fetchval("SELECT $1::text[]", NUMBERS.values()) == ["a", "b"]
        assert await driver.fetchval("SELECT $1::int[]", [[1, 2], [3, None]]) == [[1, 2], [3, None]]


@pytest.mark.parametrize("value", ["12", b"12", {1: 2}, deque([1, 2]), (n for n in (1, 2))], ids=type)
async def test_nothing_else_is(service: Services, value: Any) -> None:
    """A deque would be an array to the driver itself: where this fails, it looks elsewhere now."""
    async with service.database.snapshot() as driver:
        with pytest.raises(asyncpg.DataError):
            await driver.fetchval("SELECT $1::text[]", value)
