"""The service with WeChat Pay set up, an operator with forest sinks in stock, and people who hold events."""

import datetime
from dataclasses import dataclass
from typing import Any

import httpx
import pytest_asyncio
from event_footprints.events_known import FOOTPRINT, stocked
from helpers import Caller, City
from payments.conftest import Clock, base_url, clock, paying, service, wechat
from payments.wechat import WeChat
from redeeming.market import Market, Resident

from app.events.service import expire
from app.wiring import Services

__all__ = ["base_url", "clock", "paying", "service", "wechat"]
JIANGXI = "360000"
OPENID = {"payer_openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}
CASE = FOOTPRINT | {"title": "江西平台算例"}


@dataclass
class Fair:
    """Everything around an event's payment. `service` is driven by hand, with a clock of its own."""

    market: Market
    service: Services
    wechat: WeChat
    clock: Clock
    operator: Caller

    async def pool(self, kg: int, price: int = 5_000) -> str:
        """A pool that sells one new stock."""
        origin = await stocked(self.service, self.operator.organisation_id, kg)
        body = {
            "region": JIANGXI,
            "title_zh": "江西林业碳汇",
            "title_en": "Forest sinks of Jiangxi",
            "price_fen_per_t": price,
            "origin_id": "uor_" + origin.id.hex,
        }
        answer = await self.operator.post("/v1/operator/event-pools", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["stock_kg"] == kg
        return str(answer.json()["pool_id"])

    async def stock(self, pool: str) -> int:
        items = (await self.market.city.http.get("/v1/public/event-pools?limit=200")).json()["items"]
        return int(next(item["stock_kg"] for item in items if item["pool_id"] == pool))

    async def event(self, organiser: Caller, start: str = "/v1/me", **over: Any) -> dict[str, Any]:
        answer = await organiser.post(start + "/events", json=CASE | over)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def order(self, buyer: Caller, event: str, start: str = "/v1/me", **body: Any) -> httpx.Response:
        return await buyer.post(f"{start}/events/{event}/orders", json=body)

    async def begin(self, buyer: Caller, order: str, start: str = "/v1/me") -> str:
        """Announce the payment of an order; answers its out_trade_no."""
        answer = await buyer.post(f"{start}/event-orders/{order}/payment", json=OPENID)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["wechat_pay"]["package"].removeprefix("prepay_id=wx"))

    async def told(self, number: str) -> httpx.Response:
        body = self.wechat.notification(self.wechat.told(number))
        return await self.market.city.http.post(
            "/v1/payments/wechat_pay/notification", content=body, headers=self.wechat.signed(body)
        )

    async def paid(self, buyer: Caller, order: str, start: str = "/v1/me") -> None:
        """Pay an order to the end."""
        number = await self.begin(buyer, order, start)
        self.wechat.pay(number)
        assert (await self.told(number)).status_code == 200

    async def shown(self, who: Caller, event: str, start: str = "/v1/me") -> dict[str, Any]:
        found: dict[str, Any] = (await who.get(f"{start}/events/{event}")).json()
        return found

    async def resident(self) -> Resident:
        return await self.market.resident(0)

    async def later(self, ahead: datetime.timedelta) -> None:
        """Have the service look at payments and orders, so much later."""
        assert self.service.payments is not None
        self.clock.ahead = ahead
        try:
            while await self.service.payments.look():
                pass
            async with self.service.database.driver_transaction() as driver:
                while await expire(driver, self.clock()):
                    pass
        finally:
            self.clock.ahead = datetime.timedelta(0)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fair(city: City, service: Services, wechat: tuple[WeChat, Any], clock: Clock) -> Fair:
    wechat[0].ahead_s = lambda: clock.ahead.total_seconds()  # noqa: PLW0108 - `ahead` is replaced
    return Fair(Market(city), service, wechat[0], clock, await city.client("operator", JIANGXI))
