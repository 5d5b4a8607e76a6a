"""What a bureau's people do with issuances over HTTP, and the acts of its residents."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from helpers import Caller
from versions.office import Office, new_city, text_of

from accounts import mandates
from accounts.ids import parse_public_id
from app.issuing.closing import work_at_issuances
from app.wiring import Services

ISSUABLE = {
    "issuable": True,
    "authority": "某市生态环境局",
    "filing_no": "备〔2026〕1号",
    "document": {"title": "测试", "url": "https://example.org/text"},
}
TRIP_MG = 467_000
MINUTE = datetime.timedelta(minutes=1)


@dataclass
class Bureau:
    """One city: its text, the applicant with terms, the verifier."""

    office: Office
    services: Services
    region: str
    text: dict[str, Any]
    applicant: Caller
    verifier: Caller
    folder: Path
    terms: UUID
    people: dict[str, UUID] = field(default_factory=dict)

    async def resident(self, phone: str, *, mandated: bool = True) -> UUID:
        """A resident of the city, under a mandate from now on."""
        made = await self.office.city.holder(
            self.office.author, phone, self.office.platform, region=self.region
        )
        self.office.people[phone] = made
        holder = parse_public_id("hld", made)
        assert holder is not None
        if mandated:
            async with self.services.database.driver_transaction() as driver:
                await mandates.grant(
                    driver, lambda _: "x", holder, self.terms, (None, None), self.office.clock.now
                )
        self.people[phone] = holder
        return holder

    async def trip(self, phone: str, hour: int = 8) -> str:
        """467 g."""
        self.office.clock.forward(seconds=1)
        answer = await self.office.trip(self.region, phone, self.office.clock.today, hour)
        assert answer["outcome"] == "credited", answer
        return str(answer["activity_id"])

    async def reverse(self, activity_id: str) -> None:
        self.office.clock.forward(seconds=1)
        answer = await self.office.platform.post(
            f"/v1/activities/{activity_id}/reversal", json={"reason": "test"}
        )
        assert answer.status_code == 200, answer.text

    async def open(self, booked_from: datetime.datetime | None, **over: Any) -> httpx.Response:
        body = {
            "applicant_id": self.applicant.organisation_id,
            "methodology_region": self.region,
            "methodology_code": self.text["code"],
            "methodology_version": self.text["version"],
            "region": self.region,
            "vintage": self.office.clock.today.year,
            "booked_from": None if booked_from is None else booked_from.isoformat(),
            "booked_until": self.office.clock.now.isoformat(),
        }
        return await self.office.author.post("/v1/operator/issuances", json=body | over)

    async def opened(self, booked_from: datetime.datetime | None, **over: Any) -> dict[str, Any]:
        answer = await self.open(booked_from, **over)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def ask(
        self, issuance: dict[str, Any], name: str, who: Caller | None = None, **body: Any
    ) -> httpx.Response:
        caller = who or self.office.author
        door = "verifier" if caller is self.verifier else "operator"
        now = await self.read(issuance)
        return await caller.post(
            f"/v1/{door}/issuances/{issuance['issuance_id']}/{name}",
            json=body or {"reason": "test"},
            headers={"If-Match": str(now["version"])},
        )

    async def step(
        self, issuance: dict[str, Any], name: str, who: Caller | None = None, **body: Any
    ) -> dict[str, Any]:
        answer = await self.ask(issuance, name, who, **body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def read(self, issuance: dict[str, Any]) -> dict[str, Any]:
        answer = await self.office.author.get(f"/v1/operator/issuances/{issuance['issuance_id']}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def work(self) -> None:
        """What the job does."""
        async with self.services.database.transaction() as lease:
            await work_at_issuances(self.services.database, lease, self.folder, self.office.clock)

    async def closed(self, issuance: dict[str, Any]) -> dict[str, Any]:
        self.office.clock.forward(minutes=2)
        await self.step(issuance, "close")
        await self.work()
        found = await self.read(issuance)
        assert found["status"] == "submitted", found
        return found

    async def issued(self, issuance: dict[str, Any]) -> dict[str, Any]:
        """All the way from the opening."""
        found = await self.closed(issuance)
        await self.signed(found)
        await self.step(found, "notice")
        self.office.clock.forward(days=15)
        return await self.step(found, "approval", self.office.second)

    async def signed(self, issuance: dict[str, Any], decision: str = "signed") -> dict[str, Any]:
        return await self.step(
            issuance,
            "statement",
            self.verifier,
            decision=decision,
            evidence_sha256=issuance["evidence_sha256"],
            remarks="核查报告",
        )


async def bureau_of(office: Office, services: Services, folder: Path) -> Bureau:
    """A new city with its issuable text in force."""
    region = new_city()
    day = office.clock.today + datetime.timedelta(days=1)
    text = text_of(region, day, **ISSUABLE)
    midnight = datetime.datetime.combine(day, datetime.time(), datetime.timezone(datetime.timedelta(hours=8)))
    await office.activated(text, midnight.isoformat())
    office.clock.forward(days=1, hours=11)
    await services.live.refresh()
    applicant = await office.city.client("platform")
    found = parse_public_id("org", applicant.organisation_id)
    assert found is not None
    async with services.database.driver_transaction() as driver:
        terms = await mandates.publish_terms(
            driver, found, mandates.NewTerms("1", 50, "x", "x"), office.clock.now
        )
    verifier = await office.city.client("verifier", region)
    return Bureau(office, services, region, text, applicant, verifier, folder, terms)


@dataclass
class Quarter:
    """Three acts of one; two of another, one taken back and one excluded; one of somebody without mandate."""

    first: str
    holder: UUID
    second: UUID
    kept: list[str]
    previewed: dict[str, Any]
    closed: dict[str, Any]


async def quarter_of(bureau: Bureau, phones: Callable[[], str]) -> Quarter:
    """A period that is closed, and waits for its verifier."""
    office = bureau.office
    begins = office.clock.now
    first, second, third = phones(), phones(), phones()
    holder = await bureau.resident(first)
    await bureau.resident(second)
    await bureau.resident(third, mandated=False)
    kept = [await bureau.trip(first, hour) for hour in (8, 9, 10)]
    taken_back, excluded = [await bureau.trip(second, hour) for hour in (8, 9)]
    await bureau.trip(third)
    await bureau.reverse(taken_back)
    office.clock.forward(seconds=1)
    issuance = await bureau.opened(begins)
    assert issuance["status"] == "draft"
    await bureau.work()
    previewed = await bureau.read(issuance)
    why = {"reason": "outside_boundary", "note": "另一条线路"}
    await bureau.step(issuance, "exclusions", activity_ids=[excluded], **why)
    closed = await bureau.closed(issuance)
    return Quarter(first, holder, bureau.people[second], kept, previewed, closed)
