"""People with points and live offers, written straight to the tables, for tests without HTTP."""

import datetime
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from redeeming.acts import act_of

from accounts import repository as ledger
from accounts.ids import uuid7
from accounts.models import AssetKind
from accounts.onboarding import Newcomer, compute_person_keys, hash_identities, onboard
from app.auth.models import Organisation
from app.database import driver_of
from app.wiring import Services, utc_now
from points.redemption_models import Offer, OfferCode, OfferStock

PROGRAMME = "100000"
_phones = (f"134{number:08d}" for number in itertools.count(1))


@dataclass(frozen=True)
class Sold:
    """An offer: price, delivery, stock, what a person may have in all and on a day, days of a code."""

    points: int
    delivery: str
    fen: int = 0
    stock: int | None = None
    in_all: int | None = None
    on_a_day: int | None = None
    code_days: int = 3
    returns: bool = True


class Accounts:
    def __init__(self, service: Services) -> None:
        self.service = service
        self.database = service.database

    async def holders(self, count: int) -> list[UUID]:
        newcomers = [Newcomer("person", "440300", [("phone", next(_phones), "")], []) for _ in range(count)]
        hash_identities(newcomers, self.service.hasher)
        compute_person_keys(newcomers, self.service.person_keys)
        async with self.database.transaction() as session:
            await onboard(await driver_of(session), newcomers, lambda _: True, utc_now())
        return [n.holder_id for n in newcomers if n.holder_id]

    async def assets(self, programme: str = PROGRAMME) -> tuple[int, int]:
        """(points, money)."""
        points, money = (AssetKind.POINTS, 0, 0, programme), (AssetKind.MONEY, 0, 0, programme)
        async with self.database.driver_transaction() as driver:
            known = await ledger.know_assets(driver, [points, money])
        return known[points], known[money]

    async def earn(
        self,
        holder: UUID,
        points: int,
        expires_on: datetime.date,
        now: datetime.datetime,
        programme: str = PROGRAMME,
    ) -> None:
        """Points of an act."""
        asset, _ = await self.assets(programme)
        async with self.database.driver_transaction() as driver:
            await act_of(driver, holder, asset, points, expires_on, now)

    async def offers(self, sold: Sequence[Sold], now: datetime.datetime) -> tuple[UUID, list[UUID]]:
        """A merchant with live offers that say what `sold` says."""
        points, money = await self.assets()
        merchant = uuid7(now)
        made: list[UUID] = []
        async with self.database.transaction() as session:
            name = merchant.hex
            session.add(
                Organisation(id=merchant, kind="merchant", name=name, region=PROGRAMME, created_at=now)
            )
            await session.flush()
            for each in sold:
                offer = Offer(
                    id=uuid7(now),
                    merchant_id=merchant,
                    region=PROGRAMME,
                    kind="public_good" if each.delivery == "none" else "voucher",
                    delivery=each.delivery,
                    title_zh="测试",
                    title_en="Test",
                    programme=PROGRAMME,
                    price_points=each.points,
                    price_fen=each.fen,
                    settle_fen=700,
                    limited=each.stock is not None,
                    per_person=each.in_all,
                    per_person_day=each.on_a_day,
                    valid_from=now - datetime.timedelta(days=1),
                    valid_until=now + datetime.timedelta(days=90),
                    code_days=each.code_days,
                    refund_lapsed=each.returns,
                    blackout_days=[],
                    shop_ids=[],
                    state="live",
                    created_at=now,
                    updated_at=now,
                    approved_at=now,
                    approved_by="cli_test",
                    points_asset_id=points,
                    money_asset_id=money,
                )
                session.add(offer)
                await session.flush()
                made.append(offer.id)
                if each.stock is not None:
                    session.add(OfferStock(offer_id=offer.id, added=each.stock, remaining=each.stock))
                if each.delivery == "pool":
                    for number in range(each.stock or 0):
                        code = f"{offer.id.hex}-{number}"
                        session.add(OfferCode(merchant_id=merchant, code=code, offer_id=offer.id))
        return merchant, made
