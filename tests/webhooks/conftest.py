"""A platform with a person who lets its reports count."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest_asyncio
from helpers import Caller, City, metro
from webhooks.receiver import Receiver

_stages = iter(range(1, 10**6))
_days = iter(range(10**6))


@dataclass
class Shop:
    """A platform and its person."""

    city: City
    operator: Caller
    platform: Caller
    phone: str
    holder: str

    async def register(self, url: str, *types: str, caller: Caller | None = None) -> dict[str, Any]:
        body = {"url": url, "event_types": list(types) or ["activity.credited", "activity.reversed"]}
        answer = await (caller or self.platform).post("/v1/webhooks", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def to(self, receiver: Receiver, *types: str) -> dict[str, Any]:
        return await self.register(receiver.url, *types)

    async def credit(self) -> str:
        """A credited activity on a time of its own; its id."""
        started = datetime.fromisoformat("2026-11-20T08:00:00+08:00") - timedelta(hours=8 * next(_days))
        report = metro(
            f"e{started.isoformat()}",
            self.phone,
            started_at=started.isoformat(),
            ended_at=(started + timedelta(minutes=20)).isoformat(),
        )
        answer = await self.platform.post("/v1/activities", json=report)
        assert answer.json()["outcome"] in ("credited", "capped"), answer.text
        return str(answer.json()["activity_id"])

    async def reverse(self, activity: str) -> None:
        answer = await self.platform.post(f"/v1/activities/{activity}/reversal", json={"reason": "x"})
        assert answer.status_code == 200, answer.text

    async def deliveries(self, webhook: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
        answer = await self.platform.get(f"/v1/webhooks/{webhook['webhook_id']}/deliveries", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]


@pytest_asyncio.fixture(loop_scope="session")
async def shop(city: City) -> Shop:
    operator = await city.client("operator", "440000")
    platform = await city.client("platform")
    phone = f"1378777{next(_stages):04d}"
    holder = await city.holder(operator, phone, platform)
    return Shop(city, operator, platform, phone, holder)
