"""Runs the service: database and Redis, schema, HTTP, jobs; and ends them in the opposite order."""

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
import uvicorn
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from app.application import create_app
from app.errors import StartError
from app.jobs.runner import Runner
from app.jobs.service import recurring
from app.metering import mqtt
from app.migrate import migrate
from app.wiring import Services, services, utc_now

if TYPE_CHECKING:
    from fastapi import FastAPI

    from app.embedded.stack import Stack
    from app.settings import Settings

log = structlog.get_logger(__name__)
REFRESH_S = 5
KEEP_ALIVE_S = 75
GRACE_S = 15


def listen(settings: "Settings") -> socket.socket:
    """The socket that the service accepts connections on."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise StartError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another with --port"
        ) from None
    return listener


async def prepare_schema(stack: "Stack") -> str:
    """Migrate as the owner; answers the revision. Where no owner is known, an operator runs `tanpuhui migrate`."""
    role = make_url(stack.database_url).username or ""
    if stack.owner_database_url is None:
        raise StartError("set TANPUHUI_MIGRATION_DATABASE_URL to the role that owns the tables")
    return await migrate(stack.owner_database_url, role)


async def _refresh(current: Services) -> None:
    """Keep this process's keys and its view of disabled clients fresh."""
    while True:
        await asyncio.sleep(REFRESH_S)
        try:
            async with current.database.reading() as session:
                await current.tokens.keys.refresh(session, utc_now())
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("keys not refreshed", error=type(error).__name__)


async def _watch(stack: "Stack") -> None:
    """Start an embedded server again that died."""
    while True:
        await asyncio.sleep(REFRESH_S)
        try:
            await asyncio.to_thread(stack.ensure_running)
        except Exception as error:  # noqa: BLE001 - it is tried again, and readyz says what is away
            log.warning("embedded server cannot be started", error=type(error).__name__)


@asynccontextmanager
async def running(settings: "Settings", stack: "Stack") -> AsyncIterator[Services]:
    """The services with their jobs, for as long as the block runs."""
    async with services(settings, stack.database_url, stack.redis_url) as current:
        runner = Runner(current.database, utc_now, recurring(current))
        await runner.start()
        work = [_refresh(current), _watch(stack), current.live.run(), current.webhooks.run()]
        if (broker := mqtt.broker_of(settings)) is not None:
            work.append(mqtt.listen(broker, current.readings))
        if current.payments is not None:
            work.append(current.payments.run())
        tasks = [asyncio.create_task(each) for each in work]
        try:
            await runner.run_due()
            yield current
        finally:
            runner.stop()
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def serve(
    settings: "Settings",
    stack: "Stack",
    on_ready: Callable[[str], None],
    until: asyncio.Event,
) -> None:
    """Serve until the event is set; `on_ready` gets the base URL once connections are accepted.

    Requests under way are finished first.
    """
    with listen(settings) as listener:
        async with running(settings, stack) as current:
            await _serve_on(listener, create_app(current), on_ready, until)


def _settle_memory() -> None:
    """Spare the garbage collector what lives as long as the process, and rounds that find nothing.

    A batch makes some hundred thousand objects that are freed by reference count alone; collecting at the default
    thresholds cost 30 % of the intake's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)


async def _serve_on(
    listener: socket.socket,
    app: "FastAPI",
    on_ready: Callable[[str], None],
    until: asyncio.Event,
) -> None:
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = uvicorn.Server(config)
    _settle_memory()
    # `serve` would take over the process's signals and raise them again before our own servers are stopped.
    task = asyncio.create_task(server._serve([listener]))  # noqa: SLF001
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.02)
    if server.started:
        host, port = listener.getsockname()[:2]
        on_ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        await until.wait()
        server.should_exit = True
    await task
