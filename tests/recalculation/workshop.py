"""Steps of a recalculation, and the books of a city, for tests."""

import datetime
import uuid
from typing import Any

import httpx
from helpers import Caller
from versions.office import LOCAL, Office, new_city, text_of

from accounts.ids import parse_public_id
from app.recalculation.job import Recalculator
from app.verification import verify
from app.wiring import Services

BASE = "/v1/operator/recalculations"
FIRST = datetime.date(2026, 9, 1)


class Workshop:
    """A city whose metro text is in force since September, and the way of its correction."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.clock = office.clock
        self.service: Services = office.city.service

    def recalculator(self, service: Services | None = None) -> Recalculator:
        services = service or self.service
        return Recalculator(services.database, services.preparer, services.live, self.clock)

    async def refresh(self) -> None:
        await self.service.live.refresh()

    async def new_city(self, factor: str = "46.7", **over: Any) -> str:
        """A city with a text since September, 46.7 g a km where nothing else is said."""
        city = new_city()
        await self.office.activated(text_of(city, FIRST, factor, **over))
        self.clock.forward(seconds=61)
        await self.refresh()
        return city

    async def shadow(self, text: dict[str, Any]) -> dict[str, Any]:
        """A submitted version by the author."""
        return await self.office.done(await self.office.draft(text), "submission", self.office.author)

    async def request(self, revision: dict[str, Any], who: Caller | None = None) -> httpx.Response:
        return await (who or self.office.author).post(
            BASE, json={"revision_id": revision["id"], "reason": "notice 31"}
        )

    async def requested(self, text: dict[str, Any]) -> dict[str, Any]:
        answer = await self.request(await self.shadow(text))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def previewed(self, text: dict[str, Any]) -> dict[str, Any]:
        """A recalculation whose preview is there."""
        made = await self.requested(text)
        while await self.recalculator().step():
            pass
        found = await self.read(made)
        assert found["state"] == "previewed", found
        return found

    async def read(self, recalculation: dict[str, Any]) -> dict[str, Any]:
        answer = await self.office.author.get(f"{BASE}/{recalculation['id']}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def approve(
        self, recalculation: dict[str, Any], who: Caller | None = None, seconds: int = 60
    ) -> httpx.Response:
        moment = (self.clock.now + datetime.timedelta(seconds=seconds)).isoformat()
        return await (who or self.office.second).post(
            f"{BASE}/{recalculation['id']}/approval",
            json={"activates_at": moment, "reason": "checked"},
            headers={"Accept-Language": "en"},
        )

    async def approved(self, text: dict[str, Any]) -> dict[str, Any]:
        """A recalculation that may run now."""
        found = await self.previewed(text)
        answer = await self.approve(found)
        assert answer.status_code == 200, answer.text
        self.clock.forward(seconds=181)
        await self.refresh()
        return dict(answer.json())

    async def run(self, recalculation: dict[str, Any]) -> dict[str, Any]:
        """Let the job work until there is nothing left."""
        while await self.recalculator().step():
            pass
        found = await self.read(recalculation)
        assert found["state"] == "done", found
        return found

    async def done(self, text: dict[str, Any]) -> dict[str, Any]:
        return await self.run(await self.approved(text))

    async def trip(self, city: str, phone: str, day: datetime.date, **over: Any) -> dict[str, Any]:
        """Report a trip by metro, of 10 km at 8 o'clock where nothing else is said."""
        office, hour = self.office, over.pop("hour", 8)
        if phone not in office.people:
            office.people[phone] = await office.city.holder(
                office.author, phone, office.platform, region=city
            )
        body = {
            "event_id": uuid.uuid4().hex,
            "scene": "trip.metro",
            "region": city,
            "subject": {"scheme": "phone", "value": phone},
            "started_at": f"{day}T{hour:02d}:00:00+08:00",
            "ended_at": f"{day}T{hour:02d}:25:00+08:00",
            "distance_m": 10_000,
            **over,
        }
        # Ids of one moment have no order.
        self.clock.forward(milliseconds=1)
        answer = await office.platform.post("/v1/activities", json=body)
        assert answer.status_code == 200, answer.text
        return {**answer.json(), "report": body}

    async def again(self, trip: dict[str, Any]) -> dict[str, Any]:
        """What the same report is answered with now."""
        return dict((await self.office.platform.post("/v1/activities", json=trip["report"])).json())

    async def activity(self, trip: dict[str, Any]) -> dict[str, Any]:
        answer = await self.office.platform.get(f"/v1/activities/{trip['activity_id']}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def explained(self, trip: dict[str, Any]) -> dict[str, Any]:
        answer = await self.office.platform.get(f"/v1/activities/{trip['activity_id']}/explanation")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def reverse(self, trip: dict[str, Any]) -> httpx.Response:
        return await self.office.platform.post(
            f"/v1/activities/{trip['activity_id']}/reversal", json={"reason": "refund"}
        )

    async def balance(self, phone: str) -> tuple[int, int]:
        """(open mg, points)."""
        async with self.service.database.driver_transaction() as driver:
            row = await driver.fetchrow(
                "SELECT open_mg, points FROM balances WHERE holder_id = $1", self.holder(phone)
            )
        return row[0], row[1]

    def holder(self, phone: str) -> uuid.UUID:
        found = parse_public_id("hld", self.office.people[phone])
        assert found is not None
        return found

    async def breaches(self) -> list[tuple[str, str | None]]:
        """What `tanpuhui verify` finds wrong in the whole database."""
        async with self.service.database.snapshot() as driver:
            return [(each.rule, each.breach) async for each in verify(driver) if each.breach is not None]


def day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


__all__ = ["BASE", "FIRST", "LOCAL", "Workshop", "day", "text_of"]
