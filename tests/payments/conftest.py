"""The service with WeChat Pay set up, and the WeChat Pay that it talks to."""

import asyncio
import datetime
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
from helpers import Caller, City
from payments import wechat as other
from payments.wechat import WeChat
from redeeming.market import Market, Resident

from app.embedded.stack import Stack
from app.server import serve
from app.settings import Settings, load_settings
from app.wiring import Services, services, utc_now


class Clock:
    """The service's time, which tests move ahead."""

    def __init__(self) -> None:
        self.ahead = datetime.timedelta(0)

    def __call__(self) -> datetime.datetime:
        return utc_now() + self.ahead


@dataclass
class Desk:
    """Everything around a payment. `service` is the one that these tests drive by hand, with a clock of its own."""

    market: Market
    service: Services
    wechat: WeChat
    clock: Clock
    merchant: Caller
    operator: Caller
    offer: str

    async def order(self, resident: Resident) -> str:
        answer = await resident.post("/v1/me/redemptions", json={"offer_id": self.offer})
        assert (answer.status_code, answer.json()["state"]) == (200, "awaiting_payment"), answer.text
        return str(answer.json()["redemption_id"])

    async def begin(self, resident: Resident, redemption: str) -> httpx.Response:
        path = f"/v1/me/redemptions/{redemption}/payment"
        return await resident.post(path, json={"payer_openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"})

    async def begun(self) -> tuple[Resident, str, str]:
        """A resident with an order whose payment is announced: redemption and out_trade_no."""
        resident = await self.market.resident(500)
        redemption = await self.order(resident)
        answer = await self.begin(resident, redemption)
        assert answer.status_code == 200, answer.text
        return resident, redemption, list(self.wechat.trades)[-1]

    async def notify(self, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.market.city.http.post(
            "/v1/payments/wechat_pay/notification", content=body, headers=headers or self.wechat.signed(body)
        )

    async def told(self, number: str) -> httpx.Response:
        return await self.notify(self.wechat.notification(self.wechat.told(number)))

    async def redemption(self, resident: Resident, redemption: str) -> dict[str, Any]:
        return (await resident.get(f"/v1/me/redemptions/{redemption}")).json()

    async def payment(self, number: str) -> dict[str, Any]:
        items = (await self.operator.get("/v1/operator/payments", params={"limit": 200})).json()["items"]
        return next(item for item in items if item["out_trade_no"] == number)

    async def look(self, ahead: datetime.timedelta = datetime.timedelta(0)) -> None:
        """Have the service look, so much later."""
        assert self.service.payments is not None
        self.clock.ahead = ahead
        try:
            while await self.service.payments.look():
                pass
        finally:
            self.clock.ahead = datetime.timedelta(0)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wechat(tmp_path_factory: Any) -> AsyncIterator[tuple[WeChat, Path]]:
    folder = tmp_path_factory.mktemp("wechat")
    made = other.make(folder)
    server, listener = other.server_of(made)
    task = asyncio.create_task(server._serve([listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.02)
    yield made, folder
    server.should_exit = True
    await task


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def paying(settings: Settings, wechat: tuple[WeChat, Path]) -> Settings:
    made, folder = wechat
    return load_settings(
        **settings.model_dump()
        | {
            "wechat_pay_url": made.url,
            "wechat_pay_merchant_id": other.MERCHANT,
            "wechat_pay_app_id": other.APP,
            "wechat_pay_serial": other.SERIAL,
            "wechat_pay_key_file": folder / "merchant.pem",
            "wechat_pay_platform_keys": folder / "platform",
            "wechat_pay_api_key": other.API_KEY,
            "wechat_pay_notify_url": "https://tph.example/v1/payments/wechat_pay/notification",
        }
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def service(
    paying: Settings, stack: Stack, database_urls: tuple[str, str], clock: Clock
) -> AsyncIterator[Services]:
    async with services(paying, database_urls[0], stack.redis_url, clock) as current:
        yield current


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def base_url(paying: Settings, stack: Stack, database_urls: tuple[str, str]) -> AsyncIterator[str]:
    own = Stack(database_urls[0], database_urls[1], stack.redis_url, stack.postgres, stack.valkey)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stopping = asyncio.Event()
    task = asyncio.create_task(serve(paying, own, ready.set_result, stopping))
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    yield ready.result()
    stopping.set()
    await task


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(city: City, service: Services, wechat: tuple[WeChat, Path], clock: Clock) -> Desk:
    market = Market(city)
    merchant = await market.merchant()
    operator = await city.client("operator", "440300")
    wechat[0].ahead_s = lambda: clock.ahead.total_seconds()  # noqa: PLW0108 - `ahead` is replaced
    offer = await market.offer(merchant, operator, price_points=100, price_fen=990, settle_fen=1500)
    return Desk(market, service, wechat[0], clock, merchant, operator, offer)
