"""Merchants, offers and residents with points, for tests of redemption."""

import base64
import dataclasses
import datetime
import itertools
import uuid
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from helpers import Caller, City
from redeeming.acts import act_of

from accounts import repository as ledger
from accounts.errors import DomainError
from accounts.ids import parse_public_id
from accounts.models import AssetKind
from accounts.onboarding import Newcomer, compute_person_keys, hash_identities, onboard
from app.auth.principal import Principal
from app.auth.scopes import ME_READ, ME_WRITE
from app.database import driver_of
from app.verification import verify
from app.wiring import Services, utc_now
from dedup.periods import LOCAL
from points import redemptions
from points.redemption_states import Command
from points.redemptions import Policy

PROGRAMME = "100000"
_phones = (f"135{number:08d}" for number in itertools.count(1))


@dataclass
class Resident(Caller):
    holder_id: UUID = dataclasses.field(default=UUID(int=0))

    async def points(self) -> int:
        return int((await self.get("/v1/me/account")).json()["points"])


class Market:
    """Everything around a redemption."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.service: Services = city.service

    async def merchant(self, region: str = "440300") -> Caller:
        return await self.city.client("merchant", region)

    async def holders(self, count: int, **points: Any) -> list[UUID]:
        """New people of Shenzhen, with points (`lots`: days until they expire → points)."""
        newcomers = [Newcomer("person", "440300", [("phone", next(_phones), "")], []) for _ in range(count)]
        hash_identities(newcomers, self.service.hasher)
        compute_person_keys(newcomers, self.service.person_keys)
        async with self.service.database.transaction() as session:
            await onboard(await driver_of(session), newcomers, lambda _: True, utc_now())
        ids = [n.holder_id for n in newcomers if n.holder_id]
        for holder in ids:
            for days, amount in points.get("lots", {}).items():
                await self.earn(holder, amount, days)
        return ids

    async def asset(self, programme: str = PROGRAMME) -> int:
        key = (AssetKind.POINTS, 0, 0, programme)
        async with self.service.database.driver_transaction() as driver:
            return (await ledger.know_assets(driver, [key]))[key]

    async def earn(self, holder: UUID, amount: int, days: int = 300, programme: str = PROGRAMME) -> None:
        """Points of an act, into the lot that expires in so many days."""
        now = utc_now()
        asset = await self.asset(programme)
        async with self.service.database.driver_transaction() as driver:
            await act_of(
                driver,
                holder,
                asset,
                amount,
                now.astimezone(LOCAL).date() + datetime.timedelta(days=days),
                now,
            )

    async def resident(self, points: int = 1000, **lots: Any) -> Resident:
        (holder,) = await self.holders(1, lots=lots.get("lots", {300: points} if points else {}))
        return self.as_resident(holder)

    def as_resident(self, holder: UUID, scopes: tuple[str, ...] = (ME_READ, ME_WRITE)) -> Resident:
        now = utc_now()
        principal = Principal(
            "cli_app",
            uuid.UUID(int=7),
            "app",
            "440300",
            frozenset(scopes),
            int(now.timestamp()) + 900,
            holder,
        )
        return Resident(self.city.http, self.service.tokens.issue(principal, now), "", "", "", holder)

    def said(self, **over: Any) -> dict[str, Any]:
        now = utc_now()
        return {
            "kind": "cash_off",
            "title": {"zh": "咖啡立减 5 元", "en": "5 yuan off a coffee"},
            "price_points": 100,
            "settle_fen": 500,
            "valid_from": (now - datetime.timedelta(days=1)).isoformat(),
            "valid_until": (now + datetime.timedelta(days=30)).isoformat(),
            **over,
        }

    async def offer(
        self, merchant: Caller, operator: Caller, codes: list[str] | None = None, **over: Any
    ) -> str:
        """A live offer."""
        answer = await merchant.post("/v1/merchant/offers", json=self.said(**over))
        assert answer.status_code == 200, answer.text
        offer = answer.json()
        path = f"/v1/merchant/offers/{offer['offer_id']}"
        if codes:
            text = "code\n" + "\n".join(codes) + "\n"
            upload = await merchant.post(path + "/codes", content=text, headers={"Content-Type": "text/csv"})
            assert upload.status_code == 200, upload.text
        answer = await merchant.post(path + "/submission", headers={"If-Match": str(offer["version"])})
        assert answer.status_code == 200, answer.text
        answer = await operator.post(
            f"/v1/operator/offers/{offer['offer_id']}/approval",
            json={"reason": "checked"},
            headers={"If-Match": str(answer.json()["version"])},
        )
        assert (answer.status_code, answer.json().get("state")) == (200, "live"), answer.text
        return str(offer["offer_id"])

    async def till(self, merchant: Caller) -> dict[str, Any]:
        """A shop with a till."""
        shop = (await merchant.post("/v1/merchant/shops", json={"name": "福田店"})).json()
        answer = await merchant.post(f"/v1/merchant/shops/{shop['shop_id']}/tills", json={"name": "1"})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def breaches(self) -> list[tuple[str, str | None]]:
        async with self.service.database.snapshot() as driver:
            return [(f.rule, f.breach) async for f in verify(driver) if f.breach is not None]


async def order(who: Caller, offer: str, key: str | None = None, **over: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await who.post("/v1/me/redemptions", json={"offer_id": offer, **over}, headers=headers)


async def step(who: Caller, redemption: str, name: str, key: str | None = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await who.post(f"/v1/me/redemptions/{redemption}/{name}", headers=headers)


async def code_of(who: Caller, redemption: str) -> str:
    answer = await who.get(f"/v1/me/redemptions/{redemption}/code")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["code"])


async def verified(
    merchant: Caller, code: str, till: str | None = None, key: str | None = None
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {"code": code} | ({} if till is None else {"till_id": till})
    return await merchant.post("/v1/merchant/redemptions/verification", json=body, headers=headers)


async def confirmed(who: Caller, offer: str, **over: Any) -> str:
    answer = await order(who, offer, confirm=True, **over)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["redemption_id"])


def raw(code: str) -> bytes:
    """The bytes of a payload."""
    return base64.urlsafe_b64decode(code + "=" * (-len(code) % 4))


def uuid_of(kind: str, text: str) -> UUID:
    found = parse_public_id(kind, text)
    assert found is not None
    return found


@dataclass
class Clockwork:
    """Redemptions at any moment, without HTTP: time is handed in."""

    service: Services
    restored_days: int = 30

    @property
    def policy(self) -> Policy:
        return Policy(datetime.timedelta(minutes=15), lambda _: self.restored_days)

    async def do(self, at: datetime.datetime, *commands: Command) -> list[Any]:
        """What the commands are answered: redemptions, or codes of refusals."""
        async with self.service.database.driver_transaction() as driver:
            answers = await redemptions.carry_out(driver, commands, self.policy, at)
        return [answer.code if isinstance(answer, DomainError) else answer for answer in answers]

    async def one(self, at: datetime.datetime, command: Command) -> Any:
        return (await self.do(at, command))[0]

    async def paid(self, at: datetime.datetime, redemption: UUID, reference: str, paid_at: Any = None) -> Any:
        async with self.service.database.driver_transaction() as driver:
            answer = await redemptions.mark_paid(
                driver, redemption, reference, paid_at or at, self.policy, at
            )
        return answer.code if isinstance(answer, DomainError) else answer

    async def returned(self, at: datetime.datetime) -> int:
        """What the job does."""
        async with self.service.database.driver_transaction() as driver:
            return await redemptions.return_due(driver, self.policy, at)

    async def books(self, holder: UUID) -> tuple[int, int, dict[int, int]]:
        """(points, points on hold, days until expiry → points of the lot) of a holder."""
        async with self.service.database.driver_transaction() as driver:
            row = await driver.fetchrow(
                "SELECT points, held_points FROM balances WHERE holder_id = $1", holder
            )
            lots = await driver.fetch(
                "SELECT expires_on, remaining FROM lots WHERE holder_id = $1 ORDER BY expires_on", holder
            )
        today = utc_now().astimezone(LOCAL).date()
        return row[0], row[1], {(lot[0] - today).days: lot[1] for lot in lots}
