"""Merchants, offers, shops and redemptions at any moment, for tests of settlement."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from helpers import Caller, City
from redeeming.ledgers import Accounts

from accounts import repository as ledger
from accounts.errors import DomainError
from accounts.ids import public_id, uuid7
from accounts.models import AssetKind
from app.auth.models import Organisation
from app.database import driver_of
from app.settling import office
from app.verification import verify
from app.wiring import Services
from dedup.periods import LOCAL
from points import redemptions
from points import settlement_repository as repository
from points.redemption_models import Offer, Shop
from points.redemption_states import Act, Order, Place, Redemption, Step
from points.redemptions import Policy
from points.settlement_models import Settlement

REGION = "440300"
POLICY = Policy(datetime.timedelta(minutes=15), lambda _: 30)


def at(text: str) -> datetime.datetime:
    """A local time, `2026-09-15 12:00`."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=LOCAL)


@dataclass(frozen=True)
class Trader:
    """A merchant with live offers and shops."""

    id: UUID
    name: str
    region: str
    offers: tuple[UUID, ...]
    shops: tuple[UUID, ...]

    @property
    def public(self) -> str:
        return public_id("org", self.id)


class Books:
    def __init__(self, service: Services) -> None:
        self.service = service
        self.accounts = Accounts(service)

    async def trader(
        self,
        since: datetime.datetime,
        fens: Sequence[int] = (500,),
        region: str = REGION,
        titles: Sequence[str] = ("咖啡立减 5 元", "图书券", "公益植树"),
        shops: Sequence[str] = (),
    ) -> Trader:
        points, _ = await self.accounts.assets()
        money = (AssetKind.MONEY, 0, 0, region)
        async with self.service.database.driver_transaction() as driver:
            asset = (await ledger.know_assets(driver, [money]))[money]
        merchant = uuid7(since)
        name = f"商户 {merchant.hex[-8:]}"
        offers, opened = [], []
        async with self.service.database.transaction() as session:
            session.add(
                Organisation(id=merchant, kind="merchant", name=name, region=region, created_at=since)
            )
            await session.flush()
            for shop in shops:
                opened.append(uuid7(since))
                session.add(Shop(id=opened[-1], merchant_id=merchant, name=shop, created_at=since))
            for fen, title in zip(fens, titles, strict=False):
                offers.append(uuid7(since))
                session.add(
                    Offer(
                        id=offers[-1],
                        merchant_id=merchant,
                        region=region,
                        kind="voucher",
                        delivery="qr",
                        title_zh=title,
                        title_en=f"Offer of {fen}",
                        programme="100000",
                        price_points=10,
                        price_fen=0,
                        settle_fen=fen,
                        limited=False,
                        valid_from=since,
                        valid_until=since + datetime.timedelta(days=900),
                        code_days=30,
                        refund_lapsed=True,
                        blackout_days=[],
                        shop_ids=[],
                        state="live",
                        created_at=since,
                        updated_at=since,
                        approved_at=since,
                        approved_by="cli_test",
                        points_asset_id=points,
                        money_asset_id=asset,
                    )
                )
                await session.flush()
        return Trader(merchant, name, region, tuple(offers), tuple(opened))

    async def holder(self, points: int = 10_000) -> UUID:
        (holder,) = await self.accounts.holders(1)
        await self.accounts.earn(holder, points, datetime.date(2030, 1, 1), at("2025-12-01 00:00"))
        return holder

    async def carry_out(self, when: datetime.datetime, *commands: Any) -> list[Redemption]:
        async with self.service.database.driver_transaction() as driver:
            answers = await redemptions.carry_out(driver, commands, POLICY, when)
        for answer in answers:
            if isinstance(answer, DomainError):
                raise answer
        return answers

    async def redeem(
        self,
        trader: Trader,
        holder: UUID,
        when: str,
        *,
        offer: int = 0,
        shop: int | None = None,
        times: int = 1,
    ) -> list[UUID]:
        """So many redemptions, ordered and taken at a local time."""
        moment = at(when)
        orders = [Order(holder, trader.offers[offer], confirm=True)] * times
        ids = [each.id for each in await self.carry_out(moment, *orders)]
        place = Place() if shop is None else Place(trader.shops[shop])
        steps = [Step(Act.VERIFY, each, merchant_id=trader.id, place=place) for each in ids]
        await self.carry_out(moment, *steps)
        return ids

    async def refund(self, trader: Trader, redemption: UUID, when: str) -> None:
        await self.carry_out(at(when), Step(Act.REFUND, redemption, merchant_id=trader.id))

    async def issue(self, trader: Trader, ends_at: str, now: str | None = None) -> Settlement:
        actor = office.Actor(office.ITSELF, at(now or ends_at), "")
        async with self.service.database.transaction() as session:
            account = await repository.find_account(await driver_of(session), trader.id, trader.region)
            assert account is not None
            return await office.issue(session, account, at(ends_at), actor)

    async def statements(self, trader: Trader) -> list[asyncpg.Record]:
        async with self.service.database.driver_transaction() as driver:
            return list(
                await driver.fetch(
                    "SELECT * FROM settlements WHERE merchant_id = $1 ORDER BY ends_at", trader.id
                )
            )

    async def breaches(self) -> list[tuple[str, str | None]]:
        async with self.service.database.snapshot() as driver:
            return [(f.rule, f.breach) async for f in verify(driver) if f.breach is not None]


async def client_of(city: City, trader: Trader) -> Caller:
    """A client of the merchant's."""
    made = await city.client("merchant", trader.region, name=trader.name)
    assert made.organisation_id == trader.public
    return made
