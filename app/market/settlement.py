"""Delivery versus payment: what a trade costs and what it delivers move in one commit, once."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import epoch_ms, uuid7_batch
from accounts.market.clearing import Bid, Clearing, Pricing, clear
from accounts.market.prices import total_fen
from accounts.units import service as units
from app.market import accounts, errors, money, repository
from app.market.models import AuctionState, TradeState
from app.market.trading import Trade

if TYPE_CHECKING:
    from app.market.repository import Driver, Row


async def deliver(driver: "Driver", lock_id: UUID, trades: Sequence[Trade], now: datetime.datetime) -> None:
    """Hand the units of trades of one seller to their buyers, out of the lock that holds them."""
    if not trades:
        return
    buyers = await accounts.of_buyers(driver, [trade.buyer_id for trade in trades], now)
    parts = [(buyers[trade.buyer_id], trade.quantity_kg, trade.id) for trade in trades]
    await units.deliver_parts(driver, lock_id, parts, now)


async def end_auction(driver: "Driver", auction_id: UUID, now: datetime.datetime) -> Clearing | None:
    """Clear an auction whose time is over, and settle what can be paid; None where that was done or is not yet due.

    What cannot be paid in full is due, with its deposit held, until its time.
    """
    auction = await repository.lock_auction(driver, auction_id)
    if auction is None or auction["state"] != AuctionState.ANNOUNCED or auction["ends_at"] > now:
        return None
    rows = {row["id"]: row for row in await repository.standing_bids(driver, auction_id)}
    clearing = clear(
        [bid_of(row) for row in rows.values()],
        auction["quantity_kg"],
        auction["floor_fen_per_t"],
        auction["reserve_fen_per_t"],
        Pricing(auction["pricing"]),
    )
    seller = auction["seller_id"]
    balances = await money.lock(driver, [seller, *(row["buyer_id"] for row in rows.values())])
    trades, moves = _trades(auction, clearing, rows, balances, now)
    await money.book(driver, moves, now)
    won = {win.bid.id: win.quantity_kg for win in clearing.wins}
    lost = [bid for bid in rows if bid not in won]
    await repository.mark_bids(driver, list(won), "won", list(won.values()))
    await repository.mark_bids(driver, lost, "lost", [0] * len(lost))
    await repository.insert_trades(driver, trades)
    settled = [trade for trade in trades if trade.state == TradeState.SETTLED]
    await deliver(driver, auction["lock_id"], settled, now)
    if len(settled) == len(trades):
        await units.release(driver, auction["lock_id"], now)
    await repository.update_auction(
        driver,
        auction_id,
        state=AuctionState.ENDED.value,
        result=clearing.result.value,
        clearing_fen_per_t=clearing.price_fen_per_t,
        sold_kg=clearing.sold_kg,
        winners=len({trade.buyer_id for trade in trades}),
        ended_at=now,
    )
    return clearing


async def pay(driver: "Driver", buyer_id: UUID, trade_id: UUID, now: datetime.datetime) -> None:
    """Pay the rest of a trade that is due, out of what is available; its units come with it."""
    known = await repository.trade(driver, trade_id)
    if known is None or known["buyer_id"] != buyer_id or known["auction_id"] is None:
        raise errors.TradeNotFound
    # The auction's lock first, as everywhere.
    auction = await repository.lock_auction(driver, known["auction_id"])
    row = await repository.lock_trade(driver, trade_id)
    if auction is None or row is None:
        raise errors.TradeNotFound
    if row["state"] != TradeState.DUE or row["pay_by"] <= now:
        raise errors.TradeOver
    trade = Trade(**dict(row))
    await money.lock(driver, (trade.buyer_id, trade.seller_id))
    await money.book(driver, _price(trade), now)
    if not await repository.end_trade(driver, trade_id, TradeState.SETTLED, now):
        raise errors.TradeOver
    await deliver(driver, auction["lock_id"], [trade], now)
    await _release_rest(driver, auction, now)


async def default(driver: "Driver", trade_id: UUID, now: datetime.datetime) -> bool:
    """End a trade that was not paid in time: its deposit is the seller's, its units go back to the seller."""
    known = await repository.trade(driver, trade_id)
    if known is None or known["auction_id"] is None:
        return False
    auction = await repository.lock_auction(driver, known["auction_id"])
    row = await repository.lock_trade(driver, trade_id)
    if auction is None or row is None or row["state"] != TradeState.DUE or row["pay_by"] > now:
        return False
    await money.lock(driver, (row["buyer_id"], row["seller_id"]))
    forfeit = money.Move(
        "forfeit", trade_id, money.held(row["buyer_id"]), money.free(row["seller_id"]), row["deposit_fen"]
    )
    await money.book(driver, [forfeit], now)
    if not await repository.end_trade(driver, trade_id, TradeState.DEFAULTED, now):
        return False
    await _release_rest(driver, auction, now)
    return True


def bid_of(row: "Row") -> Bid:
    """A bid as clearing takes it."""
    return Bid(row["id"], row["buyer_id"], row["price_fen_per_t"], row["quantity_kg"], row["place"])


async def _release_rest(driver: "Driver", auction: "Row", now: datetime.datetime) -> None:
    """What nobody bought goes back to the seller when no trade is left that may still be paid."""
    if not await repository.trades_due(driver, auction["id"]):
        await units.release(driver, auction["lock_id"], now)


def _price(trade: Trade) -> list[money.Move]:
    buyer, seller = trade.buyer_id, money.free(trade.seller_id)
    rest = trade.total_fen - trade.deposit_fen
    return [
        money.Move("price_from_deposit", trade.id, money.held(buyer), seller, trade.deposit_fen),
        money.Move("price", trade.id, money.free(buyer), seller, rest),
    ]


def _trades(
    auction: "Row",
    clearing: Clearing,
    bids: "dict[UUID, Row]",
    balances: dict[UUID, money.Balance],
    now: datetime.datetime,
) -> tuple[list[Trade], list[money.Move]]:
    """The trades of a clearing, and every move of money that follows from it."""
    ids = iter(uuid7_batch(epoch_ms(now), len(clearing.wins)) if clearing.wins else ())
    won = {win.bid.id: win for win in clearing.wins}
    trades, moves = [], []
    for bid_id, row in bids.items():
        win, buyer, back = won.get(bid_id), row["buyer_id"], row["deposit_fen"]
        if win is not None:
            total = total_fen(win.price_fen_per_t, win.quantity_kg)
            deposit = min(back, total)
            back -= deposit
            # A buyer has one bid that stands, so nothing else asks for this money here.
            paid = balances[buyer].available_fen + back >= total - deposit
            trade = Trade(
                id=next(ids),
                listing_id=None,
                auction_id=auction["id"],
                bid_id=bid_id,
                seller_id=auction["seller_id"],
                buyer_id=buyer,
                origin_id=auction["origin_id"],
                quantity_kg=win.quantity_kg,
                price_fen_per_t=win.price_fen_per_t,
                total_fen=total,
                deposit_fen=deposit,
                state=(TradeState.SETTLED if paid else TradeState.DUE).value,
                agreed_at=now,
                pay_by=now + datetime.timedelta(hours=auction["payment_hours"]),
                ended_at=now if paid else None,
            )
            if paid:
                moves += _price(trade)
                trade.deposit_fen = 0
            trades.append(trade)
        moves.append(money.Move("deposit_return", bid_id, money.held(buyer), money.free(buyer), back))
    # In the order of clearing, so that the lowest numbers go to who comes first.
    place = {win.bid.id: number for number, win in enumerate(clearing.wins)}
    return sorted(trades, key=lambda trade: place[trade.bid_id] if trade.bid_id else 0), moves
