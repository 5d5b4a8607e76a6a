"""The operators and instances of the version tests, with a workshop of recalculations beside them."""

from collections.abc import AsyncIterator

import pytest_asyncio
from recalculation.workshop import Workshop
from versions.conftest import clock, office, opened
from versions.office import Office

__all__ = ["clock", "office", "opened"]


@pytest_asyncio.fixture(loop_scope="session")
async def workshop(office: Office) -> AsyncIterator[Workshop]:
    made = Workshop(office)
    yield made
    assert await made.breaches() == []
