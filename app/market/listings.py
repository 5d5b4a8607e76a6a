"""Listings: units at a fixed price. A purchase moves money and units in one commit."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import uuid7
from accounts.market.prices import total_fen
from accounts.registry.service import account_of
from accounts.units import service as units
from app.market import errors, money, repository
from app.market.models import ListingState, MarketListing, TradeState
from app.market.settlement import deliver
from app.market.trading import Trade

if TYPE_CHECKING:
    from app.market.repository import Driver, Row
    from app.market.schemas import ListingInput

LOCKED_FOR = "market_listing"


async def open_listing(
    driver: "Driver", seller_id: UUID, body: "ListingInput", origin_id: UUID, now: datetime.datetime
) -> UUID:
    """Offer units of one origin; they are locked until they are sold or the listing ends."""
    if body.quantity_kg % body.lot_kg or body.ends_at <= now:
        raise errors.QuantityRefused
    account = await account_of(driver, seller_id, now)
    listing_id = uuid7(now)
    lock = await units.lock(driver, account.id, origin_id, body.quantity_kg, LOCKED_FOR, listing_id, now)
    await repository.insert(
        driver,
        MarketListing(
            id=listing_id,
            seller_id=seller_id,
            origin_id=origin_id,
            lock_id=lock.id,
            price_fen_per_t=body.price_fen_per_t,
            quantity_kg=body.quantity_kg,
            lot_kg=body.lot_kg,
            sold_kg=0,
            state=ListingState.OPEN,
            opened_at=now,
            ends_at=body.ends_at,
        ),
    )
    return listing_id


async def buy(
    driver: "Driver", buyer_id: UUID, listing_id: UUID, quantity_kg: int, now: datetime.datetime
) -> Trade:
    """Buy a part of a listing: paid and delivered, or neither."""
    row = await _open(driver, listing_id)
    if row["ends_at"] <= now:
        raise errors.ListingOver
    if row["seller_id"] == buyer_id:
        raise errors.OwnOffer
    if quantity_kg % row["lot_kg"] or quantity_kg > row["quantity_kg"] - row["sold_kg"]:
        raise errors.QuantityRefused
    total = total_fen(row["price_fen_per_t"], quantity_kg)
    trade = Trade(
        id=uuid7(now),
        listing_id=listing_id,
        auction_id=None,
        bid_id=None,
        seller_id=row["seller_id"],
        buyer_id=buyer_id,
        origin_id=row["origin_id"],
        quantity_kg=quantity_kg,
        price_fen_per_t=row["price_fen_per_t"],
        total_fen=total,
        deposit_fen=0,
        state=TradeState.SETTLED.value,
        agreed_at=now,
        pay_by=now,
        ended_at=now,
    )
    await money.lock(driver, (buyer_id, trade.seller_id))
    price = money.Move("price", trade.id, money.free(buyer_id), money.free(trade.seller_id), total)
    await money.book(driver, [price], now)
    await repository.insert_trades(driver, [trade])
    await deliver(driver, row["lock_id"], [trade], now)
    sold = row["sold_kg"] + quantity_kg
    over = sold == row["quantity_kg"]
    await repository.change_listing(
        driver, listing_id, sold, ListingState.SOLD if over else ListingState.OPEN, now if over else None
    )
    return trade


async def withdraw(driver: "Driver", seller_id: UUID, listing_id: UUID, now: datetime.datetime) -> None:
    """Take back what is not sold."""
    row = await repository.lock_listing(driver, listing_id)
    if row is None or row["seller_id"] != seller_id:
        raise errors.ListingNotFound
    if row["state"] != ListingState.OPEN:
        raise errors.ListingOver
    await _end(driver, row, ListingState.WITHDRAWN, now)


async def expire(driver: "Driver", listing_id: UUID, now: datetime.datetime) -> bool:
    """End a listing whose time is over; False where it has ended otherwise."""
    row = await repository.lock_listing(driver, listing_id)
    if row is None or row["state"] != ListingState.OPEN or row["ends_at"] > now:
        return False
    await _end(driver, row, ListingState.EXPIRED, now)
    return True


async def _open(driver: "Driver", listing_id: UUID) -> "Row":
    row = await repository.lock_listing(driver, listing_id)
    if row is None:
        raise errors.ListingNotFound
    if row["state"] != ListingState.OPEN:
        raise errors.ListingOver
    return row


async def _end(driver: "Driver", row: "Row", state: ListingState, now: datetime.datetime) -> None:
    await units.release(driver, row["lock_id"], now)
    await repository.change_listing(driver, row["id"], row["sold_kg"], state, now)
