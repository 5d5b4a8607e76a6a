"""One market for each module."""

import pytest_asyncio
from helpers import City
from market.exchange import Exchange, made_exchange


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def exchange(city: City) -> Exchange:
    return await made_exchange(city)
