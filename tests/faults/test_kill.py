"""`kill -9` of the service, of PostgreSQL and of Redis while reports come in; and an orderly end.

The service runs as a process of its own with its own servers, as `tanpuhui serve` starts them.
"""

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import pytest_asyncio

from app.auth.clients import create_client
from app.auth.models import OrganisationKind
from app.database import Database, engine_for
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.valkey import EmbeddedValkey

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = 200
BATCH = 100
FIRST_DAY = datetime.now(UTC).replace(hour=1, minute=0, second=0, microsecond=0) - timedelta(days=14)
START_LIMIT_S = 60
ACTIVITY = "/v1/activities/act_" + "0" * 32
DOORS: tuple[tuple[str, str, Any], ...] = (
    ("GET", ACTIVITY, None),
    ("GET", ACTIVITY + "/explanation", None),
    ("POST", ACTIVITY + "/reversal", {"reason": "refund"}),
    ("POST", "/v1/operator/holders/batch", {"holders": []}),
)
RECOVERY_LIMIT_S = 60


class Service:
    """One `tanpuhui serve` after the other on one data folder; only its own processes are ever killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.postgres, self.valkey = EmbeddedPostgres(folder), EmbeddedValkey(folder)
        self.process: subprocess.Popen[str] | None = None
        self.url = ""
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("TANPUHUI_") and name not in ("DATABASE_URL", "REDIS_URL")
        } | {
            "TANPUHUI_DATA_DIR": str(folder),
            "TANPUHUI_ENVIRONMENT": "test",
            "TANPUHUI_CLIENT_REQUESTS_PER_SECOND": "100000",
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "app.cli", *arguments]

    def launched(self, out: Path) -> subprocess.Popen[str]:
        with out.open("w") as file:
            return subprocess.Popen(
                self.command("serve", "--port", "0"),
                cwd=ROOT,
                env=self.environment,
                stdout=file,
                stderr=file,
                text=True,
                start_new_session=True,
            )

    async def start(self) -> None:
        """Start it where it does not run, and wait until it serves."""
        if self.process is not None and self.process.poll() is None:
            return
        out = self.folder / "service.out"
        self.process = self.launched(out)
        until = time.monotonic() + START_LIMIT_S
        while (found := re.search(r"http://127\.0\.0\.1:\d+", out.read_text())) is None:
            assert self.process.poll() is None, out.read_text()
            assert time.monotonic() < until, out.read_text()
            await asyncio.sleep(0.05)
        self.url = found.group()

    async def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        await asyncio.to_thread(self.process.wait, 10)

    async def terminate(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, 60)

    def kill_postgres(self) -> None:
        """The postmaster and all its children, so that no backend finishes what it was doing."""
        pid = self.postgres.pid
        assert pid is not None
        postmaster = psutil.Process(pid)
        for process in [postmaster, *postmaster.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def kill_valkey(self) -> None:
        pid = self.valkey.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    @contextlib.contextmanager
    def not_started_again(self, server: EmbeddedPostgres | EmbeddedValkey) -> Iterator[None]:
        """For as long as the block runs nobody starts this server: its start lock is held here."""
        lock = os.open(server.folder / "start.lock", os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    async def verify(self) -> None:
        done = await asyncio.to_thread(
            subprocess.run,
            self.command("verify"),
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    async def stop(self) -> None:
        """End what still runs, whatever a test that failed left behind."""
        if self.process is not None and self.process.poll() is None:
            await self.kill()
        for server in (self.postgres, self.valkey):
            if server.running:
                await asyncio.to_thread(server.start)
                await asyncio.to_thread(server.stop)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def service() -> AsyncIterator[Service]:
    folder = Path(tempfile.mkdtemp(prefix="tph-kill-"))
    running = Service(folder)
    yield running
    await running.stop()
    shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Platform:
    """A source with its people, and what the service has acknowledged to it."""

    service: Service
    credentials: tuple[str, str]
    token: str
    phones: list[str]
    acknowledged: dict[str, dict[str, Any]] = field(default_factory=dict)
    turns: int = 0

    def batches(self, count: int) -> list[list[dict[str, Any]]]:
        """Trips one after the other, a hundred people a batch: every one of them is to be credited."""
        tag = uuid.uuid4().hex
        reports = []
        for number in range(count * BATCH):
            # Two trips an hour, at most twenty a day: no overlap, no cap.
            day, slot = divmod(self.turns + number // PEOPLE, 20)
            start = FIRST_DAY + timedelta(days=day, minutes=30 * slot)
            reports.append(
                {
                    "event_id": f"{tag}-{number}",
                    "scene": "trip.metro",
                    "region": "440300",
                    "subject": {"scheme": "phone", "value": self.phones[number % PEOPLE]},
                    "started_at": start.isoformat(),
                    "ended_at": (start + timedelta(minutes=20)).isoformat(),
                    "distance_m": 10_000,
                }
            )
        self.turns += -(-count * BATCH // PEOPLE)
        return [reports[i : i + BATCH] for i in range(0, len(reports), BATCH)]

    def client(self, **over: Any) -> httpx.AsyncClient:
        options: dict[str, Any] = {
            "base_url": self.service.url,
            "headers": {"Authorization": f"Bearer {self.token}"},
            "timeout": 30,
        }
        return httpx.AsyncClient(**options | over)

    async def report(self, http: httpx.AsyncClient, batch: list[dict[str, Any]]) -> httpx.Response:
        """Report a batch, and hold what is answered against what was acknowledged before."""
        answer = await http.post("/v1/activities/batch", json=batch)
        if answer.status_code == 200:
            for item in answer.json()["items"]:
                assert item["outcome"] == "credited", item
                before = self.acknowledged.setdefault(item["event_id"], item)
                assert before["activity_id"] == item["activity_id"]
                assert item["replayed"] or before is item
        else:
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] == "storage.unavailable"
            assert int(answer.headers["retry-after"]) > 0
        return answer

    async def report_until_it_breaks(self, batches: list[list[dict[str, Any]]], at_once: int) -> list[int]:
        """Several callers report until the service is gone; answers the status codes."""
        waiting = list(reversed(batches))
        codes: list[int] = []

        async def caller() -> None:
            async with self.client() as http:
                while waiting:
                    batch = waiting.pop()
                    try:
                        codes.append((await self.report(http, batch)).status_code)
                    except httpx.TransportError:
                        return

        await asyncio.gather(*(caller() for _ in range(at_once)))
        return codes

    @contextlib.asynccontextmanager
    async def reporting(
        self, batches: list[list[dict[str, Any]]], after: int
    ) -> AsyncIterator["asyncio.Task[list[int]]"]:
        """Four callers report; the block begins when so many batches of theirs are acknowledged."""
        known = len(self.acknowledged)
        task = asyncio.create_task(self.report_until_it_breaks(batches, 4))
        async with asyncio.timeout(60):
            while len(self.acknowledged) < known + after * BATCH and not task.done():  # noqa: ASYNC110 - the service's state
                await asyncio.sleep(0.005)
        assert not task.done(), task.result()
        yield task
        await task

    async def report_everything_again(self, batches: list[list[dict[str, Any]]]) -> None:
        before = dict(self.acknowledged)
        async with self.client() as http:
            for batch in batches:
                assert (await self.report(http, batch)).status_code == 200
        for event_id, item in before.items():
            assert self.acknowledged[event_id]["activity_id"] == item["activity_id"]
        assert {report["event_id"] for batch in batches for report in batch} <= self.acknowledged.keys()

    async def stored(self) -> dict[str, int]:
        """Activity id → how many rows, as the database itself says."""
        connection = await asyncpg.connect(self.service.postgres.owner_url)
        try:
            rows = await connection.fetch("SELECT id, count(*) FROM activities GROUP BY id")
        finally:
            await connection.close()
        return {"act_" + row[0].hex: row[1] for row in rows}

    async def assert_stored_once(self) -> None:
        ids = {item["activity_id"] for item in self.acknowledged.values()}
        assert len(ids) == len(self.acknowledged)
        assert await self.stored() == dict.fromkeys(ids, 1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def platform(service: Service) -> Platform:
    await service.start()
    database = Database(engine_for(service.postgres.service_url, pool_size=1))
    now = datetime.now(UTC)
    async with database.transaction() as session:
        made = await create_client(session, OrganisationKind.PLATFORM, "platform", "100000", None, now)
    await database.close()
    phones = [f"137{number:08d}" for number in range(PEOPLE)]
    platform = Platform(service, (made.client_id, made.secret), "", phones)
    platform.token = (await sign_in(platform)).json()["access_token"]
    holders = [
        {
            "kind": "person",
            "region": "440300",
            "identities": [{"scheme": "phone", "value": phone}],
            "consents": [
                {
                    "source_id": made.organisation_id,
                    "scene_groups": ["trip", "movement"],
                    "text_version": "t1",
                    "receipt_id": "r1",
                    "granted_at": "2020-01-01T00:00:00+08:00",
                }
            ],
        }
        for phone in phones
    ]
    async with platform.client() as http:
        answer = await http.post("/v1/operator/holders/batch", json={"holders": holders})
    assert answer.status_code == 200, answer.text
    assert all(item["error"] is None for item in answer.json()["items"])
    return platform


@pytest_asyncio.fixture(autouse=True)
async def runs(service: Service, platform: Platform) -> None:
    """Each test begins with a service that runs, whatever the one before did to it."""
    await service.start()


async def sign_in(platform: Platform) -> httpx.Response:
    async with httpx.AsyncClient(base_url=platform.service.url, timeout=30) as http:
        return await http.post(
            "/oauth/token", data={"grant_type": "client_credentials"}, auth=platform.credentials
        )


async def test_kill_9_of_the_service(service: Service, platform: Platform) -> None:
    batches = platform.batches(40)
    async with platform.reporting(batches, after=5) as reporting:
        await service.kill()
    codes = reporting.result()
    assert set(codes) == {200}
    assert 5 <= len(codes) < len(batches)

    await service.start()
    await platform.report_everything_again(batches)
    await platform.assert_stored_once()
    await service.verify()


async def test_kill_9_of_postgresql(service: Service, platform: Platform) -> None:
    batches = platform.batches(40)
    with service.not_started_again(service.postgres):
        async with platform.reporting(batches, after=5) as reporting:
            await asyncio.to_thread(service.kill_postgres)
        codes = reporting.result()
        assert set(codes) == {200, 503}  # and nothing hung and no connection broke: the service itself lives
        async with platform.client() as http:
            assert (await http.get("/readyz")).status_code == 503
            assert (await http.get("/healthz")).status_code == 200
            single = await http.post("/v1/activities", json=batches[0][0])
            assert (single.status_code, single.json()["code"]) == (503, "storage.unavailable")
            assert int(single.headers["retry-after"]) > 0
            for method, path, body in DOORS:
                answer = await http.request(method, path, json=body)
                assert (answer.status_code, answer.json()["code"]) == (503, "storage.unavailable"), path
                assert int(answer.headers["retry-after"]) > 0
        assert (await sign_in(platform)).status_code == 503

    # It starts the server again by itself.
    async with asyncio.timeout(RECOVERY_LIMIT_S), platform.client() as http:
        while (await http.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - the service's state
            await asyncio.sleep(0.1)
    await platform.report_everything_again(batches)
    await platform.assert_stored_once()
    await service.verify()


def unchecked(text: str) -> float:
    (line,) = [line for line in text.splitlines() if line.startswith("tanpuhui_rate_limit_unchecked_total ")]
    return float(line.split()[1])


async def test_redis_away(service: Service, platform: Platform) -> None:
    (batch,) = platform.batches(1)
    with service.not_started_again(service.valkey):
        async with platform.client() as http:
            before = unchecked((await http.get("/metrics")).text)
            await asyncio.to_thread(service.kill_valkey)
            # Its leased block lasts for the present window of ten seconds at most.
            async with asyncio.timeout(20):
                number = 0
                while unchecked((await http.get("/metrics")).text) == before:
                    assert (await platform.report(http, batch[number % BATCH :][:1])).status_code == 200
                    number += 1
                    await asyncio.sleep(0.2)
            assert (await platform.report(http, batch)).status_code == 200
            ready = await http.get("/readyz")
            assert (ready.status_code, ready.json()["redis"]) == (200, "away")
        # What guards a secret fails closed.
        refused = await sign_in(platform)
        assert (refused.status_code, refused.json()["code"]) == (503, "auth.unavailable"), (
            service.folder / "service.out"
        ).read_text()
        assert int(refused.headers["retry-after"]) > 0
    async with asyncio.timeout(RECOVERY_LIMIT_S):
        while (await sign_in(platform)).status_code != 200:  # noqa: ASYNC110 - the service's state
            await asyncio.sleep(0.2)


async def test_sigterm_ends_what_is_under_way(service: Service, platform: Platform) -> None:
    batches = platform.batches(30)
    async with platform.reporting(batches, after=3) as reporting:
        code = await service.terminate()
    codes = reporting.result()
    assert set(codes) == {200}
    assert code == 0, (service.folder / "service.out").read_text()
    assert not service.postgres.running
    assert not service.valkey.running

    await service.start()
    counts = await platform.stored()
    assert {item["activity_id"] for item in platform.acknowledged.values()} <= counts.keys()
    # What was not answered any more is stored whole or not at all.
    assert len(counts) % BATCH == 0
    await platform.report_everything_again(batches)
    await platform.assert_stored_once()
    await service.verify()
