import pytest
import pytest_asyncio
from helpers import Caller, City
from redeeming.market import Market


@pytest.fixture(scope="module")
def market(city: City) -> Market:
    return Market(city)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def operator(city: City) -> Caller:
    return await city.client("operator", "440300")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def merchant(market: Market) -> Caller:
    return await market.merchant()
