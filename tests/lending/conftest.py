import pytest_asyncio
from helpers import City
from lending.lender import Lender


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lender(city: City) -> Lender:
    return Lender(city, await city.client("bank"))
