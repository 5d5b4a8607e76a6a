"""What callers send to and see at the doors of the market."""

import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from accounts.market.clearing import Pricing, Result
from app.market.models import (
    AuctionKind,
    AuctionState,
    BidState,
    FundingState,
    ListingState,
    TradeState,
    Way,
    WithdrawalState,
)

PRICE_MAX = 10_000_000
KG_MAX = 1_000_000_000_000
FEN_MAX = 10_000_000_000_000
STRICT = ConfigDict(extra="forbid", strict=True)
Price = Annotated[int, Field(ge=1, le=PRICE_MAX, description="Fen per tonne")]
Quantity = Annotated[int, Field(ge=1, le=KG_MAX, description="kg, which are units")]
Tonnes = Annotated[int, Field(ge=1_000, le=KG_MAX, multiple_of=1_000, description="Whole tonnes, in kg")]
Fen = Annotated[int, Field(ge=1, le=FEN_MAX)]
BankReference = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!-~]+$")]
OriginId = Annotated[str, Field(description="`uor_…`: what the units came of", pattern=r"^uor_[0-9a-f]{32}$")]
Moment = Annotated[AwareDatetime, Field(strict=False)]


class UnitsOnOffer(BaseModel):
    """What units came of."""

    origin_id: str = Field(description="`uor_…`")
    kind: Literal["issuance", "project"]
    region: str
    methodology: str = Field(description="Code of the methodology, or of the project")
    vintage: int
    unit_type: str


class ListingInput(BaseModel):
    """Units at a fixed price."""

    model_config = STRICT

    origin_id: OriginId
    quantity_kg: Quantity
    price_fen_per_t: Price
    lot_kg: Quantity = Field(default=1_000, description="Sold by multiples of this; 1,000 are a tonne")
    ends_at: Moment


class ListingView(BaseModel):
    """A listing; who sells is not told."""

    listing_id: str = Field(description="`lst_…`")
    units: UnitsOnOffer
    price_fen_per_t: int
    quantity_kg: int
    sold_kg: int
    lot_kg: int
    state: ListingState
    mine: bool
    opened_at: datetime.datetime
    ends_at: datetime.datetime
    ended_at: datetime.datetime | None


class ListingList(BaseModel):
    """Listings, the newest first."""

    items: list[ListingView]
    next_cursor: str | None


class PurchaseInput(BaseModel):
    """How much of a listing."""

    model_config = STRICT

    quantity_kg: Quantity


class AuctionInput(BaseModel):
    """Terms of an auction, as its notice will tell them."""

    model_config = STRICT

    title: str = Field(min_length=1, max_length=200)
    origin_id: OriginId
    previous_id: str | None = Field(
        default=None,
        description="`auc_…`: the round before, which left something",
        pattern=r"^auc_[0-9a-f]{32}$",
    )
    kind: AuctionKind = Field(default=AuctionKind.SEALED, strict=False)
    pricing: Pricing = Field(
        default=Pricing.UNIFORM,
        strict=False,
        description="`uniform`: all pay the lowest price that won; `as_bid`: each its own",
    )
    quantity_kg: Tonnes
    least_kg: Tonnes = Field(
        default=1_000, description="The least of a bid; the whole quantity: one buyer takes all"
    )
    floor_fen_per_t: Price = Field(description="Told in the notice; no bid is below it")
    reserve_fen_per_t: Price | None = Field(
        default=None, description="Not told: what is bid below it wins nothing; not below the floor"
    )
    step_fen_per_t: Price = Field(default=1, description="Bids are the floor and whole steps")
    deposit_percent: int = Field(
        default=10, ge=1, le=100, description="Of a bid's total, held when it is placed"
    )
    opens_at: Moment
    ends_at: Moment
    extension_s: int = Field(
        default=300,
        ge=0,
        le=3_600,
        description="After a bid in an ascending auction it goes on at least so long",
    )
    payment_hours: int = Field(default=72, ge=1, le=720, description="What is won is to be paid within")


class AuctionView(BaseModel):
    """An auction; what bids are is not told before it has ended."""

    auction_id: str = Field(description="`auc_…`")
    title: str
    region: str
    units: UnitsOnOffer
    round: int
    previous_id: str | None
    kind: AuctionKind
    pricing: Pricing
    quantity_kg: int
    least_kg: int
    floor_fen_per_t: int
    step_fen_per_t: int
    deposit_percent: int
    opens_at: datetime.datetime
    ends_at: datetime.datetime
    extension_s: int
    payment_hours: int
    state: AuctionState
    to_reach_fen_per_t: int | None = Field(
        description="While an ascending auction takes bids: the least that a new one has to offer"
    )
    result: Result | None
    clearing_fen_per_t: int | None = Field(description="The lowest price that won")
    sold_kg: int
    winners: int
    ended_at: datetime.datetime | None


class AuctionList(BaseModel):
    """Auctions, the newest first."""

    items: list[AuctionView]
    next_cursor: str | None


class OwnAuctionView(AuctionView):
    """An auction as its seller and operators see it."""

    seller_id: str = Field(description="`org_…`")
    reserve_fen_per_t: int | None
    remarks: str


class OwnAuctionList(BaseModel):
    """Auctions, the newest first."""

    items: list[OwnAuctionView]
    next_cursor: str | None


class AuctionRejection(BaseModel):
    """Why an auction is sent back."""

    model_config = STRICT

    remarks: str = Field(min_length=1, max_length=1_000)


class BidInput(BaseModel):
    """A binding bid; it replaces one's own."""

    model_config = STRICT

    price_fen_per_t: Price
    quantity_kg: Tonnes


class BidView(BaseModel):
    """One's own bid."""

    bid_id: str = Field(description="`bid_…`")
    auction_id: str
    price_fen_per_t: int
    quantity_kg: int
    deposit_fen: int
    state: BidState
    won_kg: int
    placed_at: datetime.datetime


class BidList(BaseModel):
    """One's own bids, the newest first."""

    items: list[BidView]
    next_cursor: str | None


class TradeView(BaseModel):
    """A trade of one's own."""

    trade_id: str = Field(description="`trd_…`")
    listing_id: str | None
    auction_id: str | None
    side: Literal["bought", "sold"]
    origin_id: str
    quantity_kg: int
    price_fen_per_t: int
    total_fen: int = Field(description="Rounded once, up")
    deposit_fen: int = Field(description="Held for it while it is due")
    state: TradeState
    agreed_at: datetime.datetime
    pay_by: datetime.datetime
    ended_at: datetime.datetime | None


class TradeList(BaseModel):
    """Trades, the newest first."""

    items: list[TradeView]
    next_cursor: str | None


class MoneyView(BaseModel):
    """One's money in the market."""

    available_fen: int
    held_fen: int = Field(description="For bids, trades that are due, and withdrawals")


class MoneyEntryView(BaseModel):
    """Money that moved."""

    entry_id: str = Field(description="`mme_…`")
    reason: str
    available_fen: int = Field(description="By so much the available money changed")
    held_fen: int = Field(description="By so much the held money changed")
    booked_at: datetime.datetime


class MoneyEntryList(BaseModel):
    """What moved one's money, the newest first."""

    items: list[MoneyEntryView]
    next_cursor: str | None


class FundingInput(BaseModel):
    """Money to bring by the provider of payments."""

    model_config = STRICT

    amount_fen: Fen


class TransferInput(BaseModel):
    """Money of a participant that came by bank."""

    model_config = STRICT

    organisation_id: str = Field(description="`org_…`", pattern=r"^org_[0-9a-f]{32}$")
    amount_fen: Fen
    reference: BankReference


class FundingView(BaseModel):
    """Money on its way in."""

    funding_id: str = Field(description="`mfu_…`")
    organisation_id: str
    way: Way
    amount_fen: int
    reference: str | None = Field(description="Of the bank, or our number at the provider")
    state: FundingState
    asked_at: datetime.datetime
    expires_at: datetime.datetime | None
    decided_at: datetime.datetime | None


class FundingList(BaseModel):
    """Fundings, the newest first."""

    items: list[FundingView]
    next_cursor: str | None


class MarketWithdrawalInput(BaseModel):
    """Available money to be paid out."""

    model_config = STRICT

    amount_fen: Fen


class PayoutInput(BaseModel):
    """The bank's reference of a payment."""

    model_config = STRICT

    reference: BankReference


class MarketWithdrawalView(BaseModel):
    """Money on its way out."""

    withdrawal_id: str = Field(description="`mwd_…`")
    organisation_id: str
    amount_fen: int
    reference: str | None
    state: WithdrawalState
    asked_at: datetime.datetime
    decided_at: datetime.datetime | None


class MarketWithdrawalList(BaseModel):
    """Withdrawals, the newest first."""

    items: list[MarketWithdrawalView]
    next_cursor: str | None


class ReferencePriceView(BaseModel):
    """A day of another market."""

    day: datetime.date
    close_fen_per_t: int
    average_fen_per_t: int | None
    volume_t: int | None
    turnover_fen: int | None


class ReferencePriceList(BaseModel):
    """Days with a price, the earliest first."""

    market: str
    source: str
    items: list[ReferencePriceView]
    next_cursor: datetime.date | None
