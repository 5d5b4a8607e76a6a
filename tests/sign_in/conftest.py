"""A service whose providers are local servers, and the app of a resident."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sign_in.desk import Clock, Desk
from sign_in.providers import Providers, served

from app.application import create_app
from app.embedded.stack import Stack
from app.settings import Settings, load_settings
from app.wiring import services

_devices = itertools.count(1)


@pytest_asyncio.fixture(scope="session")
async def providers() -> AsyncIterator[Providers]:
    async with served(Providers()) as running:
        yield running


@pytest.fixture(autouse=True)
def _well_behaved(providers: Providers) -> Iterator[None]:
    yield
    providers.odd.clear()
    providers.stolen_signature = False


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(
    settings: Settings, stack: Stack, database_urls: tuple[str, str], providers: Providers, clock: Clock
) -> Callable[..., Any]:
    """Opens an instance of the service with the providers configured."""

    @asynccontextmanager
    async def instance(*, redis_url: str | None = None, **over: Any) -> AsyncIterator[Desk]:
        given = settings.model_dump() | providers.settings() | over
        own = load_settings(**given)
        async with services(own, database_urls[0], redis_url or stack.redis_url, clock) as current:
            app = create_app(current)

            def client(address: str | None = None) -> httpx.AsyncClient:
                number = next(_devices)
                where = address or f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
                transport = httpx.ASGITransport(app, client=(where, 1234), raise_app_exceptions=False)
                return httpx.AsyncClient(transport=transport, base_url="http://service", timeout=60)

            yield Desk(current, providers, clock, client)

    return instance


@pytest_asyncio.fixture(loop_scope="session")
async def desk(opened: Callable[..., Any]) -> AsyncIterator[Desk]:
    async with opened() as running:
        yield running
