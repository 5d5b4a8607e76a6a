"""A bank with products, and quotes of holders at a level of one's choice."""

import datetime
import uuid
from typing import Any

import asyncpg
from helpers import Caller, City

from accounts.ids import parse_public_id, public_id
from app.lending import quotes
from app.lending.decision import Standing, Wish
from app.wiring import utc_now
from dedup.periods import LOCAL

RULE = {
    "level": "deep_green",
    "limit_from_bp": 12_000,
    "limit_to_bp": 13_000,
    "discount_from_bp": 50,
    "discount_to_bp": 100,
}


def today() -> str:
    return utc_now().astimezone(LOCAL).date().isoformat()


def product(**over: Any) -> dict[str, Any]:
    return {
        "code": uuid.uuid4().hex[:12],
        "name": {"zh": "深绿贷", "en": "Deep-green loan"},
        "holder_kind": "person",
        "basis": "tier",
        "card": "wendeng",
        "table": [RULE],
        "valid_from": today(),
    } | over


async def let(owner: asyncpg.Connection, holder: uuid.UUID, bank: Caller, scope: str) -> str:
    """The enterprise lets the bank ask; answers the bank's name for it."""
    bank_id, now, reference = parse_public_id("org", bank.organisation_id), utc_now(), uuid.uuid4()
    await owner.execute(
        "INSERT INTO bank_grants (holder_id, id, bank_id, purpose, scope, text_version, granted_at, valid_until,"
        " receipt_id) VALUES ($1, $2, $3, 'loan_application', $4, 'x', $5, $5::timestamptz + interval '300 days', $2)",
        *(holder, uuid.uuid4(), bank_id, scope, now),
    )
    await owner.execute(
        "INSERT INTO bank_references (holder_id, bank_id, reference, created_at) VALUES ($1, $2, $3, $4)",
        *(holder, bank_id, reference, now),
    )
    return public_id("cus", reference)


class Lender:
    """A bank, and the city that it lends in."""

    def __init__(self, city: City, bank: Caller) -> None:
        self.city = city
        self.bank = bank

    async def publish(self, **over: Any) -> dict[str, Any]:
        answer = await self.bank.post("/v1/bank/products", json=product(**over))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def quoted(
        self,
        product_id: str,
        level: str | None = "deep_green",
        *,
        region: str = "440300",
        now: datetime.datetime | None = None,
    ) -> str:
        """A quote of a made-up holder."""
        known, bank = parse_public_id("bpr", product_id), parse_public_id("org", self.bank.organisation_id)
        assert known is not None
        assert bank is not None
        now = now or utc_now()
        customer = quotes.Customer(
            uuid.uuid4(), "person", region, bank, uuid.uuid4(), public_id("cus", uuid.uuid4())
        )
        standing = Standing("tier", level, now.astimezone(LOCAL).date())
        async with self.city.service.database.driver_transaction() as driver:
            offer = await quotes.offer(driver, bank, known, now)
            return (await quotes.quote(driver, customer, offer, standing, Wish(), now)).quote_id

    async def lend(self, quote_id: str, **over: Any) -> Any:
        body = {
            "number": uuid.uuid4().hex,
            "quote_id": quote_id,
            "amount_fen": 1_000_000,
            "rate_bp": 400,
            "granted_on": today(),
        } | over
        return await self.bank.post("/v1/bank/loans", json=body)
