"""Errors of the market."""

from accounts.errors import DomainError, NotFound


class ListingNotFound(NotFound):
    """No such listing."""

    code = "market.listing_not_found"


class ListingOver(DomainError):
    """The listing is sold, withdrawn, or its time is over."""

    code = "market.listing_over"


class QuantityRefused(DomainError):
    """Not by the lot, less than the least, or more than there is."""

    code = "market.quantity_refused"


class OwnOffer(DomainError):
    """Nobody buys what is one's own."""

    code = "market.own_offer"


class MoneyInsufficient(DomainError):
    """Not so much money is available."""

    code = "market.money_insufficient"


class AuctionNotFound(NotFound):
    """No such auction."""

    code = "market.auction_not_found"


class AuctionNotOpen(DomainError):
    """No bids are taken now."""

    code = "market.auction_not_open"


class AuctionWrongState(DomainError):
    """In its state the auction does not allow it."""

    code = "market.auction_wrong_state"


class SameClient(DomainError):
    """Two decide: not who proposed it."""

    code = "market.same_client"


class RoundRefused(DomainError):
    """The round before was another's, of other units, is not over, sold everything, or has its next round."""

    code = "market.round_refused"


class BidTooLow(DomainError):
    """Below the floor, below what has to be reached, or off the steps."""

    code = "market.bid_too_low"


class BidLowered(DomainError):
    """A bid binds: in an ascending auction neither price nor quantity is taken back."""

    code = "market.bid_lowered"


class TradeNotFound(NotFound):
    """No such trade of the caller."""

    code = "market.trade_not_found"


class TradeOver(DomainError):
    """The trade is settled or defaulted."""

    code = "market.trade_over"


class FundingNotFound(NotFound):
    """No such funding within the caller's rights."""

    code = "market.funding_not_found"


class FundingDecided(DomainError):
    """The funding is decided already."""

    code = "market.funding_decided"


class WithdrawalNotFound(NotFound):
    """No such withdrawal within the caller's rights."""

    code = "market.withdrawal_not_found"


class WithdrawalDecided(DomainError):
    """The withdrawal is decided already."""

    code = "market.withdrawal_decided"


class ReferenceUsed(DomainError):
    """The bank's reference stands for other money."""

    code = "market.reference_used"


class ParticipantNotFound(NotFound):
    """No such participant within the operator's region."""

    code = "market.participant_not_found"


class ReferenceMarketNotFound(NotFound):
    """Of this market there are no prices in the days asked for."""

    code = "reference_price.not_found"
