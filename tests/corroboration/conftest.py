from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from helpers import City

from app.application import create_app
from app.wiring import Services


@pytest_asyncio.fixture(loop_scope="session")
async def watched(service: Services) -> AsyncIterator[City]:
    """The doors of the very process that learns of a policy."""
    transport = httpx.ASGITransport(create_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield City(http, service)
