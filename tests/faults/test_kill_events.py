"""`kill -9` of the service in the middle of payments of events: each is done whole, or undone and done again."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest_asyncio
from event_footprints.events_known import FOOTPRINT, stocked
from faults.test_kill import Service
from payments import wechat as other
from payments.conftest import wechat
from payments.wechat import WeChat
from redeeming.ledgers import Accounts

from app.auth.clients import create_client
from app.auth.models import OrganisationKind
from app.auth.principal import Principal
from app.auth.scopes import EVENT_POOLS_WRITE, ME_READ, ME_WRITE
from app.settings import load_settings
from app.wiring import services, utc_now

__all__ = ["wechat"]
BUYERS, EACH, STOCK = 12, 10, 10_000
SUMS = """
    SELECT count(*) FILTER (WHERE o.state = 'paid') AS paid, count(r.id) AS retired,
        count(*) FILTER (WHERE p.state = 'paid') AS by_payments, count(c.id) AS certified
    FROM event_orders o LEFT JOIN unit_retirements r ON r.subject_id = o.id
    LEFT JOIN payments p ON p.subject_id = o.id LEFT JOIN certificates c ON c.subject_id = o.event_id
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def service(wechat: tuple[WeChat, Path]) -> AsyncIterator[Service]:
    made, keys = wechat
    folder = Path(tempfile.mkdtemp(prefix="tph-kill-"))
    running = Service(folder)
    running.environment |= {
        "TANPUHUI_RESIDENT_REQUESTS_PER_SECOND": "100000",
        "TANPUHUI_WECHAT_PAY_URL": made.url,
        "TANPUHUI_WECHAT_PAY_MERCHANT_ID": other.MERCHANT,
        "TANPUHUI_WECHAT_PAY_APP_ID": other.APP,
        "TANPUHUI_WECHAT_PAY_SERIAL": other.SERIAL,
        "TANPUHUI_WECHAT_PAY_KEY_FILE": str(keys / "merchant.pem"),
        "TANPUHUI_WECHAT_PAY_PLATFORM_KEYS": str(keys / "platform"),
        "TANPUHUI_WECHAT_PAY_API_KEY": other.API_KEY,
        "TANPUHUI_WECHAT_PAY_NOTIFY_URL": "https://tph.example/v1/payments/wechat_pay/notification",
    }
    yield running
    await running.stop()
    shutil.rmtree(folder, ignore_errors=True)


async def prepared(service: Service) -> tuple[str, list[str]]:
    """A pool, and the tokens of people who hold events."""
    settings = load_settings(data_dir=service.folder, environment="test")
    now = utc_now()
    until = int(now.timestamp()) + 3600
    async with services(settings, service.postgres.service_url, service.valkey.redis_url) as own:
        async with own.database.transaction() as session:
            made = await create_client(session, OrganisationKind.OPERATOR, "x", "360000", None, now)
        await stocked(own, made.organisation_id, STOCK)
        people = await Accounts(own).holders(BUYERS)

        def token(scopes: set[str], organisation: UUID, holder: UUID | None) -> str:
            rights = frozenset(scopes)
            return own.tokens.issue(
                Principal("cli_app", organisation, "app", "360000", rights, until, holder), now
            )

        seller = token({EVENT_POOLS_WRITE}, UUID(made.organisation_id[4:]), None)
        tokens = [token({ME_READ, ME_WRITE}, UUID(int=7), holder) for holder in people]
    body = {"region": "360000", "title_zh": "x", "title_en": "x", "price_fen_per_t": 5_000}
    async with httpx.AsyncClient(base_url=service.url, timeout=30) as http:
        headers = {"Authorization": f"Bearer {seller}"}
        answer = await http.post("/v1/operator/event-pools", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["pool_id"]), tokens


async def ordered(http: httpx.AsyncClient, token: str, pool: str, pays: WeChat) -> list[str]:
    """Orders whose payments are announced and paid at the provider; nobody has told the service yet."""
    numbers = []
    headers = {"Authorization": f"Bearer {token}"}
    for _ in range(EACH):
        event = (await http.post("/v1/me/events", json=FOOTPRINT | {"title": "x"}, headers=headers)).json()
        path = f"/v1/me/events/{event['event_id']}/orders"
        order = (await http.post(path, json={"pool_id": pool}, headers=headers)).json()
        path = f"/v1/me/event-orders/{order['order_id']}/payment"
        begun = await http.post(path, json={"payer_openid": "oUpF8uMuAJO"}, headers=headers)
        number = begun.json()["wechat_pay"]["package"].removeprefix("prepay_id=wx")
        pays.pay(number)
        numbers.append(number)
    return numbers


async def tell(http: httpx.AsyncClient, pays: WeChat, number: str) -> bool:
    """Whether the service acknowledged what it was told."""
    body = pays.notification(pays.told(number))
    try:
        answer = await http.post(
            "/v1/payments/wechat_pay/notification", content=body, headers=pays.signed(body)
        )
    except httpx.TransportError:
        return False
    return answer.status_code == 200


async def test_killed_in_the_middle_of_payments(
    service: Service,
    wechat: tuple[WeChat, Path],
) -> None:
    pays = wechat[0]
    await service.start()
    pool, tokens = await prepared(service)
    acknowledged: set[str] = set()
    async with httpx.AsyncClient(base_url=service.url, timeout=30) as http:
        numbers = sum(
            await asyncio.gather(*(ordered(http, token, pool, pays) for token in tokens)), list[str]()
        )
        total = len(numbers)
        waiting = set(numbers)

        async def tell_all() -> None:
            while waiting:
                number = waiting.pop()
                if not await tell(http, pays, number):
                    return
                acknowledged.add(number)

        telling = asyncio.gather(*(tell_all() for _ in range(8)))
        while len(acknowledged) < total // 3:  # noqa: ASYNC110 - the service's state
            await asyncio.sleep(0.002)
        await service.kill()
        await telling
    assert len(acknowledged) < total

    owner = await asyncpg.connect(service.postgres.owner_url)
    try:
        row: Any = await owner.fetchrow(SUMS)
        # Whole or not at all, and nothing acknowledged is lost.
        assert row["paid"] == row["retired"] == row["by_payments"] == row["certified"] >= len(acknowledged)
        assert row["paid"] < total
        await service.start()
        async with httpx.AsyncClient(base_url=service.url, timeout=30) as http:
            # The provider tells again whatever was not acknowledged, and what was, too.
            assert all(await asyncio.gather(*(tell(http, pays, number) for number in numbers)))
        row = await owner.fetchrow(SUMS)
        assert row["paid"] == row["retired"] == row["by_payments"] == row["certified"] == total
        held = await owner.fetchval(
            "SELECT sum(upper(units) - lower(units)) FROM unit_holdings WHERE status = 'held' AND ended_at IS NULL"
        )
        assert held == STOCK - 2 * total
    finally:
        await owner.close()
    await service.verify()
