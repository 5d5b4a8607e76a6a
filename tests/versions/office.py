"""Two operators of a province, a platform, and the steps of a methodology's way."""

import datetime
import itertools
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
from helpers import Caller, City

LOCAL = datetime.timezone(datetime.timedelta(hours=8))
BASE = "/v1/operator/methodologies"
PACK = {"region": "440300", "code": "SZ-LOW-CARBON-TRANSIT.metro", "version": "2021"}
_cities = (f"44{number:02d}00" for number in itertools.chain(range(1, 3), range(4, 100)))


def new_city() -> str:
    """A city of Guangdong that no other test has, without methodologies of its own."""
    return next(_cities)


class Clock:
    """The time that a test sets. It stands still otherwise."""

    def __init__(self) -> None:
        self.now = datetime.datetime(2026, 11, 21, 1, 0, tzinfo=datetime.UTC)

    def __call__(self) -> datetime.datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += datetime.timedelta(**by)

    @property
    def today(self) -> datetime.date:
        return self.now.astimezone(LOCAL).date()


def midnight(day: datetime.date) -> str:
    return datetime.datetime.combine(day, datetime.time(), LOCAL).isoformat()


def text_of(region: str, first_day: datetime.date, factor: str = "46.7", **over: Any) -> dict[str, Any]:
    """A text for metro trips: grams a kilometre, and an example of 10 km that holds."""
    return {
        "region": region,
        "scene": "trip.metro",
        "code": "TEST.metro",
        "version": uuid.uuid4().hex[:8],
        "title": {"zh": "地铁", "en": "Metro"},
        "authority": None,
        "document": {"title": "测试"},
        "filing_no": None,
        "in_force": {"from": first_day.isoformat(), "to": None},
        "status": "in_force",
        "confidence": "quoted",
        "inputs": [{"name": "distance_m", "unit": "m", "min": 1, "max": 200_000}],
        "parameters": [
            {"name": "factor", "value": factor, "unit": "gCO2/pkm", "source": "测试", "confidence": "quoted"}
        ],
        "formula": "distance_m * factor",
        "claims": [{"rule": "body", "of": "person", "period": "act", "required": True}],
        "examples": [
            {
                "inputs": {"distance_m": 10_000},
                "co2e_g": str(round(float(factor) * 10, 3)).removesuffix(".0"),
                "basis": "10 km",
            }
        ],
        **over,
    }


@dataclass
class Office:
    """What the tests do at an instance of the service."""

    city: City
    clock: Clock
    author: Caller
    second: Caller
    platform: Caller
    people: dict[str, str] = field(default_factory=dict)

    async def draft(self, text: dict[str, Any], who: Caller | None = None) -> dict[str, Any]:
        answer = await (who or self.author).post(BASE, json={"methodology": text})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def step(
        self, revision: dict[str, Any], name: str, who: Caller | None = None, **body: Any
    ) -> httpx.Response:
        return await (who or self.second).post(
            f"{BASE}/{revision['id']}/{name}",
            json={"reason": "test", **body},
            headers={"If-Match": str(revision["etag"]), "Accept-Language": "en"},
        )

    async def done(
        self, revision: dict[str, Any], name: str, who: Caller | None = None, **body: Any
    ) -> dict[str, Any]:
        answer = await self.step(revision, name, who, **body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def approved(self, text: dict[str, Any]) -> dict[str, Any]:
        shadow = await self.done(await self.draft(text), "submission", self.author)
        return await self.done(shadow, "approval")

    async def activated(self, text: dict[str, Any], activates_at: str | None = None) -> dict[str, Any]:
        moment = activates_at or (self.clock.now + datetime.timedelta(seconds=60)).isoformat()
        return await self.done(await self.approved(text), "activation", activates_at=moment)

    async def trip(self, region: str, phone: str, day: datetime.date, hour: int = 8) -> dict[str, Any]:
        """Report 10 km by metro; answers the outcome."""
        return dict((await self.report(self.platform, region, phone, day, hour)).json())

    async def report(
        self, platform: Caller, region: str, phone: str, day: datetime.date, hour: int = 8
    ) -> httpx.Response:
        if phone not in self.people:
            self.people[phone] = await self.city.holder(self.author, phone, self.platform, region=region)
        return await platform.post(
            "/v1/activities",
            json={
                "event_id": uuid.uuid4().hex,
                "scene": "trip.metro",
                "region": region,
                "subject": {"scheme": "phone", "value": phone},
                "started_at": f"{day}T{hour:02d}:00:00+08:00",
                "ended_at": f"{day}T{hour:02d}:25:00+08:00",
                "distance_m": 10_000,
            },
        )


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
