"""A bank, its customers, and what they grant it."""

import datetime
from dataclasses import dataclass
from typing import Any

from agreements.people import Resident, resident
from helpers import Caller, City

from accounts.ids import parse_public_id
from app.banking.grants import Ask, Customer, Grant, require
from app.banking.terms import Purpose, Scope
from app.database import driver_of
from app.wiring import Services, utc_now

TEXT = "2026-11"


def until(days: int = 300) -> str:
    return (utc_now() + datetime.timedelta(days=days)).isoformat()


@dataclass
class Counter:
    """What a bank has of one customer."""

    city: City
    bank: Caller
    person: Resident

    async def grant(
        self, scope: str = "score", purpose: str = "loan_application", **over: Any
    ) -> dict[str, str]:
        answer = await self.person.post("/v1/me/bank-grants", json=self.wish(scope, purpose, **over))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def wish(self, scope: str = "score", purpose: str = "loan_application", **over: Any) -> dict[str, Any]:
        return {
            "bank_id": self.bank.organisation_id,
            "purpose": purpose,
            "scope": scope,
            "valid_until": until(),
            "text_version": TEXT,
        } | over

    async def withdraw(self, grant_id: str) -> Any:
        return await self.person.post(f"/v1/me/bank-grants/{grant_id}/withdrawal")

    async def log(self) -> list[dict[str, Any]]:
        """The access log, the newest first, without times and ids."""
        items = (await self.person.get("/v1/me/access-log")).json()["items"]
        return [{name: item[name] for name in ("what", "purpose", "refused", "target")} for item in items]


async def counter(city: City, phone: str, bank: Caller | None = None) -> Counter:
    return Counter(city, bank or await city.client("bank"), await resident(city, phone))


def customer(reference: str) -> Customer:
    return Customer(reference=parse_public_id("cus", reference))


async def ask(
    service: Services,
    bank: Caller,
    whom: Customer,
    scope: Scope = Scope.TIER,
    purpose: Purpose = Purpose.LOAN_APPLICATION,
) -> Grant:
    """One query, as a door makes it."""
    bank_id = parse_public_id("org", bank.organisation_id)
    assert bank_id is not None
    async with service.database.transaction() as session:
        wanted = Ask(bank_id, "a bank", purpose, scope, "tier")
        return await require(await driver_of(session), wanted, whom, utc_now())
