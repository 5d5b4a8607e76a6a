"""`kill -9` of the service between hold and confirm: nothing is lost, and nothing is stuck after the time-out."""

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest_asyncio
from faults.test_kill import Service
from redeeming.ledgers import Accounts, Sold

from accounts.ids import public_id
from app.auth.principal import Principal
from app.auth.scopes import ME_READ, ME_WRITE
from app.settings import load_settings
from app.wiring import services, utc_now

PEOPLE, POINTS, PRICE, STOCK = 20, 5_000, 10, 100_000
HOLD_S = 3


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def service() -> AsyncIterator[Service]:
    folder = Path(tempfile.mkdtemp(prefix="tph-kill-"))
    running = Service(folder)
    running.environment |= {
        "TANPUHUI_REDEMPTION_HOLD_SECONDS": str(HOLD_S),
        "TANPUHUI_RESIDENT_REQUESTS_PER_SECOND": "100000",
    }
    yield running
    await running.stop()
    shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Crowd:
    """Residents who order and confirm, and what the service has acknowledged to them."""

    people: list[UUID]
    tokens: list[str]
    offer: UUID
    held: dict[str, int] = field(default_factory=dict)
    confirmed: dict[str, int] = field(default_factory=dict)
    asked: dict[str, tuple[int, str, Any]] = field(default_factory=dict)

    async def post(self, http: httpx.AsyncClient, person: int, path: str, body: Any, key: str) -> Any:
        self.asked[key] = (person, path, body)
        answer = await http.post(
            path,
            json=body,
            headers={"Authorization": f"Bearer {self.tokens[person]}", "Idempotency-Key": key},
        )
        assert answer.status_code in (200, 409, 503), answer.text
        return answer.json() if answer.status_code == 200 else None

    async def shop(self, url: str, person: int) -> None:
        """Order, and confirm every other order, until the service is gone."""
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            number = 0
            while True:
                number += 1
                body = {"offer_id": public_id("ofr", self.offer)}
                try:
                    placed = await self.post(
                        http, person, "/v1/me/redemptions", body, f"{person}-{number}-{uuid.uuid4().hex}"
                    )
                    if placed is None:
                        continue
                    redemption = placed["redemption_id"]
                    self.held[redemption] = person
                    if number % 2:
                        path = f"/v1/me/redemptions/{redemption}/confirmation"
                        if await self.post(http, person, path, None, uuid.uuid4().hex):
                            self.confirmed[redemption] = person
                except httpx.TransportError:
                    return


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crowd(service: Service) -> Crowd:
    await service.start()
    settings = load_settings(data_dir=service.folder, environment="test")
    async with services(settings, service.postgres.service_url, service.valkey.redis_url) as own:
        accounts, now = Accounts(own), utc_now()
        _, (offer,) = await accounts.offers([Sold(PRICE, "qr", stock=STOCK)], now)
        people = await accounts.holders(PEOPLE)
        for holder in people:
            await accounts.earn(holder, POINTS, now.date().replace(year=now.year + 1), now)
        rights = frozenset({ME_READ, ME_WRITE})
        until = int(now.timestamp()) + 3600
        tokens = [
            own.tokens.issue(Principal("cli_app", UUID(int=7), "app", "440300", rights, until, holder), now)
            for holder in people
        ]
    return Crowd(people, tokens, offer)


async def states(owner: asyncpg.Connection) -> dict[str, str]:
    rows = await owner.fetch("SELECT id, state FROM redemptions")
    return {public_id("red", row[0]): row[1] for row in rows}


async def returned(owner: asyncpg.Connection) -> dict[str, str]:
    """The states once no hold is left."""
    async with asyncio.timeout(60):
        while "held" in (stored := await states(owner)).values():  # noqa: ASYNC110 - the service's state
            await asyncio.sleep(0.1)
    return stored


async def test_killed_between_hold_and_confirm(service: Service, crowd: Crowd) -> None:
    for _ in range(2):
        await service.start()
        known = len(crowd.confirmed)
        shopping = asyncio.gather(*(crowd.shop(service.url, person) for person in range(PEOPLE)))
        async with asyncio.timeout(60):
            while len(crowd.confirmed) < known + 100:  # noqa: ASYNC110 - the service's state
                await asyncio.sleep(0.005)
        await service.kill()
        await shopping

    owner = await asyncpg.connect(service.postgres.owner_url)
    try:
        stored = await states(owner)
        # Acknowledged is stored, as it was acknowledged or further.
        assert crowd.held.keys() <= stored.keys()
        assert {stored[redemption] for redemption in crowd.confirmed} == {"confirmed"}
        assert "held" in stored.values()

        await asyncio.sleep(HOLD_S)
        await owner.execute("UPDATE jobs SET next_run_at = now() WHERE name = 'return_redemptions'")
        await service.start()
        stored = await returned(owner)

        # Whoever got no answer asks again, and is told what became of it.
        async with httpx.AsyncClient(base_url=service.url, timeout=30) as http:
            before = len(stored)
            for key, (person, path, body) in list(crowd.asked.items())[-2 * PEOPLE :]:
                await crowd.post(http, person, path, body, key)
        assert len(await states(owner)) - before <= PEOPLE  # only those that were lost on the way are new

        await asyncio.sleep(HOLD_S)
        await owner.execute("UPDATE jobs SET next_run_at = now() WHERE name = 'return_redemptions'")
        await service.kill()
        await service.start()
        stored = await returned(owner)
        assert set(stored.values()) == {"confirmed", "timed_out"}
        spent = sum(state == "confirmed" for state in stored.values())
        row = await owner.fetchrow(
            "SELECT sum(points), sum(held_points) FROM balances WHERE holder_id = ANY($1::uuid[])",
            crowd.people,
        )
        assert (row[0], row[1]) == (PEOPLE * POINTS - spent * PRICE, 0)
        remaining = await owner.fetchval("SELECT remaining FROM offer_stock WHERE offer_id = $1", crowd.offer)
        assert remaining == STOCK - spent
    finally:
        await owner.close()
    await service.verify()
