"""A service of one's own parts, answered without a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from auth.altered import Altered

from app.application import create_app
from app.wiring import Services


@pytest.fixture
def altered(service: Services) -> Altered:
    """A client of the application with some of its services replaced."""

    @asynccontextmanager
    async def build(**changes: Any) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(create_app(replace(service, **changes)), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            yield client

    return build
