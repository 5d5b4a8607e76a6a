"""What merchants and operators do with offers: drafts, review, live, paused, ended."""

import csv
import datetime
import io
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.errors import Fault
from accounts.ids import parse_public_id, uuid7
from points import offer_repository as repository
from points import redemption_errors as errors
from points.redemption_models import Offer, Shop, Till
from points.redemption_states import Delivery, OfferKind, OfferState

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmodel.ext.asyncio.session import AsyncSession

    from points.offer_schemas import OfferInput

NUMBER_DIGITS = 8
MAX_CODE_LENGTH = 64
MAX_CODES = 50_000
BY_MERCHANT, BY_OPERATOR = "merchant", "operator"


@dataclass(frozen=True)
class Merchant:
    """Whose offers they are, where it is, and whose points count in a region."""

    id: UUID
    region: str
    programme_of: "Callable[[str], str]"
    covers: "Callable[[str, str], bool]"


async def open_shop(
    session: "AsyncSession", merchant_id: UUID, name: str, address: str, now: datetime.datetime
) -> Shop:
    """A new shop."""
    shop = Shop(id=uuid7(now), merchant_id=merchant_id, name=name, address=address, created_at=now)
    session.add(shop)
    await session.flush()
    return shop


async def open_till(
    session: "AsyncSession", merchant_id: UUID, shop_id: UUID, name: str, now: datetime.datetime
) -> Till:
    """A new till, with a number that no other one has."""
    if shop_id not in await repository.find_shops(session, merchant_id, [shop_id]):
        raise errors.ShopNotFound
    number = _number()
    while await repository.number_taken(session, number):
        number = _number()
    till = Till(
        id=uuid7(now), shop_id=shop_id, merchant_id=merchant_id, number=number, name=name, created_at=now
    )
    session.add(till)
    await session.flush()
    return till


async def close_shop(
    session: "AsyncSession", merchant_id: UUID, shop_id: UUID, now: datetime.datetime
) -> Shop:
    """Take no more codes there. A shop that is closed already stays closed."""
    shop = (await repository.find_shops(session, merchant_id, [shop_id])).get(shop_id)
    if shop is None:
        raise errors.ShopNotFound
    shop.closed_at = shop.closed_at or now
    session.add(shop)
    await session.flush()
    return shop


async def close_till(
    session: "AsyncSession", merchant_id: UUID, till_id: UUID, now: datetime.datetime
) -> Till:
    """Take no more codes with it; what it took before may still be told of."""
    till = await repository.find_till(session, till_id, merchant_id)
    if till is None:
        raise errors.ShopNotFound
    till.closed_at = till.closed_at or now
    session.add(till)
    await session.flush()
    return till


def _number() -> str:
    return str(secrets.randbelow(10**NUMBER_DIGITS)).zfill(NUMBER_DIGITS)


async def draft(
    session: "AsyncSession", merchant: Merchant, body: "OfferInput", now: datetime.datetime
) -> Offer:
    """A new draft."""
    said = await _said(session, merchant, body)
    offer = Offer(id=uuid7(now), merchant_id=merchant.id, created_at=now, updated_at=now, **said)
    session.add(offer)
    await session.flush()
    if offer.limited:
        await repository.set_stock(session, offer.id, body.stock or 0)
    return offer


async def edit(
    session: "AsyncSession",
    merchant: Merchant,
    offer_id: UUID,
    version: int,
    body: "OfferInput",
    now: datetime.datetime,
) -> Offer:
    """Say a draft anew. What was submitted does not change."""
    offer = await own_offer(session, merchant.id, offer_id, version)
    if offer.state != OfferState.DRAFT:
        raise errors.OfferWrongState
    said = await _said(session, merchant, body)
    pool = offer.delivery == Delivery.POOL and await repository.has_codes(session, offer.id)
    if pool and said["delivery"] != Delivery.POOL:
        raise errors.OfferInvalid(
            Fault("/delivery", "codes are uploaded already", "已上传券码，不能改变交付方式")
        )
    for name, value in said.items():
        setattr(offer, name, value)
    if offer.limited and not pool:
        await repository.set_stock(session, offer.id, body.stock or 0)
    return await _kept(session, offer, now)


async def submit(session: "AsyncSession", offer: Offer, now: datetime.datetime) -> Offer:
    """Hand a draft in for review."""
    if offer.state != OfferState.DRAFT:
        raise errors.OfferWrongState
    offer.state, offer.submitted_at, offer.review_note = OfferState.IN_REVIEW, now, ""
    return await _kept(session, offer, now)


async def approve(
    session: "AsyncSession",
    offer: Offer,
    operator: str,
    assets: tuple[int, int],
    note: str,
    now: datetime.datetime,
) -> Offer:
    """Make a reviewed offer live; `assets`: points of its programme, money of its region."""
    if offer.state != OfferState.IN_REVIEW:
        raise errors.OfferWrongState
    offer.state, offer.approved_at, offer.approved_by = OfferState.LIVE, now, operator
    offer.points_asset_id, offer.money_asset_id = assets
    offer.review_note = note
    return await _kept(session, offer, now)


async def send_back(session: "AsyncSession", offer: Offer, note: str, now: datetime.datetime) -> Offer:
    """Make an offer that was handed in a draft again, with a note on why."""
    if offer.state != OfferState.IN_REVIEW:
        raise errors.OfferWrongState
    offer.state, offer.submitted_at, offer.review_note = OfferState.DRAFT, None, note
    return await _kept(session, offer, now)


async def pause(session: "AsyncSession", offer: Offer, by: str, now: datetime.datetime) -> Offer:
    """Sell no more for now; codes that were sold go on being taken. An operator's pause outranks the merchant's."""
    if offer.state != OfferState.LIVE and not (offer.state == OfferState.PAUSED and by == BY_OPERATOR):
        raise errors.OfferWrongState
    offer.state, offer.paused_by = OfferState.PAUSED, by
    return await _kept(session, offer, now)


async def resume(session: "AsyncSession", offer: Offer, by: str, now: datetime.datetime) -> Offer:
    """Sell on."""
    if offer.state != OfferState.PAUSED:
        raise errors.OfferWrongState
    if offer.paused_by == BY_OPERATOR and by != BY_OPERATOR:
        raise errors.OfferSuspended
    offer.state, offer.paused_by = OfferState.LIVE, None
    return await _kept(session, offer, now)


async def end(session: "AsyncSession", offer: Offer, now: datetime.datetime) -> Offer:
    """Sell never again; codes that were sold go on being taken."""
    if offer.state == OfferState.ENDED:
        raise errors.OfferWrongState
    offer.state, offer.paused_by = OfferState.ENDED, None
    return await _kept(session, offer, now)


async def add_stock(session: "AsyncSession", offer: Offer, pieces: int) -> None:
    """Add pieces to an offer that has a stock; of a pool, codes are uploaded instead."""
    if offer.state == OfferState.ENDED or not offer.limited or offer.delivery == Delivery.POOL:
        raise errors.OfferWrongState
    await repository.add_stock(session, offer.id, pieces)


async def add_codes(session: "AsyncSession", offer: Offer, text: str) -> tuple[int, int]:
    """Add the codes of a CSV to a pool, all or none; answers (added, remaining)."""
    if offer.state == OfferState.ENDED or offer.delivery != Delivery.POOL:
        raise errors.OfferWrongState
    codes = read_codes(text)
    if await repository.known_codes(session, offer.merchant_id, codes):
        raise errors.CodesKnown
    if await repository.add_codes(session, offer.merchant_id, offer.id, codes) != len(codes):
        raise errors.CodesKnown
    stock = await repository.add_stock(session, offer.id, len(codes))
    return len(codes), 0 if stock is None else stock[1]


def read_codes(text: str) -> list[str]:
    """The codes in the first column of a CSV; a first line `code` is a heading. A fault names the line at fault."""
    codes: dict[str, None] = {}
    for number, row in enumerate(csv.reader(io.StringIO(text.removeprefix("\ufeff"))), 1):
        code = row[0].strip() if row else ""
        if not code or (number == 1 and code.lower() == "code"):
            continue
        if len(code) > MAX_CODE_LENGTH or not code.isprintable():
            raise errors.OfferInvalid(Fault(f"/{number}", "no code", "不是券码"))
        if code in codes:
            raise errors.OfferInvalid(Fault(f"/{number}", "the same code twice", "券码重复"))
        codes[code] = None
        if len(codes) > MAX_CODES:
            raise errors.OfferInvalid(Fault(f"/{number}", "too many codes at once", "一次上传过多"))
    if not codes:
        raise errors.OfferInvalid(Fault("", "no codes", "没有券码"))
    return list(codes)


async def own_offer(
    session: "AsyncSession", merchant_id: UUID, offer_id: UUID, version: int | None = None
) -> Offer:
    """The merchant's offer, locked; of this version, where one is named."""
    offer = await repository.lock_offer(session, offer_id)
    if offer is None or offer.merchant_id != merchant_id:
        raise errors.OfferNotFound
    if version is not None and offer.version != version:
        raise errors.OfferEditedMeanwhile
    return offer


async def _kept(session: "AsyncSession", offer: Offer, now: datetime.datetime) -> Offer:
    offer.version += 1
    offer.updated_at = now
    session.add(offer)
    await session.flush()
    return offer


async def _said(session: "AsyncSession", merchant: Merchant, body: "OfferInput") -> dict[str, Any]:
    """The columns that a body says; raises `OfferInvalid` where it does not fit together."""
    region, kind = body.region or merchant.region, OfferKind(body.kind)
    if not merchant.covers(merchant.region, region):
        raise errors.OfferOutOfRegion
    delivery = Delivery(body.delivery or ("none" if kind is OfferKind.PUBLIC_GOOD else "qr"))
    shop_ids = [parse_public_id("shp", text) for text in body.shop_ids]
    known = await repository.find_shops(session, merchant.id, [shop for shop in shop_ids if shop is not None])
    faults = []
    if (kind is OfferKind.PUBLIC_GOOD) != (delivery is Delivery.NONE):
        faults.append(Fault("/delivery", "none for public goods, and for nothing else", "仅公益项目无需交付"))
    if kind is OfferKind.CASH_OFF and delivery is not Delivery.QR:
        faults.append(Fault("/delivery", "qr for cash off", "立减只能用动态码"))
    if delivery is Delivery.POOL and body.stock is not None:
        faults.append(Fault("/stock", "the stock of a pool is its codes", "券码池的库存即券码数"))
    if body.valid_from >= body.valid_until:
        faults.append(Fault("/valid_until", "must be later than valid_from", "须晚于开始时间"))
    if any(shop is None or shop not in known for shop in shop_ids):
        faults.append(Fault("/shop_ids", "not a shop of yours", "不是您的门店"))
    if faults:
        raise errors.OfferInvalid(*faults)
    return {
        "region": region,
        "kind": str(kind),
        "delivery": str(delivery),
        "title_zh": body.title.zh,
        "title_en": body.title.en,
        "terms_zh": body.terms.zh,
        "terms_en": body.terms.en,
        "programme": merchant.programme_of(region),
        "price_points": body.price_points,
        "price_fen": body.price_fen,
        "settle_fen": body.settle_fen,
        "limited": body.stock is not None or delivery is Delivery.POOL,
        "per_person": body.per_person,
        "per_person_day": body.per_person_day,
        "valid_from": body.valid_from,
        "valid_until": body.valid_until,
        "code_days": body.code_days,
        "refund_lapsed": body.refund_lapsed,
        "blackout_days": body.blackout_days,
        "shop_ids": list(known),
    }
