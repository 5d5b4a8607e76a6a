"""Two deployments on one machine: two databases, two sets of keys, two services over HTTP that know each other."""

import asyncio
import datetime
import itertools
import json
import os
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from helpers import Caller, City

from accounts.ids import parse_public_id, uuid7
from app.application import create_app
from app.auth.principal import Principal
from app.embedded.stack import Stack
from app.neighbours.agreements import NeighbourAgreement
from app.neighbours.models import Neighbour
from app.neighbours.service import Settled
from app.programmes import decisions
from app.programmes.models import Kind
from app.server import _serve_on, listen, running
from app.settings import Settings, load_settings
from app.verification import verify
from app.webhooks.signing import SecretBox
from app.wiring import Services, utc_now

REGION = "440300"
NOBODY = UUID(int=0)
PAST = datetime.datetime(2019, 1, 1, tzinfo=datetime.UTC)
_first_days = (datetime.date(2020, 1, 1) + datetime.timedelta(days=number) for number in itertools.count())


@dataclass
class Town:
    """One deployment, its doors, and whom it reports and decides by."""

    settings: Settings
    services: Services
    owner_url: str
    redis_url: str
    url: str = ""
    city: Any = None
    operator: Any = None
    platform: Any = None
    other_platform: Any = None
    neighbour_id: UUID = NOBODY
    neighbour_organisation: str = ""

    def __post_init__(self) -> None:
        self._stopping = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Serve, on the port of the last time where there was one."""
        port = int(self.url.rpartition(":")[2]) if self.url else 0
        listener = listen(self.settings.model_copy(update={"port": port}))
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._stopping = asyncio.Event()
        app = create_app(self.services)
        self._serving = asyncio.create_task(_serve_on(listener, app, ready.set_result, self._stopping))
        self.url = await ready

    async def close(self) -> None:
        """Answer nobody any more."""
        self._stopping.set()
        if self._serving is not None:
            await self._serving
        self._serving = None

    async def holder(self, phone: str, region: str = REGION) -> str:
        found: str = await self.city.holder(
            self.operator, phone, self.platform, self.other_platform, region=region
        )
        return found

    async def report(self, report: dict[str, Any], by: Caller | None = None) -> dict[str, Any]:
        answer = await (by or self.platform).post("/v1/activities", json=report)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def activity(self, activity_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.operator.get(f"/v1/activities/{activity_id}")).json()
        return found

    async def agree(self, **terms: Any) -> None:
        """Have the region agree with the neighbour, as two operators do; the later agreement counts."""
        given = {"recognises": ["trip"], "neighbour": self.neighbour_organisation, **terms}
        text = NeighbourAgreement.model_validate_json(
            json.dumps({"region": REGION, "from": next(_first_days).isoformat(), "neighbours": [given]})
        )
        kind = Kind.NEIGHBOUR_AGREEMENT
        async with self.services.database.transaction() as session:
            one = decisions.Actor(_principal("cli_one"), utc_now(), "", lambda: PAST)
            found = await decisions.draft(session, one, kind, text)
            other = decisions.Actor(_principal("cli_two"), utc_now(), "", lambda: PAST)
            await decisions.approve(session, other, kind, found.id, found.etag, "x")
        await self.services.live.refresh()

    async def exchange(self) -> Settled:
        return await self.services.neighbours.exchange(self.neighbour_id)

    async def doubles(self, **query: Any) -> list[dict[str, Any]]:
        path = f"/v1/operator/neighbours/nbr_{self.neighbour_id.hex}/reconciliation"
        answer = await self.operator.get(path, params={"limit": 200, **query})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    async def double(self, activity_id: str) -> dict[str, Any] | None:
        return next((each for each in await self.doubles() if each["activity_id"] == activity_id), None)

    async def reverse(self, activity_id: str) -> httpx.Response:
        path = f"/v1/operator/neighbours/nbr_{self.neighbour_id.hex}/reconciliation/{activity_id}/reversal"
        answer: httpx.Response = await self.operator.post(path, json={"reason": "as agreed"})
        return answer

    async def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.owner_url)
        try:
            found: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
        finally:
            await connection.close()
        return found

    async def breaches(self) -> list[tuple[str, str | None]]:
        async with self.services.database.snapshot() as driver:
            return [(f.rule, f.breach) async for f in verify(driver) if f.breach is not None]


async def _create(owner_url: str, name: str, template: str) -> None:
    owner = await asyncpg.connect(owner_url)
    try:
        await owner.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        await owner.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
    finally:
        await owner.close()


def _principal(name: str) -> Principal:
    return Principal(name, uuid.UUID(int=7), name, "100000", frozenset(), 2_000_000_000)


@asynccontextmanager
async def town(stack: Stack, template: str, **over: Any) -> AsyncIterator[Town]:
    """A deployment of its own, with fresh keys."""
    assert stack.postgres is not None
    name = "town_" + uuid.uuid4().hex[:12]
    await _create(stack.postgres.owner_url, name, template)
    service_url = stack.postgres.url("tanpuhui_service", name)
    owner_url = stack.postgres.url("tanpuhui_owner", name)
    with tempfile.TemporaryDirectory(prefix="tph-town-") as folder:
        settings = load_settings(
            environment="test",
            data_dir=Path(folder),
            port=0,
            database_url=None,
            redis_url=None,
            client_requests_per_second=1_000_000,
            **over,
        )
        own = Stack(service_url, owner_url, stack.redis_url, stack.postgres, stack.valkey)
        async with running(settings, own) as services:
            made = Town(settings, services, owner_url, stack.redis_url)
            await made.open()
            async with httpx.AsyncClient(base_url=made.url, timeout=30) as http:
                made.city = City(http, services)
                made.operator = await made.city.client("operator")
                made.platform = await made.city.client("platform")
                made.other_platform = await made.city.client("platform")
                try:
                    yield made
                finally:
                    await made.close()


async def know(one: Town, other: Town) -> None:
    """Register `other` as a neighbour of `one`: our client at its service, and its organisation here."""
    our_client = await other.city.client("neighbour", name=f"asks {other.url}")
    their_organisation = (await one.city.client("neighbour", name=f"asks {one.url}")).organisation_id
    organisation_id = parse_public_id("org", their_organisation)
    assert organisation_id is not None
    found = uuid7(utc_now())
    box = SecretBox(one.settings.receipt_key.get_secret_value())
    async with one.services.database.transaction() as session:
        session.add(
            Neighbour(
                id=found,
                organisation_id=organisation_id,
                name=f"town at {other.url}",
                url=other.url,
                client_id=our_client.client_id,
                sealed_secret=box.seal(found, our_client.secret.encode()),
                created_at=utc_now(),
            )
        )
    one.neighbour_id, one.neighbour_organisation = found, their_organisation


@asynccontextmanager
async def two_towns(stack: Stack, template: str, **over: Any) -> AsyncIterator[tuple[Town, Town]]:
    """The first has the federation's key, the second asks it; both have the exchange's key."""
    # Both share a loop and a machine with other tests: what a neighbour may take is no figure of these.
    common = {"exchange_key": os.urandom(32), "neighbour_timeout_ms": 1_500, **over}
    async with town(stack, template, federation_oprf_key=os.urandom(32), **common) as one:
        evaluator = one.services.evaluator.federation
        assert evaluator is not None
        client = await one.city.client("neighbour", name="evaluates for the other")
        asking = {
            "federation_url": one.url,
            "federation_client_id": client.client_id,
            "federation_client_secret": client.secret,
            "federation_key_id": evaluator.key_id,
        }
        async with town(stack, template, **asking, **common) as other:
            await know(one, other)
            await know(other, one)
            yield one, other
