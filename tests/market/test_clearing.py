"""Clearing of auctions: price, then time; never more than there is, never below the price; equal to trying all."""

import csv
import itertools
import uuid
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from accounts.market.clearing import Bid, Pricing, Result, Win, clear, price_to_reach
from accounts.market.prices import deliverable, deposit_fen, total_fen

TONNE = 1_000
PRICINGS = st.sampled_from(list(Pricing))


def bids_of(terms: list[tuple[int, int]]) -> list[Bid]:
    """Bids (fen per tonne, tonnes) in the order of their time."""
    return [
        Bid(uuid.UUID(int=place), uuid.UUID(int=1_000 + place), price, tonnes * TONNE, place)
        for place, (price, tonnes) in enumerate(terms, 1)
    ]


TERMS = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 9)), max_size=25)
FEW = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), max_size=5)


@given(TERMS, st.integers(1, 40), st.integers(1, 8), st.none() | st.integers(1, 12), PRICINGS, st.randoms())
def test_what_always_holds(terms, supply, floor, reserve, pricing, random) -> None:
    bids = bids_of(terms)
    shuffled = bids[:]
    random.shuffle(shuffled)
    told = clear(shuffled, supply * TONNE, floor, reserve, pricing)
    least = max(floor, reserve or 0)
    won = {win.bid.id: win for win in told.wins}
    assert len(won) == len(told.wins)
    assert told.sold_kg <= supply * TONNE
    assert told.sold_kg == min(supply * TONNE, sum(b.quantity_kg for b in bids if b.price_fen_per_t >= least))
    for bid in bids:
        win = won.get(bid.id)
        if win is not None:
            assert told.price_fen_per_t is not None
            assert bid.price_fen_per_t >= told.price_fen_per_t >= least
            assert 0 < win.quantity_kg <= bid.quantity_kg
            assert deliverable(win.quantity_kg)
            exact = pricing is Pricing.AS_BID
            assert win.price_fen_per_t == (bid.price_fen_per_t if exact else told.price_fen_per_t)
        if bid.price_fen_per_t < least:
            assert win is None
        # Who got less than all of it: everyone behind got nothing.
        if bid.price_fen_per_t >= least and (win is None or win.quantity_kg < bid.quantity_kg):
            behind = [
                other
                for other in bids
                if (other.price_fen_per_t, -other.place) < (bid.price_fen_per_t, -bid.place)
            ]
            assert not any(other.id in won for other in behind)
    if told.wins:
        assert told.result is (Result.SOLD if told.sold_kg == supply * TONNE else Result.SOLD_IN_PART)
        assert told.price_fen_per_t == min(win.bid.price_fen_per_t for win in told.wins)
    else:
        assert told.price_fen_per_t is None
        above = any(bid.price_fen_per_t >= floor for bid in bids)
        assert told.result is (Result.RESERVE_NOT_MET if above else Result.NO_BIDS)


@given(FEW, st.integers(1, 9), st.integers(1, 3))
def test_small_ones_are_what_trying_all_finds(terms: list[tuple[int, int]], supply: int, floor: int) -> None:
    """The most money at bid prices; among equals, the earlier ones get the more."""
    bids = bids_of(terms)
    best: tuple[object, ...] = ()
    shares: tuple[int, ...] = ()
    for tried in itertools.product(
        *(range(b.quantity_kg // TONNE + 1 if b.price_fen_per_t >= floor else 1) for b in bids)
    ):
        if sum(tried) <= supply:
            money = sum(bid.price_fen_per_t * tonnes for bid, tonnes in zip(bids, tried, strict=True))
            # Of equal worth is only an exchange between bids of one price.
            key = (money, tried)
            if not best or key > best:
                best, shares = key, tried
    told = clear(bids, supply * TONNE, floor, None, Pricing.AS_BID)
    found = {win.bid.id: win.quantity_kg // TONNE for win in told.wins}
    assert tuple(found.get(bid.id, 0) for bid in bids) == shares


@given(TERMS, st.integers(1, 40), st.integers(1, 5), st.integers(1, 4), st.integers(1, 9))
def test_what_reaches_the_price_to_reach_wins_and_a_step_less_than_others_does_not(
    terms: list[tuple[int, int]], supply: int, floor: int, step: int, tonnes: int
) -> None:
    bids = [bid for bid in bids_of(terms) if bid.price_fen_per_t >= floor]
    price = price_to_reach(bids, supply * TONNE, floor, step)

    def wins(offer: int) -> bool:
        late = Bid(uuid.UUID(int=9_999), uuid.UUID(int=9_999), offer, tonnes * TONNE, 9_999)
        told = clear([*bids, late], supply * TONNE, floor, None, Pricing.UNIFORM)
        return any(win.bid.id == late.id for win in told.wins)

    assert wins(price)
    if price > floor:
        assert not wins(price - step)


@given(st.integers(1, 10**7), st.integers(1, 10**12), st.integers(1, 100))
def test_totals_are_rounded_once_up(price: int, quantity_kg: int, percent: int) -> None:
    exact = Decimal(price) * quantity_kg / TONNE
    assert 0 <= total_fen(price, quantity_kg) - exact < 1
    assert 0 <= deposit_fen(price, quantity_kg, percent) - exact * percent / 100 < 1
    assert deposit_fen(price, quantity_kg, 100) == total_fen(price, quantity_kg)


def test_the_jiangxi_case() -> None:
    """50 yuan/t: 2 kg are 0.10 yuan."""
    assert total_fen(5_000, 2) == 10


def test_the_published_auctions_that_have_prices(data: Path) -> None:
    """A bid at the published price for all of it takes it from one at the floor, at that price."""
    with (data / "market" / "phcer_auction_results_parsed.csv").open(
        encoding="utf-8-sig", newline=""
    ) as file:
        rows = [row for row in csv.DictReader(file) if row["clear_yuan_per_t"] and row["floor_yuan_per_t"]]
    assert len(rows) >= 20
    for row in rows:
        floor, price = (int(Decimal(row[f"{name}_yuan_per_t"]) * 100) for name in ("floor", "clear"))
        # Where the notice gives no tonnes, the price alone is the example.
        supply = int(row["tonnes"] or 1) * TONNE
        winners = int(row["winners"] or 1)
        share = supply // TONNE // winners * TONNE
        parts = [share] * (winners - 1) + [supply - share * (winners - 1)]
        winning = [
            Bid(uuid.UUID(int=place), uuid.UUID(int=place), price, part, place)
            for place, part in enumerate(parts, 10)
        ]
        early = Bid(uuid.UUID(int=1), uuid.UUID(int=1), floor, supply, 1)
        rivals = [early] if floor < price else []
        below = Bid(uuid.UUID(int=2), uuid.UUID(int=2), floor - 1, supply, 2)
        told = clear([below, *rivals, *winning], supply, floor, None, Pricing.UNIFORM)
        assert (told.result, told.price_fen_per_t, told.sold_kg) == (Result.SOLD, price, supply), row["title"]
        assert told.wins == tuple(Win(bid, bid.quantity_kg, price) for bid in winning)
        totals = [total_fen(win.price_fen_per_t, win.quantity_kg) for win in told.wins]
        assert sum(totals) == Decimal(row["clear_yuan_per_t"]) * 100 * (supply // TONNE)
