"""What a resident's app does, for tests."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from helpers import Caller
from sign_in.providers import Providers

from app.wiring import Services


class Clock:
    """The time, and by how much a test has moved it."""

    def __init__(self) -> None:
        self.moved = datetime.timedelta()

    def __call__(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC) + self.moved

    def forward(self, **by: float) -> None:
        self.moved += datetime.timedelta(**by)


@dataclass
class Desk:
    """A running service, its providers, and clients that come from an address of their own each."""

    service: Services
    providers: Providers
    clock: Clock
    client: Callable[..., httpx.AsyncClient]

    async def code(self, phone: str, http: httpx.AsyncClient | None = None, **more: Any) -> str:
        """Ask for a code, and read the message."""
        answer = await (http or self.client()).post("/v1/me/phone-codes", json={"phone": phone, **more})
        assert answer.status_code == 200, answer.text
        return self.providers.code_of(phone)

    async def try_phone(self, phone: str, **more: Any) -> httpx.Response:
        """Sign in with a phone, however that ends; the phone's limits are lifted first."""
        await self.lift()
        body = {"method": "phone", "phone": phone, "code": await self.code(phone), "is_14_or_older": True}
        return await self.client().post("/v1/me/sessions", json=body | more)

    async def by_phone(self, phone: str, **more: Any) -> dict[str, Any]:
        answer = await self.try_phone(phone, **more)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        assert told["status"] == "signed_in"
        return told

    async def try_wechat(self, openid: str, unionid: str | None = None) -> httpx.Response:
        code = f"code-{len(self.providers.wechat_users)}"
        self.providers.wechat_users[code] = {"openid": openid} | ({"unionid": unionid} if unionid else {})
        return await self.client().post("/v1/me/sessions", json={"method": "wechat", "code": code})

    async def wechat(self, openid: str, unionid: str | None = None) -> dict[str, Any]:
        answer = await self.try_wechat(openid, unionid)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def phone_code(self, number: str) -> str:
        """What WeChat's phone number button gives."""
        code = f"phone-code-{len(self.providers.wechat_phones)}"
        self.providers.wechat_phones[code] = number
        return code

    async def refresh(self, token: str) -> httpx.Response:
        return await self.client().post("/v1/me/sessions/refresh", json={"refresh_token": token})

    def caller(self, told: dict[str, Any]) -> Caller:
        return Caller(self.client(), told["access_token"], "", "", "")

    async def lift(self) -> None:
        """Forget what was counted, as time would."""
        keys = [key async for key in self.service.redis.scan_iter("codes:*")]
        if keys:
            await self.service.redis.delete(*keys)
