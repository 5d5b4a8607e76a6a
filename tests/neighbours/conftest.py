from collections.abc import AsyncIterator

import pytest_asyncio
from neighbours.towns import Town, two_towns

from app.embedded.stack import Stack


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def towns(stack: Stack, template: str) -> AsyncIterator[tuple[Town, Town]]:
    """Two deployments that know each other. What they agreed is each test's own."""
    async with two_towns(stack, template) as both:
        yield both
