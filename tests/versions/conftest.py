"""Instances of the service whose time a test sets, on one database, and the operators of a city."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
from helpers import Caller, City
from versions.office import Clock, Office

from app.application import create_app
from app.embedded.stack import Stack
from app.settings import Settings
from app.wiring import Services, services


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(
    settings: Settings, stack: Stack, database_urls: tuple[str, str], clock: Clock
) -> Callable[..., Any]:
    """Opens an instance of the service: its HTTP API and its services, with the rules kept up to date or not."""

    @asynccontextmanager
    async def instance(
        *, redis_url: str | None = None, **over: Any
    ) -> AsyncIterator[tuple[httpx.AsyncClient, Services]]:
        own = settings.model_copy(update={"methodology_poll_seconds": 0.1, **over})
        async with services(own, database_urls[0], redis_url or stack.redis_url, clock) as current:
            transport = httpx.ASGITransport(create_app(current))
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
                yield http, current

    return instance


@pytest_asyncio.fixture(loop_scope="session")
async def office(opened: Callable[..., Any], clock: Clock) -> AsyncIterator[Office]:
    """Two operators of Guangdong and a platform, at an instance of their own."""
    async with contextlib.AsyncExitStack() as stack:
        http, current = await stack.enter_async_context(opened())
        city = City(http, current)
        author, second = await city.client("operator", "440000"), await city.client("operator", "440000")
        yield Office(city, clock, author, second, await city.client("platform"))


@pytest.fixture
def moved() -> Callable[[Caller, httpx.AsyncClient], Caller]:
    """The same client at another instance."""

    def move(caller: Caller, http: httpx.AsyncClient) -> Caller:
        return Caller(http, caller.token, caller.organisation_id, caller.client_id, caller.secret)

    return move
