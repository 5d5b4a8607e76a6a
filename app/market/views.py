"""Rows as callers see them."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.ids import public_id
from app.market.models import MarketBid
from app.market.schemas import (
    AuctionView,
    BidView,
    FundingView,
    ListingView,
    MarketWithdrawalView,
    MoneyEntryView,
    OwnAuctionView,
    TradeView,
    UnitsOnOffer,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.market.repository import Row
    from app.market.trading import Trade


def of_listing(row: "Row", caller: UUID) -> ListingView:
    """A listing, for a participant."""
    return ListingView(
        listing_id=public_id("lst", row["id"]),
        units=_units(row),
        mine=row["seller_id"] == caller,
        **_same(ListingView, row, "listing_id", "units", "mine"),
    )


def of_auction(row: "Row", to_reach_fen_per_t: int | None) -> AuctionView:
    """An auction, for everybody."""
    return AuctionView(**_auction(row, to_reach_fen_per_t, AuctionView))


def of_own_auction(row: "Row", to_reach_fen_per_t: int | None) -> OwnAuctionView:
    """An auction, for its seller and for operators."""
    return OwnAuctionView(
        seller_id=public_id("org", row["seller_id"]), **_auction(row, to_reach_fen_per_t, OwnAuctionView)
    )


def of_bid(bid: MarketBid) -> BidView:
    """One's own bid."""
    return BidView(
        bid_id=public_id("bid", bid.id),
        auction_id=public_id("auc", bid.auction_id),
        **_same(BidView, bid.model_dump(), "bid_id", "auction_id"),
    )


def of_trade(trade: "Trade", caller: UUID) -> TradeView:
    """A trade, for one of its two sides."""
    return TradeView(
        trade_id=public_id("trd", trade.id),
        listing_id=None if trade.listing_id is None else public_id("lst", trade.listing_id),
        auction_id=None if trade.auction_id is None else public_id("auc", trade.auction_id),
        origin_id=public_id("uor", trade.origin_id),
        side="bought" if trade.buyer_id == caller else "sold",
        **_same(TradeView, asdict(trade), "trade_id", "listing_id", "auction_id", "origin_id", "side"),
    )


def of_entry(row: "Row", owner: UUID) -> MoneyEntryView:
    """What an entry did to a participant's purses."""
    change = {"available": 0, "held": 0}
    for side, sign in (("debit", -1), ("credit", 1)):
        if row[f"{side}_id"] == owner:
            change[row[side]] += sign * row["amount_fen"]
    return MoneyEntryView(
        entry_id=public_id("mme", row["id"]),
        reason=row["reason"],
        available_fen=change["available"],
        held_fen=change["held"],
        booked_at=row["booked_at"],
    )


def of_funding(row: "Mapping[str, Any]") -> FundingView:
    """Money on its way in."""
    return FundingView(
        funding_id=public_id("mfu", row["id"]),
        organisation_id=public_id("org", row["organisation_id"]),
        **_same(FundingView, row, "funding_id", "organisation_id"),
    )


def of_withdrawal(row: "Mapping[str, Any]") -> MarketWithdrawalView:
    """Money on its way out."""
    return MarketWithdrawalView(
        withdrawal_id=public_id("mwd", row["id"]),
        organisation_id=public_id("org", row["organisation_id"]),
        **_same(MarketWithdrawalView, row, "withdrawal_id", "organisation_id"),
    )


def _units(row: "Row") -> UnitsOnOffer:
    return UnitsOnOffer(
        origin_id=public_id("uor", row["origin_id"]),
        **{name: row[f"origin_{name}"] for name in UnitsOnOffer.model_fields if name != "origin_id"},
    )


def _auction(row: "Row", to_reach_fen_per_t: int | None, model: type[AuctionView]) -> dict[str, Any]:
    own = ("auction_id", "units", "previous_id", "to_reach_fen_per_t", "seller_id")
    return {
        "auction_id": public_id("auc", row["id"]),
        "units": _units(row),
        "previous_id": None if row["previous_id"] is None else public_id("auc", row["previous_id"]),
        "to_reach_fen_per_t": to_reach_fen_per_t,
        **_same(model, row, *own),
    }


def _same(model: Any, row: "Mapping[str, Any]", *but: str) -> dict[str, Any]:
    """The fields that are called as their columns are."""
    return {name: row[name] for name in model.model_fields if name not in but}
