"""A firm with an obligation and units, and two operators, for tests and for made-up calls that are to succeed."""

import datetime
import uuid
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from helpers import Caller, City

from accounts.ids import parse_public_id, public_id
from accounts.registry import service as registry
from accounts.units import service as units
from accounts.units.serials import Origin, OriginKind
from app.wiring import utc_now

TODAY = datetime.date.today()  # noqa: DTZ011 - far from midnight or not, the days below lie weeks away
DOCUMENT = {"title": "配额核定通知", "number": "2026-118", "issued_on": "2026-06-30"}
LATER = (TODAY + datetime.timedelta(days=60)).isoformat()
FIGURES = {
    "region": "440300",
    "allowances_issued_t": 100_000,
    "allowances_to_surrender_t": 100_000,
    "file_by": LATER,
    "document": DOCUMENT,
}
REASON = {"json": {"reason": "documents seen"}}


@dataclass
class Firm:
    """Two operators of Guangdong, a participant, and units of it."""

    city: City
    one: Caller
    two: Caller
    firm: Caller

    @classmethod
    async def made(cls, city: City, one: Caller | None = None) -> "Firm":
        first = one or await city.client("operator", "440000")
        second = await city.client("operator", "440000")
        return cls(city, first, second, await city.client("participant", "440300"))

    async def obligation(self, **over: Any) -> dict[str, Any]:
        body = {"firm_id": self.firm.organisation_id, "market": "national", "period": 2026, **FIGURES, **over}
        answer = await self.one.post("/v1/operator/offset-obligations", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def units(
        self,
        quantity_kg: int,
        unit_type: str = "ccer",
        *,
        region: str = "130000",
        vintage: int = 2025,
        issued_to: Caller | None = None,
    ) -> str:
        """Units of a project that the firm holds, issued to another unless it is named; their origin's id."""
        now = utc_now()
        origin = Origin(
            uuid.uuid4(), OriginKind.PROJECT, uuid.uuid4(), region, "PROJECT-7", vintage, unit_type
        )
        seller = issued_to or await self.city.client("participant", "440300")
        async with self.city.service.database.driver_transaction() as driver:
            theirs = await registry.account_of(driver, organisation(seller), now)
            mine = await registry.account_of(driver, organisation(self.firm), now)
            await units.issue(driver, origin, theirs.id, quantity_kg, now)
            if theirs.id != mine.id:
                lock = await units.lock(driver, theirs.id, origin.id, quantity_kg, "test", uuid.uuid4(), now)
                await units.deliver(driver, lock.id, mine.id, now)
        return public_id("uor", origin.id)

    async def file(self, obligation_id: str, *lines: tuple[str, int], **how: Any) -> Any:
        body = {"lines": [{"origin_id": origin, "quantity_kg": kg} for origin, kg in lines]}
        return await self.firm.post(
            f"/v1/market/offset-obligations/{obligation_id}/filings", json=body, **how
        )

    async def used(self, obligation_id: str) -> dict[str, int]:
        answer = await self.firm.get(f"/v1/market/offset-obligations/{obligation_id}")
        return {limit["code"]: limit["used_kg"] for limit in answer.json()["limits"]}

    async def free_kg(self) -> int:
        held = (await self.firm.get("/v1/market/account")).json()["held"]
        return sum(each["quantity_kg"] for each in held)


def organisation(caller: Caller) -> UUID:
    found = parse_public_id("org", caller.organisation_id)
    assert found is not None
    return found


def codes(answer: Any) -> set[str]:
    """The clauses that a refusal names."""
    return {each["reason"].split(":")[0] for each in answer.json()["errors"]}
