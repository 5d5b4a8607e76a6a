"""The people of these tests."""

import pytest_asyncio
from api.stage import Stage
from helpers import City

_stages = iter(range(10**6))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(city: City) -> Stage:
    operator = await city.client("operator", "440000")
    source = await city.client("platform")
    other = await city.client("platform")
    phone = f"1378642{next(_stages):04d}"
    holder = await city.holder(operator, phone, source)
    return Stage(city, operator, source, other, phone, holder, await city.resident(operator, holder))
