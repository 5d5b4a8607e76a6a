"""The real PostgreSQL and Redis, started once for a test run, and the real service on a port of its own."""

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from helpers import City

from app.auth import clients
from app.embedded.stack import Stack, start_stack
from app.migrate import migrate
from app.server import serve
from app.settings import Settings, load_settings
from app.wiring import Services, services

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """Real input beside the repository."""
    if not DATA.is_dir():
        pytest.skip("real input is not here: ../shared/data is missing")
    return DATA


@pytest.fixture(scope="session", autouse=True)
def quick_secrets() -> Iterator[None]:
    """Hashes of secrets that cost next to nothing: a test run makes thousands of clients, each hash takes 64 MB."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clients, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="session")
def data_dir() -> Iterator[Path]:
    """A data folder outside pytest's own temporary tree, which it closes to other users."""
    folder = Path(tempfile.mkdtemp(prefix="tph-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def settings(data_dir: Path) -> Settings:
    return load_settings(
        environment="test",
        data_dir=data_dir,
        port=0,
        database_url=None,
        redis_url=None,
        client_requests_per_second=1_000_000,
        resident_requests_per_second=1_000_000,
        webhook_loopback=True,
        webhook_retry_seconds=0.2,
        webhook_timeout_seconds=4,
    )


@pytest.fixture(scope="session")
def stack(settings: Settings) -> Iterator[Stack]:
    with start_stack(settings) as stack:
        yield stack


@pytest_asyncio.fixture(scope="session")
async def template(stack: Stack) -> str:
    """A migrated database that the others are copies of."""
    assert stack.postgres is not None
    name = "template_" + uuid.uuid4().hex[:8]
    await create_database(stack, name)
    await migrate(stack.postgres.url("tanpuhui_owner", name), "tanpuhui_service")
    return name


async def create_database(stack: Stack, name: str, template: str | None = None) -> None:
    assert stack.postgres is not None
    owner = await asyncpg.connect(stack.postgres.owner_url)
    try:
        await owner.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        # As in the embedded database: the service's role makes no temporary tables.
        await owner.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
    finally:
        await owner.close()


@pytest_asyncio.fixture(scope="module")
async def database_urls(stack: Stack, template: str) -> tuple[str, str]:
    """URLs of a fresh database for this module: the service's role, and the owner's."""
    assert stack.postgres is not None
    name = "test_" + uuid.uuid4().hex[:12]
    await create_database(stack, name, template)
    return stack.postgres.url("tanpuhui_service", name), stack.postgres.url("tanpuhui_owner", name)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def service(
    settings: Settings, stack: Stack, database_urls: tuple[str, str]
) -> AsyncIterator[Services]:
    """The services on the module's database, without HTTP."""
    async with services(settings, database_urls[0], stack.redis_url) as current:
        yield current


@pytest_asyncio.fixture(loop_scope="session")
async def owner(database_urls: tuple[str, str]) -> AsyncIterator[asyncpg.Connection]:
    """A connection that may break things on purpose."""
    connection = await asyncpg.connect(database_urls[1])
    yield connection
    await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def base_url(settings: Settings, stack: Stack, database_urls: tuple[str, str]) -> AsyncIterator[str]:
    """The service on a free port of the loopback interface."""
    own = Stack(database_urls[0], database_urls[1], stack.redis_url, stack.postgres, stack.valkey)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stopping = asyncio.Event()
    task = asyncio.create_task(serve(settings, own, ready.set_result, stopping))
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    yield ready.result()
    stopping.set()
    await task


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def city(base_url: str, service: Services) -> AsyncIterator[City]:
    async with httpx.AsyncClient(
        base_url=base_url, timeout=30, limits=httpx.Limits(max_connections=200)
    ) as http:
        yield City(http, service)


_phones = iter(range(1, 10**8))


@pytest.fixture
def phone() -> str:
    """A phone number that no other test has."""
    return f"139{next(_phones):08d}"


@pytest.fixture
def phones() -> Iterator[Any]:
    """A function that makes phone numbers that no other test has."""
    return lambda: f"139{next(_phones):08d}"  # type: ignore[return-value]
