"""A market at a running service: participants with units and money, for tests."""

import asyncio
import datetime
import itertools
import uuid
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
from helpers import Caller, City

from accounts.ids import parse_public_id, public_id
from accounts.registry.service import account_of
from accounts.units import service as units
from accounts.units.serials import Origin, OriginKind
from app.market.job import end_due
from app.wiring import utc_now

_references = itertools.count(1)
DAY = datetime.timedelta(days=1)


@dataclass
class Exchange:
    """Participants of Shenzhen, and the two clients of its operator who let money in."""

    city: City
    clerk: Caller
    approver: Caller
    ends_at: str = field(default_factory=(utc_now() + DAY).isoformat)

    async def participant(self, money_fen: int = 0) -> Caller:
        made = await self.city.client("participant", "440300")
        if money_fen:
            await self.bring(made, money_fen)
        return made

    async def bring(self, participant: Caller, fen: int) -> None:
        """Money by bank, recorded and approved."""
        answer = await self.clerk.post(
            "/v1/operator/market/fundings",
            json={
                "organisation_id": participant.organisation_id,
                "amount_fen": fen,
                "reference": f"T{next(_references)}",
            },
        )
        assert answer.status_code == 200, answer.text
        path = f"/v1/operator/market/fundings/{answer.json()['funding_id']}/approval"
        answer = await self.approver.post(path)
        assert (answer.status_code, answer.json()["state"]) == (200, "booked"), answer.text

    async def issue(self, participant: Caller, kg: int) -> str:
        """New units of one issuance in a participant's account; answers their origin."""
        origin = Origin(
            uuid.uuid4(),
            OriginKind.ISSUANCE,
            uuid.uuid4(),
            "440300",
            "SZ-LOW-CARBON-TRANSIT.metro",
            2026,
            "phcer",
        )
        async with self.city.service.database.driver_transaction() as driver:
            account = await account_of(driver, id_of(participant), utc_now())
            await units.issue(driver, origin, account.id, kg, utc_now())
        return public_id("uor", origin.id)

    async def seller(self, kg: int) -> tuple[Caller, str]:
        made = await self.participant()
        return made, await self.issue(made, kg)

    async def held(self, participant: Caller, origin_id: str) -> int:
        """kg that a participant holds freely."""
        answer = await participant.get("/v1/market/account")
        return sum(each["quantity_kg"] for each in answer.json()["held"] if each["origin_id"] == origin_id)

    async def money(self, participant: Caller) -> tuple[int, int]:
        """Available and held fen."""
        told = (await participant.get("/v1/market/money")).json()
        return told["available_fen"], told["held_fen"]

    async def listing(self, seller: Caller, origin_id: str, kg: int, price: int, **more: Any) -> str:
        body = {"origin_id": origin_id, "quantity_kg": kg, "price_fen_per_t": price, "ends_at": self.ends_at}
        answer = await seller.post("/v1/market/listings", json=body | more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["listing_id"])

    async def auction(self, seller: Caller, origin_id: str, kg: int, floor: int, **more: Any) -> str:
        """An auction that is announced and takes bids."""
        body = {
            "title": "2026 年第三季度低碳出行减排量竞价",
            "origin_id": origin_id,
            "quantity_kg": kg,
            "floor_fen_per_t": floor,
            "opens_at": (utc_now() - DAY).isoformat(),
            "ends_at": self.ends_at,
        }
        answer = await seller.post("/v1/market/auctions", json=body | more)
        assert (answer.status_code, answer.json().get("state")) == (200, "proposed"), answer.text
        auction = str(answer.json()["auction_id"])
        answer = await self.approver.post(f"/v1/operator/market/auctions/{auction}/announcement")
        assert (answer.status_code, answer.json()["state"]) == (200, "announced"), answer.text
        return auction

    async def bid(self, buyer: Caller, auction: str, price: int, kg: int) -> tuple[int, Any]:
        answer = await buyer.post(
            f"/v1/market/auctions/{auction}/bids", json={"price_fen_per_t": price, "quantity_kg": kg}
        )
        return answer.status_code, answer.json()

    async def end(self, days: int = 2) -> int:
        """Have the job end what is over so many days from now."""
        return await end_due(self.city.service.database, utc_now() + days * DAY)

    async def read(self, auction: str) -> dict[str, Any]:
        answer = await self.city.http.get(f"/v1/auctions/{auction}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def trades(self, participant: Caller) -> list[dict[str, Any]]:
        return list((await participant.get("/v1/market/trades")).json()["items"])


def id_of(caller: Caller) -> UUID:
    found = parse_public_id("org", caller.organisation_id)
    assert found is not None
    return found


async def made_exchange(city: City) -> Exchange:
    clerk, approver = await asyncio.gather(
        city.client("operator", "440300"), city.client("operator", "440000")
    )
    return Exchange(city, clerk, approver)


async def whole(owner: asyncpg.Connection) -> dict[str, int]:
    """Sums that no trade may change: fen in the market, and live kg."""
    return {
        "fen": await owner.fetchval(
            "SELECT coalesce(sum(available_fen + held_fen), 0)::bigint FROM market_money"
        ),
        "kg": await owner.fetchval(
            "SELECT coalesce(sum(upper(units) - lower(units)), 0)::bigint FROM unit_holdings WHERE ended_at IS NULL"
        ),
    }
