"""Platforms that reported one act, the persons it was of, and an operator who decides between them."""

import itertools
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
from agreements.people import Resident, signed_in
from helpers import Caller, City, metro

from accounts.ids import parse_public_id
from app.verification import verify

_phones = (f"1376666{number:04d}" for number in itertools.count(1))
REASON = "the booking was seen"
TRIP_MG = 467_000


def clothes(phone: str, order_no: str, minute: int = 0, **over: Any) -> dict[str, Any]:
    """1 kg of clothes in Luzhou under an order of the recycler's: 1,280 g and 30 points; five a day."""
    return {
        "event_id": uuid.uuid4().hex,
        "scene": "recycling.clothes",
        "region": "510500",
        "subject": {"scheme": "phone", "value": phone},
        "occurred_at": f"2026-11-16T11:{minute:02d}:00+08:00",
        "mass_g": 1000,
        "order_no": order_no,
        "issuer": "recycler",
        **over,
    }


def trip(phone: str, **over: Any) -> dict[str, Any]:
    return metro(uuid.uuid4().hex, phone, **over)


@dataclass
class Quarrel:
    city: City
    operator: Caller
    platforms: list[Caller]
    persons: list[tuple[str, str]] = field(default_factory=list)
    """(phone, holder) of those who let all platforms' reports count."""

    @classmethod
    async def begin(cls, city: City, platforms: int = 2, persons: int = 1) -> "Quarrel":
        made = cls(
            city, await city.client("operator"), [await city.client("platform") for _ in range(platforms)]
        )
        for _ in range(persons):
            phone = next(_phones)
            made.persons.append((phone, await city.holder(made.operator, phone, *made.platforms)))
        return made

    def resident(self, index: int = 0) -> Resident:
        phone, holder = self.persons[index]
        return signed_in(self.city, holder, phone)

    async def report(self, platform: int, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.platforms[platform].post("/v1/activities", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def one_act(self) -> tuple[str, str]:
        """One metro trip that two platforms reported: (credited, duplicate)."""
        phone = self.persons[0][0]
        first = await self.report(0, trip(phone))
        second = await self.report(1, trip(phone, distance_m=9_900))
        assert (first["outcome"], second["outcome"]) == ("credited", "duplicate"), (first, second)
        assert second["winner_id"] == first["activity_id"]
        return first["activity_id"], second["activity_id"]

    async def dispute(self, activity: str, platform: int | None = 1) -> str:
        body = {"explanation": "it was booked with us"}
        if platform is None:
            answer = await self.resident().post(f"/v1/me/activities/{activity}/dispute", json=body)
        else:
            answer = await self.platforms[platform].post(f"/v1/activities/{activity}/dispute", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["dispute_id"])

    async def decide(self, dispute: str, decision: str, **more: Any) -> httpx.Response:
        body = {"decision": decision, "reason": REASON, **more}
        return await self.operator.post(f"/v1/operator/disputes/{dispute}/decision", json=body)

    async def activity(self, activity: str) -> dict[str, Any]:
        return dict((await self.operator.get(f"/v1/activities/{activity}")).json())

    async def explained(self, activity: str) -> dict[str, Any]:
        return dict((await self.operator.get(f"/v1/activities/{activity}/explanation")).json())

    async def books(self, index: int = 0) -> tuple[int, int, int]:
        """(open mg, points, points owed) of a person."""
        holder = parse_public_id("hld", self.persons[index][1])
        async with self.city.service.database.statement() as driver:
            row = await driver.fetchrow(
                "SELECT open_mg, points, owed_points FROM balances WHERE holder_id = $1", holder
            )
        assert row is not None
        return tuple(row)

    async def breaches(self) -> list[tuple[str, str | None]]:
        async with self.city.service.database.snapshot() as driver:
            return [(f.rule, f.breach) async for f in verify(driver) if f.breach is not None]
