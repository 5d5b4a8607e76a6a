"""`kill -9` of the service while readings come in: what was acknowledged is there, and sums follow from readings."""

import asyncio
import datetime as dt
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
import pytest_asyncio
from faults.test_kill import Service

from accounts.metering.quarters import ends_at, first_of
from app.auth.principal import Principal
from app.auth.scopes import READINGS_WRITE
from app.settings import load_settings
from app.verification import verify
from app.wiring import services, utc_now

METERS, SENDERS, KILLS = 200, 3, 2
FIRST = first_of(dt.date(2026, 2, 27))


@dataclass
class Gateways:
    """Senders of all meters' readings, quarter-hour by quarter-hour, and what was acknowledged to them."""

    token: str
    ids: list[uuid.UUID]
    acknowledged: dict[tuple[int, int], int] = field(default_factory=dict)

    async def send(self, url: str, sender: int) -> None:
        """Every sender sends each quarter-hour, the others' readings too, until the service is gone."""
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            quarter = FIRST + len(self.acknowledged) // METERS // 2
            while True:
                items = [
                    {
                        "meter": f"M{meter}",
                        "at": ends_at(quarter).isoformat(),
                        "energy_wh": quarter * 10 + meter if meter % 2 else meter,
                    }
                    for meter in range(METERS)
                ]
                try:
                    answer = await http.post(
                        "/v1/enterprises/readings/batch",
                        json=items,
                        headers={"Authorization": f"Bearer {self.token}"},
                    )
                except httpx.TransportError:
                    return
                if answer.status_code == 200:
                    for meter, each in enumerate(answer.json()["items"]):
                        assert each["outcome"] in ("stored", "known"), (sender, each)
                        self.acknowledged[meter, quarter] = items[meter]["energy_wh"]
                    quarter += 1


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def service() -> AsyncIterator[Service]:
    folder = Path(tempfile.mkdtemp(prefix="tph-kill-"))
    running = Service(folder)
    yield running
    await running.stop()
    shutil.rmtree(folder, ignore_errors=True)


async def test_nothing_acknowledged_is_lost(service: Service) -> None:
    await service.start()
    settings = load_settings(data_dir=service.folder, environment="test")
    holder_id = uuid.uuid4()
    ids = [uuid.uuid4() for _ in range(METERS)]
    now = utc_now()
    async with services(settings, service.postgres.service_url, service.valkey.redis_url) as own:
        async with own.database.driver_transaction() as driver:
            await driver.execute(
                "INSERT INTO meters (holder_id, id, site_id, number, carrier, flow, reading, counts, installed_at,"
                " version, created_at) SELECT $1, m.id, $1, 'M' || (n - 1), 'electricity', 'use',"
                " CASE WHEN n % 2 = 0 THEN 'cumulative' ELSE 'interval' END, true, '2018-01-01', 1, $2"
                " FROM unnest($3::uuid[]) WITH ORDINALITY AS m (id, n)",
                holder_id,
                now,
                ids,
            )
        until = int(now.timestamp()) + 3600
        rights = frozenset({READINGS_WRITE})
        principal = Principal("cli_gateway", uuid.uuid4(), "gateway", "330800", rights, until, holder_id)
        gateways = Gateways(own.tokens.issue(principal, now), ids)
    for _ in range(KILLS):
        await service.start()
        senders = [asyncio.create_task(gateways.send(service.url, sender)) for sender in range(SENDERS)]
        before = len(gateways.acknowledged)
        async with asyncio.timeout(60):
            while len(gateways.acknowledged) < before + METERS * 5:  # noqa: ASYNC110 - the senders are watched
                await asyncio.sleep(0.01)
        await service.kill()
        await asyncio.gather(*senders)
    await service.start()
    owner = await asyncpg.connect(service.postgres.service_url)
    try:
        rows = await owner.fetch("SELECT meter_id, day, amounts, registers FROM meter_days")
        stored = {
            (ids.index(row["meter_id"]), first_of(row["day"]) + place): value
            for row in rows
            for place, value in enumerate(row["registers"] or row["amounts"])
            if value is not None
        }
        assert gateways.acknowledged.items() <= stored.items()
        async with owner.transaction(isolation="repeatable_read", readonly=True):
            found = {finding.rule: finding.breach async for finding in verify(owner)}
        assert found["readings"] is None
    finally:
        await owner.close()
