"""A city that watches signals: policies on their own way, people, devices and trips."""

import datetime
import itertools
import uuid
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from crediting.desk import DAY, Desk
from helpers import Caller, City

from accounts.ids import parse_public_id, uuid7
from app.auth.principal import Principal
from app.auth.scopes import OPERATOR_ACTIVITIES_READ, REVIEW_DECIDE
from app.crediting.intake import Intake
from app.crediting.service import Result
from app.programmes import decisions
from app.programmes.models import Kind
from app.review import service as reviews
from app.review.models import State
from app.review.policy import ReviewPolicy
from app.verification import verify
from app.wiring import Services, utc_now

PAST = datetime.datetime(2019, 1, 1, tzinfo=datetime.UTC)
_first_days = (datetime.date(2020, 1, 1) + datetime.timedelta(days=number) for number in itertools.count())
HOLD = {"steps": [{"from_score": 50, "action": "hold"}]}


def operator(name: str = "cli_one", region: str = "100000") -> Principal:
    scopes = frozenset({REVIEW_DECIDE, OPERATOR_ACTIVITIES_READ})
    return Principal(name, uuid.UUID(int=7), name, region, scopes, 2_000_000_000)


async def watch(service: Services, region: str = "100000", **signals: Any) -> UUID:
    """Have a region watched as drafted by one operator and approved by another; the later one of a region counts."""
    first_day = next(_first_days).isoformat()
    text = ReviewPolicy.model_validate_json(
        httpx.Request("POST", "http://x", json={"region": region, "from": first_day, **signals}).content
    )
    async with service.database.transaction() as session:
        one = decisions.Actor(operator(), utc_now(), "", lambda: PAST)
        found = await decisions.draft(session, one, Kind.REVIEW_POLICY, text)
        other = decisions.Actor(operator("cli_two"), utc_now(), "", lambda: PAST)
        approved = await decisions.approve(session, other, Kind.REVIEW_POLICY, found.id, found.etag, "x")
    await service.live.refresh()
    return approved.id


def at(day: int, minute: float) -> str:
    """So many days after the tests' day, and minutes after its midnight."""
    return (DAY + datetime.timedelta(days=day, minutes=minute)).isoformat()


def ride(phone: str, day: int = 0, minute: float = 480, length: float = 25, **over: Any) -> dict[str, Any]:
    """10 km by metro, of the 16th or so many days from it."""
    return {
        "event_id": uuid.uuid4().hex,
        "scene": "trip.metro",
        "region": "440300",
        "subject": {"scheme": "phone", "value": phone},
        "started_at": at(day, minute),
        "ended_at": at(day, minute + length),
        "distance_m": 10_000,
        **over,
    }


@dataclass
class Street:
    """One source, and what is done at its desk."""

    desk: Desk
    source: UUID

    @property
    def service(self) -> Services:
        return self.desk.service

    async def person(self) -> tuple[str, UUID]:
        return await self.desk.person(self.source)

    async def report(self, report: dict[str, Any], intake: Intake | None = None) -> Result:
        found = await (intake or self.desk.intake).report(self.desk.prepare(self.source, report))
        assert isinstance(found, Result)
        return found

    async def batch(self, reports: list[dict[str, Any]]) -> list[Any]:
        return list(
            await self.desk.intake.report_batch([self.desk.prepare(self.source, each) for each in reports])
        )

    async def decide(self, act: UUID, decision: str, by: Principal | None = None) -> None:
        async with self.service.database.transaction() as session:
            await reviews.decide(
                *(session, self.service.rules_now(), by or operator(), act),
                *(State(decision), "seen", utc_now(), ""),
            )

    async def signals(self, act: UUID) -> dict[str, tuple[int, str]]:
        """Signal → (score, action) of an act."""
        async with self.service.database.statement() as driver:
            rows = await driver.fetch(
                "SELECT signal, score, action FROM act_signals WHERE activity_id = $1", act
            )
        return {row[0]: (row[1], row[2]) for row in rows}

    async def books(self, holder: UUID) -> tuple[int, int]:
        async with self.service.database.statement() as driver:
            row = await driver.fetchrow("SELECT open_mg, points FROM balances WHERE holder_id = $1", holder)
        assert row is not None
        return row[0], row[1]

    async def breaches(self) -> list[tuple[str, str | None]]:
        async with self.service.database.snapshot() as driver:
            return [(f.rule, f.breach) async for f in verify(driver) if f.breach is not None]


@dataclass
class Office:
    """The doors over the very service that watches."""

    city: City
    operator: Caller
    source: Caller

    async def person(self, phone: str) -> str:
        return await self.city.holder(self.operator, phone, self.source)


def source_of(caller: Caller) -> UUID:
    found = parse_public_id("org", caller.organisation_id)
    assert found is not None
    return found


def nobody() -> UUID:
    return uuid7(utc_now())
