"""SQL of shops, tills, offers, their stock and codes."""

import datetime
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from points.redemption_models import Offer, OfferCode, OfferStock, Shop, Till
from points.redemption_states import OfferState

OfferRow = tuple[Offer, OfferStock | None]


async def find_offer(session: AsyncSession, offer_id: UUID) -> OfferRow | None:
    """An offer with its stock row, if it has one."""
    rows = await session.exec(
        select(Offer, OfferStock)
        .outerjoin(OfferStock, col(OfferStock.offer_id) == col(Offer.id))
        .where(col(Offer.id) == offer_id)
    )
    found = rows.first()
    return None if found is None else (found[0], found[1])


async def lock_offer(session: AsyncSession, offer_id: UUID) -> Offer | None:
    """An offer, locked for a change."""
    rows = await session.exec(select(Offer).where(col(Offer.id) == offer_id).with_for_update(key_share=True))
    return rows.first()


async def page_of_offers(
    session: AsyncSession,
    *,
    merchant_id: UUID | None = None,
    region_prefix: str = "",
    state: OfferState | None = None,
    before: UUID | None,
    limit: int,
) -> Sequence[OfferRow]:
    """Offers of a merchant, or of a region and its parts; the newest first."""
    query = (
        select(Offer, OfferStock)
        .outerjoin(OfferStock, col(OfferStock.offer_id) == col(Offer.id))
        .where(col(Offer.region).startswith(region_prefix))
        .order_by(col(Offer.id).desc())
        .limit(limit)
    )
    if merchant_id is not None:
        query = query.where(col(Offer.merchant_id) == merchant_id)
    if state is not None:
        query = query.where(col(Offer.state) == state)
    if before is not None:
        query = query.where(col(Offer.id) < before)
    return [(row[0], row[1]) for row in (await session.exec(query)).all()]


async def page_of_live(
    session: AsyncSession,
    regions: Sequence[str],
    now: datetime.datetime,
    *,
    kind: str | None,
    before: UUID | None,
    limit: int,
) -> Sequence[OfferRow]:
    """What can be ordered now in one of the regions; the newest first. What is sold out is left out."""
    query = (
        select(Offer, OfferStock)
        .outerjoin(OfferStock, col(OfferStock.offer_id) == col(Offer.id))
        .where(
            col(Offer.state) == OfferState.LIVE,
            col(Offer.region).in_(regions),
            col(Offer.valid_from) <= now,
            col(Offer.valid_until) > now,
            or_(col(Offer.limited).is_(False), col(OfferStock.remaining) > 0),
        )
        .order_by(col(Offer.id).desc())
        .limit(limit)
    )
    if kind is not None:
        query = query.where(col(Offer.kind) == kind)
    if before is not None:
        query = query.where(col(Offer.id) < before)
    return [(row[0], row[1]) for row in (await session.exec(query)).all()]


async def set_stock(session: AsyncSession, offer_id: UUID, pieces: int) -> None:
    """Give a draft its stock; nothing of it is sold yet."""
    row = {"offer_id": offer_id, "added": pieces, "remaining": pieces}
    statement = insert(OfferStock).values(row)
    await session.exec(
        statement.on_conflict_do_update(
            index_elements=["offer_id"], set_={"added": pieces, "remaining": pieces}
        )
    )


async def add_stock(session: AsyncSession, offer_id: UUID, pieces: int) -> tuple[int, int] | None:
    """Add pieces; answers (added in all, remaining), None where the offer has no stock."""
    rows = await session.exec(
        update(OfferStock)
        .where(col(OfferStock.offer_id) == offer_id)
        .values(added=OfferStock.added + pieces, remaining=OfferStock.remaining + pieces)
        .returning(col(OfferStock.added), col(OfferStock.remaining))
    )
    row = rows.first()
    return None if row is None else (row[0], row[1])


async def known_codes(session: AsyncSession, merchant_id: UUID, codes: Sequence[str]) -> set[str]:
    """Those of the codes that the merchant has already."""
    rows = await session.exec(
        select(OfferCode.code).where(
            col(OfferCode.merchant_id) == merchant_id, col(OfferCode.code).in_(codes)
        )
    )
    return set(rows.all())


async def add_codes(session: AsyncSession, merchant_id: UUID, offer_id: UUID, codes: Sequence[str]) -> int:
    """Add free codes; answers how many of them are new."""
    rows = await session.exec(
        insert(OfferCode)
        .values([{"merchant_id": merchant_id, "code": code, "offer_id": offer_id} for code in codes])
        .on_conflict_do_nothing()
        .returning(col(OfferCode.code))
    )
    return len(rows.all())


async def has_codes(session: AsyncSession, offer_id: UUID) -> bool:
    """Whether a pool was uploaded."""
    rows = await session.exec(
        select(OfferCode.code)
        .where(col(OfferCode.offer_id) == offer_id, col(OfferCode.redemption_id).is_(None))
        .limit(1)
    )
    return rows.first() is not None


async def find_shops(session: AsyncSession, merchant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Shop]:
    """Those of the shops that are the merchant's."""
    rows = await session.exec(select(Shop).where(col(Shop.merchant_id) == merchant_id, col(Shop.id).in_(ids)))
    return {shop.id: shop for shop in rows.all()}


async def page_of_shops(
    session: AsyncSession, merchant_id: UUID, after: UUID | None, limit: int
) -> Sequence[Shop]:
    """A merchant's shops, the oldest first."""
    query = select(Shop).where(col(Shop.merchant_id) == merchant_id).order_by(col(Shop.id)).limit(limit)
    if after is not None:
        query = query.where(col(Shop.id) > after)
    return (await session.exec(query)).all()


async def page_of_tills(
    session: AsyncSession, shop_id: UUID, after: UUID | None, limit: int
) -> Sequence[Till]:
    """A shop's tills, the oldest first."""
    query = select(Till).where(col(Till.shop_id) == shop_id).order_by(col(Till.id)).limit(limit)
    if after is not None:
        query = query.where(col(Till.id) > after)
    return (await session.exec(query)).all()


async def find_till(session: AsyncSession, till_id: UUID, merchant_id: UUID) -> Till | None:
    """A till of the merchant."""
    rows = await session.exec(
        select(Till).where(col(Till.id) == till_id, col(Till.merchant_id) == merchant_id)
    )
    return rows.first()


async def find_open_till(session: AsyncSession, till_id: UUID, merchant_id: UUID) -> Till | None:
    """A till of the merchant that takes codes now."""
    rows = await session.exec(
        select(Till)
        .join(Shop, col(Shop.id) == col(Till.shop_id))
        .where(
            col(Till.id) == till_id,
            col(Till.merchant_id) == merchant_id,
            col(Till.closed_at).is_(None),
            col(Shop.closed_at).is_(None),
        )
    )
    return rows.first()


async def till_of_number(session: AsyncSession, number: str) -> Till | None:
    """The open till that shows a number, in a shop that is open."""
    rows = await session.exec(
        select(Till)
        .join(Shop, col(Shop.id) == col(Till.shop_id))
        .where(col(Till.number) == number, col(Till.closed_at).is_(None), col(Shop.closed_at).is_(None))
    )
    return rows.first()


async def number_taken(session: AsyncSession, number: str) -> bool:
    """Whether a till has this number."""
    rows = await session.exec(select(func.count()).select_from(Till).where(col(Till.number) == number))
    return bool(rows.one())
