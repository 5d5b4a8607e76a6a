"""What rows work with: servers of the benchmark's own, the service in a process of its own, holders, reports."""

import asyncio
import contextlib
import datetime as dt
import gc
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import httpx
from rich.console import Console

from app.auth.clients import NewClient
from app.bench import world
from app.bench.load import Run, credited, drive, outcomes, request
from app.bench.meter import Meter
from app.bench.registry import BenchError
from app.bench.reports import Reports
from app.embedded.stack import Stack
from app.server import prepare_schema
from app.settings import Settings

BATCH: Final = 1_000
BATCH_CONNECTIONS: Final = 4
_START_LIMIT_S: Final = 120
_STOP_LIMIT_S: Final = 60
_LOG_SHOWN: Final = 2_000


@dataclass(frozen=True)
class Service:
    """The service in its process."""

    url: str
    pid: int
    tokens: tuple[str, ...]
    """Of the platforms, in their order."""


@dataclass(frozen=True)
class Batches:
    """Batches over HTTP."""

    credited_per_s: float
    run: Run
    told: str


@dataclass(frozen=True)
class Trips:
    """Real trips that a row starts from, and the seed of what is made up around them."""

    folder: Path
    seed: int


SHARED_TRIPS: Final = Trips(Path("../shared/data"), seed=1)


class Lab:
    """Opened once for all rows of a call; `quick` is smaller."""

    def __init__(
        self,
        settings: Settings,
        stack: Stack | None,
        *,
        console: Console,
        quick: bool,
        trips: Trips = SHARED_TRIPS,
    ) -> None:
        self.settings = settings
        self.quick = quick
        self.trips = trips
        self.holders = 100_000 if quick else 1_000_000
        self.reports = Reports(self.holders, dt.datetime.now(dt.UTC))
        self._stack = stack
        self._console = console
        self._clients: list[NewClient] = []

    def say(self, text: str) -> None:
        """Tell what is being done."""
        self._console.print(f"[dim]{dt.datetime.now().astimezone():%H:%M:%S}[/] {text}", highlight=False)

    @property
    def platforms(self) -> list[str]:
        """The platforms' organisations (`org_…`), in their order."""
        return [client.organisation_id for client in self._clients]

    @property
    def stack(self) -> Stack:
        """The servers; rows that are not served have none."""
        if self._stack is None:
            raise BenchError("this row asked for no servers")
        return self._stack

    async def prepare(self) -> None:
        """Make the schema, the platforms and the holders."""
        self.say("Making the schema")
        await prepare_schema(self.stack)
        self._clients = await world.platforms(self.stack, dt.datetime.now(dt.UTC))
        self.say(f"Writing {self.holders:,} holders")
        async with self.database() as driver:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                if await driver.fetchval(f"SHOW {name}") != "on":
                    raise BenchError(f"{name} is not on")
            await world.seed(driver, self.settings, self.holders, self._clients, self.say)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection for loading and looking."""
        driver = await world.superuser(self.stack)
        try:
            yield driver
        finally:
            await driver.close()

    async def checkpoint(self) -> None:
        """Bring everything to disk, so that no measurement pays for what came before it."""
        async with self.database() as driver:
            await driver.execute("CHECKPOINT")

    @asynccontextmanager
    async def service(self) -> AsyncIterator[Service]:
        """The service, started anew for the length of the block."""
        log = self.settings.data_dir / "service.log"
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "app.bench.server",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=self._environment(),
            )
        try:
            url = await _url_of(process, log)
            tokens = tuple([await sign_in(url, client) for client in self._clients])
            yield Service(url, process.pid, tokens)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), _STOP_LIMIT_S)
            except TimeoutError:
                process.kill()
                await process.wait()

    def meter(self, service: Service) -> Meter:
        """Measure who uses the processors from now on.

        A collection over all that the lab has gathered holds the client up for a quarter of a second and more, which
        would be counted as the service's.
        """
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        postgres = self.stack.postgres
        return Meter(service.pid, None if postgres is None else postgres.pid)

    def batch_requests(self, service: Service, count: int) -> Iterator[bytes]:
        """Requests of so many batches, made as they are taken."""
        for platform, body in self.reports.batches(count, BATCH):
            yield request("/v1/activities/batch", service.tokens[platform], body)

    async def batches(self, service: Service, *, count: int, warm_up: int) -> Batches:
        """Measure batches over HTTP: built before, looked at afterwards."""
        self.say(f"  building {warm_up + count} batches of {BATCH:,}")
        warm = list(self.batch_requests(service, warm_up))
        requests = list(self.batch_requests(service, count))
        await self.checkpoint()
        await drive(service.url, iter(warm), connections=BATCH_CONNECTIONS)
        self.say(f"  sending {count} batches over {BATCH_CONNECTIONS} connections")
        deadlocks = await self._deadlocks()
        meter = self.meter(service)
        run = await drive(service.url, iter(requests), connections=BATCH_CONNECTIONS)
        told = meter.told()
        told = f"{told}; {await self._deadlocks() - deadlocks} deadlocks"
        counted = outcomes(run.bodies)
        rate = credited(counted) / run.seconds
        shown = ", ".join(f"{number:,} {outcome}" for outcome, number in counted.most_common())
        self.say(f"  {rate:,.0f} credited/s in {run.seconds:.1f} s ({shown}); {told}")
        run.bodies.clear()
        return Batches(rate, run, told)

    async def _deadlocks(self) -> int:
        await asyncio.sleep(1.5)  # backends tell their counts once a second
        async with self.database() as driver:
            found = await driver.fetchval(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            )
        return int(found)

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "TANPUHUI_DATA_DIR": str(self.settings.data_dir),
            "TANPUHUI_CLIENT_REQUESTS_PER_SECOND": "1000000",
            "TANPUHUI_RESIDENT_REQUESTS_PER_SECOND": "1000000",
            "TANPUHUI_ACCESS_TOKEN_SECONDS": "86400",
            "TANPUHUI_LOG_LEVEL": "warning",
        }


async def _url_of(process: asyncio.subprocess.Process, log: Path) -> str:
    line = b""
    if process.stdout is not None:
        with contextlib.suppress(TimeoutError):
            line = await asyncio.wait_for(process.stdout.readline(), _START_LIMIT_S)
    if not line.startswith(b"http"):
        told = await asyncio.to_thread(log.read_text)
        raise BenchError(f"the service did not start:\n{told[-_LOG_SHOWN:]}")
    return line.decode().strip()


async def sign_in(url: str, client: NewClient) -> str:
    """Sign a client in; answers its token."""
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        answer = await http.post(
            "/oauth/token", data={"grant_type": "client_credentials"}, auth=(client.client_id, client.secret)
        )
        if answer.status_code != httpx.codes.OK:
            raise BenchError(f"sign-in answered {answer.status_code}: {answer.text}")
        return str(answer.json()["access_token"])
