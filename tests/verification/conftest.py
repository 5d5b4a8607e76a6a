"""What the tests of `verify`'s rules share: hands in the database, taken back afterwards, and what is found."""

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio
from sqlalchemy.engine import make_url

from app.embedded.stack import Stack


@pytest_asyncio.fixture(loop_scope="session")
async def root(stack: Stack, database_urls: tuple[str, str]) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection in a transaction that is rolled back: what it breaks is whole again afterwards."""
    assert stack.postgres is not None
    name = make_url(database_urls[0]).database
    assert name is not None
    connection = await asyncpg.connect(stack.postgres.url("postgres", name))
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()
