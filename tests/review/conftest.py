from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from crediting.desk import Desk
from helpers import City
from review.watch import Office, Street

from app.application import create_app
from app.wiring import Services


@pytest_asyncio.fixture(loop_scope="session")
async def street(service: Services) -> Street:
    desk = Desk(service)
    return Street(desk, await desk.source())


@pytest_asyncio.fixture(loop_scope="session")
async def office(service: Services) -> AsyncIterator[Office]:
    transport = httpx.ASGITransport(create_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        city = City(http, service)
        yield Office(city, await city.client("operator"), await city.client("platform"))


@pytest.fixture
def desk(service: Services) -> Desk:
    return Desk(service)
