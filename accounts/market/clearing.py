"""Clearing of an auction: which bids win how much, at which price. Pure.

Bids are served by price, the higher first, and at the same price by time, the earlier first; the last one served may
get a part. All whole tonnes, in kg; prices in fen per tonne.
"""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID


class Pricing(enum.StrEnum):
    """What winners pay: all the lowest price that won, or each its own bid."""

    UNIFORM = "uniform"
    AS_BID = "as_bid"


class Result(enum.StrEnum):
    """How an auction ended."""

    SOLD = "sold"
    SOLD_IN_PART = "sold_in_part"
    NO_BIDS = "no_bids"
    RESERVE_NOT_MET = "reserve_not_met"


@dataclass(frozen=True, slots=True)
class Bid:
    """A binding offer. `place` orders bids in time, without ties."""

    id: UUID
    buyer_id: UUID
    price_fen_per_t: int
    quantity_kg: int
    place: int


@dataclass(frozen=True, slots=True)
class Win:
    """What a bid gets, and the price it pays."""

    bid: Bid
    quantity_kg: int
    price_fen_per_t: int


@dataclass(frozen=True, slots=True)
class Clearing:
    """The end of an auction; `price_fen_per_t` is the lowest price that won, None where none did."""

    result: Result
    price_fen_per_t: int | None
    wins: tuple[Win, ...]

    @property
    def sold_kg(self) -> int:
        """Sum of what was won."""
        return sum(win.quantity_kg for win in self.wins)


def clear(
    bids: Iterable[Bid], supply_kg: int, floor_fen_per_t: int, reserve_fen_per_t: int | None, pricing: Pricing
) -> Clearing:
    """End an auction. Bids below the floor, or below the reserve that only the seller knows, win nothing."""
    standing = [bid for bid in bids if bid.price_fen_per_t >= floor_fen_per_t]
    if not standing:
        return Clearing(Result.NO_BIDS, None, ())
    least = max(floor_fen_per_t, reserve_fen_per_t or 0)
    served = _serve([bid for bid in standing if bid.price_fen_per_t >= least], supply_kg)
    if not served:
        return Clearing(Result.RESERVE_NOT_MET, None, ())
    lowest = served[-1][0].price_fen_per_t
    wins = tuple(
        Win(bid, quantity, lowest if pricing is Pricing.UNIFORM else bid.price_fen_per_t)
        for bid, quantity in served
    )
    whole = sum(win.quantity_kg for win in wins) == supply_kg
    return Clearing(Result.SOLD if whole else Result.SOLD_IN_PART, lowest, wins)


def price_to_reach(
    bids: Sequence[Bid], supply_kg: int, floor_fen_per_t: int, step_fen_per_t: int, own: UUID | None = None
) -> int:
    """The least that a new bid has to offer in an ascending auction.

    The floor while some is left, else a step more than the lowest that would win. `own` is the buyer whose standing bid
    the new one replaces.
    """
    served = _serve([bid for bid in bids if bid.buyer_id != own], supply_kg)
    if sum(quantity for _, quantity in served) < supply_kg:
        return floor_fen_per_t
    return served[-1][0].price_fen_per_t + step_fen_per_t


def _serve(bids: Iterable[Bid], supply_kg: int) -> list[tuple[Bid, int]]:
    served = []
    left = supply_kg
    for bid in sorted(bids, key=lambda bid: (-bid.price_fen_per_t, bid.place)):
        if left == 0:
            break
        quantity = min(left, bid.quantity_kg)
        served.append((bid, quantity))
        left -= quantity
    return served
