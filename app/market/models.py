"""Tables of the market: money of participants, listings, auctions, bids, trades, and prices of other markets."""

import enum
from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel


class Purse(enum.StrEnum):
    """Where money stands: outside of the market, free to a participant, or held for a bid or a withdrawal."""

    OUTSIDE = "outside"
    AVAILABLE = "available"
    HELD = "held"


class Way(enum.StrEnum):
    """How money comes in."""

    PROVIDER = "provider"
    BANK = "bank"


class FundingState(enum.StrEnum):
    """Money on its way in: it waits for its payment, or, by bank, for a second operator."""

    AWAITING = "awaiting"
    BOOKED = "booked"
    REJECTED = "rejected"


class WithdrawalState(enum.StrEnum):
    """Money on its way out."""

    REQUESTED = "requested"
    PAID = "paid"
    REJECTED = "rejected"


class ListingState(enum.StrEnum):
    """A listing ends sold, withdrawn by its seller, or by its time."""

    OPEN = "open"
    SOLD = "sold"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class AuctionKind(enum.StrEnum):
    """`sealed`: nobody sees bids. `ascending`: a bid has to reach more than what would win."""

    SEALED = "sealed"
    ASCENDING = "ascending"


class AuctionState(enum.StrEnum):
    """An auction is proposed by its seller and announced by an operator."""

    PROPOSED = "proposed"
    ANNOUNCED = "announced"
    ENDED = "ended"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class BidState(enum.StrEnum):
    """One bid of a buyer stands in an auction; a later one replaces it."""

    STANDING = "standing"
    REPLACED = "replaced"
    WON = "won"
    LOST = "lost"


class TradeState(enum.StrEnum):
    """`due`: won, and not paid in full yet. What is settled has moved its money and its units, both."""

    DUE = "due"
    SETTLED = "settled"
    DEFAULTED = "defaulted"


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


def _big(*, nullable: bool = False) -> Column[int]:
    return Column(BigInteger, nullable=nullable)


class MarketMoney(SQLModel, table=True):
    """A participant's money in the market, fen."""

    __tablename__: ClassVar[str] = "market_money"
    __table_args__ = (
        CheckConstraint("available_fen >= 0 AND held_fen >= 0", name="market_money_not_negative"),
    )

    organisation_id: UUID = Field(primary_key=True)
    available_fen: int = Field(sa_column=_big())
    held_fen: int = Field(sa_column=_big())


class MarketMoneyEntry(SQLModel, table=True):
    """Money that moved from one purse to another. Append-only; each subject has each reason once."""

    __tablename__: ClassVar[str] = "market_money_entries"
    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="market_money_entries_amount"),
        CheckConstraint(
            "(debit = 'outside') = (debit_id IS NULL) AND (credit = 'outside') = (credit_id IS NULL)",
            name="market_money_entries_purses",
        ),
        CheckConstraint(
            "reason IN ('funding', 'deposit', 'deposit_return', 'price_from_deposit', 'price', 'forfeit',"
            " 'withdrawal', 'withdrawal_return', 'payout')",
            name="market_money_entries_reason",
        ),
        UniqueConstraint("subject_id", "reason", name="market_money_entries_once"),
        Index("market_money_entries_debit", "debit_id", "id"),
        Index("market_money_entries_credit", "credit_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    reason: str
    subject_id: UUID
    debit_id: UUID | None = None
    debit: str
    credit_id: UUID | None = None
    credit: str
    amount_fen: int = Field(sa_column=_big())
    booked_at: datetime = Field(sa_column=_moment())


class MarketFunding(SQLModel, table=True):
    """Money that a participant brings, through the provider of payments or by bank."""

    __tablename__: ClassVar[str] = "market_fundings"
    __table_args__ = (
        CheckConstraint("way IN ('provider', 'bank')", name="market_fundings_way"),
        CheckConstraint("state IN ('awaiting', 'booked', 'rejected')", name="market_fundings_state"),
        CheckConstraint("amount_fen > 0", name="market_fundings_amount"),
        CheckConstraint("(way = 'bank') = (expires_at IS NULL)", name="market_fundings_expiry"),
        CheckConstraint("decided_by <> asked_by", name="market_fundings_two"),
        UniqueConstraint("reference", name="market_fundings_reference"),
        Index("market_fundings_organisation", "organisation_id", "id"),
        Index("market_fundings_region", "region", "id"),
    )

    id: UUID = Field(primary_key=True)
    organisation_id: UUID
    region: str
    way: str
    amount_fen: int = Field(sa_column=_big())
    reference: str | None = None
    state: str
    asked_by: str
    asked_at: datetime = Field(sa_column=_moment())
    expires_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    decided_by: str | None = None
    decided_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class MarketWithdrawal(SQLModel, table=True):
    """Money that a participant takes out; an operator pays it by bank."""

    __tablename__: ClassVar[str] = "market_withdrawals"
    __table_args__ = (
        CheckConstraint("state IN ('requested', 'paid', 'rejected')", name="market_withdrawals_state"),
        CheckConstraint("amount_fen > 0", name="market_withdrawals_amount"),
        UniqueConstraint("reference", name="market_withdrawals_reference"),
        Index("market_withdrawals_organisation", "organisation_id", "id"),
        Index("market_withdrawals_region", "region", "id"),
    )

    id: UUID = Field(primary_key=True)
    organisation_id: UUID
    region: str
    amount_fen: int = Field(sa_column=_big())
    state: str
    asked_by: str
    asked_at: datetime = Field(sa_column=_moment())
    reference: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class MarketListing(SQLModel, table=True):
    """Units of one origin at a fixed price, of which buyers take parts while it is open. kg, fen per tonne."""

    __tablename__: ClassVar[str] = "market_listings"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'sold', 'withdrawn', 'expired')", name="market_listings_state"),
        CheckConstraint("price_fen_per_t > 0", name="market_listings_price"),
        CheckConstraint("sold_kg >= 0 AND sold_kg <= quantity_kg", name="market_listings_sold"),
        CheckConstraint(
            "lot_kg > 0 AND quantity_kg > 0 AND quantity_kg % lot_kg = 0", name="market_listings_lots"
        ),
        Index("market_listings_open", "id", postgresql_where=text("state = 'open'")),
        Index("market_listings_seller", "seller_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    seller_id: UUID
    origin_id: UUID
    lock_id: UUID
    price_fen_per_t: int = Field(sa_column=_big())
    quantity_kg: int = Field(sa_column=_big())
    lot_kg: int = Field(sa_column=_big())
    sold_kg: int = Field(sa_column=_big())
    state: str
    opened_at: datetime = Field(sa_column=_moment())
    ends_at: datetime = Field(sa_column=_moment())
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class MarketAuction(SQLModel, table=True):
    """Units of one origin for those who bid most. Whole tonnes in kg, fen per tonne."""

    __tablename__: ClassVar[str] = "market_auctions"
    __table_args__ = (
        CheckConstraint("kind IN ('sealed', 'ascending')", name="market_auctions_kind"),
        CheckConstraint("pricing IN ('uniform', 'as_bid')", name="market_auctions_pricing"),
        CheckConstraint(
            "state IN ('proposed', 'announced', 'ended', 'rejected', 'withdrawn')",
            name="market_auctions_state",
        ),
        CheckConstraint(
            "(state = 'ended') = (result IS NOT NULL) AND coalesce(result IN ('sold', 'sold_in_part'), false) ="
            " (clearing_fen_per_t IS NOT NULL)",
            name="market_auctions_result",
        ),
        CheckConstraint("quantity_kg > 0 AND quantity_kg % 1000 = 0", name="market_auctions_quantity"),
        CheckConstraint(
            "least_kg > 0 AND least_kg % 1000 = 0 AND least_kg <= quantity_kg", name="market_auctions_least"
        ),
        CheckConstraint("sold_kg >= 0 AND sold_kg <= quantity_kg", name="market_auctions_sold"),
        CheckConstraint(
            "floor_fen_per_t > 0 AND step_fen_per_t > 0 AND reserve_fen_per_t >= floor_fen_per_t",
            name="market_auctions_prices",
        ),
        CheckConstraint("deposit_percent >= 1 AND deposit_percent <= 100", name="market_auctions_deposit"),
        CheckConstraint("decided_by <> proposed_by", name="market_auctions_two"),
        UniqueConstraint("previous_id", name="market_auctions_previous"),
        Index("market_auctions_due", "ends_at", postgresql_where=text("state = 'announced'")),
        Index("market_auctions_seller", "seller_id", "id"),
        Index("market_auctions_region", "region", "id"),
    )

    id: UUID = Field(primary_key=True)
    seller_id: UUID
    region: str
    origin_id: UUID
    lock_id: UUID
    title: str
    round: int
    previous_id: UUID | None = None
    kind: str
    pricing: str
    quantity_kg: int = Field(sa_column=_big())
    least_kg: int = Field(sa_column=_big())
    floor_fen_per_t: int = Field(sa_column=_big())
    reserve_fen_per_t: int | None = Field(default=None, sa_column=_big(nullable=True))
    step_fen_per_t: int = Field(sa_column=_big())
    deposit_percent: int
    opens_at: datetime = Field(sa_column=_moment())
    ends_at: datetime = Field(sa_column=_moment())
    extension_s: int
    payment_hours: int
    state: str
    proposed_by: str
    proposed_at: datetime = Field(sa_column=_moment())
    decided_by: str | None = None
    decided_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    remarks: str = ""
    bids: int
    """How many were placed: the place in time of the next."""
    result: str | None = None
    clearing_fen_per_t: int | None = Field(default=None, sa_column=_big(nullable=True))
    sold_kg: int = Field(sa_column=_big())
    winners: int
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class MarketBid(SQLModel, table=True):
    """A binding bid, with what was deposited for it. Whole tonnes in kg, fen per tonne.

    A unique index of the migration, `market_bids_standing`, leaves a buyer one bid of an auction that is not replaced.
    """

    __tablename__: ClassVar[str] = "market_bids"
    __table_args__ = (
        CheckConstraint("state IN ('standing', 'replaced', 'won', 'lost')", name="market_bids_state"),
        CheckConstraint("quantity_kg > 0 AND quantity_kg % 1000 = 0", name="market_bids_quantity"),
        CheckConstraint("won_kg >= 0 AND won_kg <= quantity_kg", name="market_bids_won"),
        CheckConstraint("price_fen_per_t > 0 AND deposit_fen > 0", name="market_bids_price"),
        UniqueConstraint("auction_id", "place", name="market_bids_place"),
        Index("market_bids_buyer", "buyer_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    auction_id: UUID
    buyer_id: UUID
    place: int
    price_fen_per_t: int = Field(sa_column=_big())
    quantity_kg: int = Field(sa_column=_big())
    deposit_fen: int = Field(sa_column=_big())
    state: str
    won_kg: int = Field(sa_column=_big())
    placed_at: datetime = Field(sa_column=_moment())


class MarketTrade(SQLModel, table=True):
    """A sale, out of a listing or of a bid that won. `deposit_fen`: what is held for it while it is due."""

    __tablename__: ClassVar[str] = "market_trades"
    __table_args__ = (
        CheckConstraint("state IN ('due', 'settled', 'defaulted')", name="market_trades_state"),
        CheckConstraint(
            "(listing_id IS NULL) <> (auction_id IS NULL) AND (auction_id IS NULL) = (bid_id IS NULL)",
            name="market_trades_subject",
        ),
        CheckConstraint("(state = 'due') = (ended_at IS NULL)", name="market_trades_end"),
        CheckConstraint("seller_id <> buyer_id AND quantity_kg > 0", name="market_trades_parties"),
        CheckConstraint(
            "total_fen = (price_fen_per_t * quantity_kg + 999) / 1000 AND deposit_fen <= total_fen",
            name="market_trades_total",
        ),
        UniqueConstraint("bid_id", name="market_trades_bid"),
        Index("market_trades_seller", "seller_id", "id"),
        Index("market_trades_buyer", "buyer_id", "id"),
        Index("market_trades_due", "pay_by", postgresql_where=text("state = 'due'")),
        Index("market_trades_auction", "auction_id"),
        Index("market_trades_listing", "listing_id"),
    )

    id: UUID = Field(primary_key=True)
    listing_id: UUID | None = None
    auction_id: UUID | None = None
    bid_id: UUID | None = None
    seller_id: UUID
    buyer_id: UUID
    origin_id: UUID
    quantity_kg: int = Field(sa_column=_big())
    price_fen_per_t: int = Field(sa_column=_big())
    total_fen: int = Field(sa_column=_big())
    deposit_fen: int = Field(sa_column=_big())
    state: str
    agreed_at: datetime = Field(sa_column=_moment())
    pay_by: datetime = Field(sa_column=_moment())
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class ReferencePrice(SQLModel, table=True):
    """A trading day of another market, out of a file. Fen per tonne, tonnes, fen."""

    __tablename__: ClassVar[str] = "reference_prices"
    __table_args__ = (
        CheckConstraint("close_fen_per_t > 0 AND average_fen_per_t > 0", name="reference_prices_price"),
        CheckConstraint("volume_t >= 0 AND turnover_fen >= 0", name="reference_prices_volume"),
    )

    market: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    close_fen_per_t: int = Field(sa_column=_big())
    average_fen_per_t: int | None = Field(default=None, sa_column=_big(nullable=True))
    volume_t: int | None = Field(default=None, sa_column=_big(nullable=True))
    turnover_fen: int | None = Field(default=None, sa_column=_big(nullable=True))
    source: str
    imported_at: datetime = Field(sa_column=_moment())
