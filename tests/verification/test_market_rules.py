"""Every rule about the market finds the row that breaks it, and finds nothing wrong with sound books."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from helpers import City
from market.exchange import id_of, made_exchange
from verification.breakages import breaches

from accounts.ids import parse_public_id, public_id
from app.market import verification as market_verification


@dataclass
class Kept:
    """A listing that was bought of; auctions with a trade of each state; money that waits, came and left."""

    listing: UUID
    bought: UUID
    auction: UUID
    settled: UUID
    due: UUID
    defaulted: UUID
    lost: UUID
    buyer: UUID
    funding: UUID
    withdrawal: UUID


def uuid_of(text: str) -> UUID:
    found = parse_public_id(text.partition("_")[0], text)
    assert found is not None
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def kept(city: City) -> Kept:
    exchange = await made_exchange(city)
    seller, origin = await exchange.seller(20_000)
    buyer, poor, third = [await exchange.participant(money) for money in (100_000, 700, 100_000)]
    trades = {}
    for state in ("defaulted", "due"):
        auction = await exchange.auction(seller, origin, 2_000, 3_000)
        await exchange.bid(third, auction, 3_010, 1_000)
        await exchange.bid(poor, auction, 3_001, 2_000)
        await exchange.bid(buyer, auction, 3_000, 1_000)
        await exchange.end()
        trades["settled"] = (await exchange.trades(third))[0]["trade_id"]
        trades[state] = (await exchange.trades(poor))[0]["trade_id"]
        if state == "defaulted":
            await exchange.end(days=6)
            await exchange.bring(poor, 700)
    trades["lost"] = (await buyer.get("/v1/market/bids")).json()["items"][0]["bid_id"]
    await exchange.auction(seller, origin, 1_000, 3_000)
    standing = await exchange.auction(seller, origin, 1_000, 3_000)
    await exchange.bid(buyer, standing, 3_000, 1_000)
    listing = await exchange.listing(seller, origin, 3_000, 3_000)
    answer = await buyer.post(f"/v1/market/listings/{listing}/purchases", json={"quantity_kg": 1_000})
    trades["bought"] = answer.json()["trade_id"]
    door = "/v1/market/withdrawals"
    withdrawal = (await buyer.post(door, json={"amount_fen": 50})).json()["withdrawal_id"]
    answer = await exchange.approver.post(
        f"/v1/operator/market/withdrawals/{withdrawal}/payout", json={"reference": "OUT"}
    )
    assert answer.status_code == 200, answer.text
    await buyer.post(door, json={"amount_fen": 60})
    funding = (await buyer.get("/v1/market/fundings")).json()["items"][0]["funding_id"]
    return Kept(
        listing=uuid_of(listing),
        auction=uuid_of(auction),
        buyer=id_of(buyer),
        funding=uuid_of(funding),
        withdrawal=uuid_of(withdrawal),
        **{name: uuid_of(text) for name, text in trades.items()},
    )


@dataclass
class Case:
    name: str
    rule: str
    found: Callable[[Kept], str]
    statements: tuple[str, ...]
    broken: str
    also: frozenset[str] = frozenset()


def of(kind: str, name: str) -> Callable[[Kept], str]:
    return lambda kept: public_id(kind, getattr(kept, name))


FREE = "ALTER TABLE market_trades DROP CONSTRAINT market_trades_end, DROP CONSTRAINT market_trades_total"
PRICE = "subject_id = $1 AND reason = 'price'"
CASES = [
    Case(
        "money that no entry brought",
        "market_money",
        of("org", "buyer"),
        ("UPDATE market_money SET available_fen = available_fen + 1 WHERE organisation_id = $1",),
        "buyer",
    ),
    Case(
        "money held for nothing",
        "market_money",
        of("org", "buyer"),
        ("UPDATE market_bids SET deposit_fen = deposit_fen - 1 WHERE buyer_id = $1 AND state = 'standing'",),
        "buyer",
    ),
    Case(
        "units without their price",
        "market_settled",
        of("trd", "bought"),
        (f"DELETE FROM market_money_entries WHERE {PRICE}",),
        "bought",
        frozenset({"market_money"}),
    ),
    Case(
        "a price to somebody else",
        "market_settled",
        of("trd", "bought"),
        (f"UPDATE market_money_entries SET credit_id = debit_id WHERE {PRICE}",),
        "bought",
        frozenset({"market_money"}),
    ),
    Case(
        "a price without its units",
        "market_settled",
        of("trd", "bought"),
        ("UPDATE unit_movements SET subject_id = gen_random_uuid() WHERE subject_id = $1",),
        "bought",
    ),
    Case(
        "settled twice",
        "market_settled",
        of("trd", "bought"),
        (
            """
            INSERT INTO unit_movements
            SELECT gen_random_uuid(), kind, account_id, to_account_id, subject_id, units, at FROM unit_movements
            WHERE subject_id = $1
            """,
        ),
        "bought",
        frozenset({"unit_movements"}),
    ),
    Case(
        "due, and yet paid",
        "market_settled",
        of("trd", "settled"),
        (FREE, "UPDATE market_trades SET state = 'due', ended_at = NULL WHERE id = $1"),
        "settled",
    ),
    Case(
        "settled by word alone",
        "market_settled",
        of("trd", "due"),
        (FREE, "UPDATE market_trades SET state = 'settled', ended_at = now() WHERE id = $1"),
        "due",
        # Its deposit is held for nothing then, and what is left of the lock for no trade.
        frozenset({"market_money", "market_auctions"}),
    ),
    Case(
        "a default that cost nothing",
        "market_settled",
        of("trd", "defaulted"),
        ("DELETE FROM market_money_entries WHERE subject_id = $1 AND reason = 'forfeit'",),
        "defaulted",
        frozenset({"market_money"}),
    ),
    Case(
        "a listing that sold more than its trades",
        "market_listings",
        of("lst", "listing"),
        ("UPDATE market_listings SET sold_kg = sold_kg + 1000 WHERE id = $1",),
        "listing",
    ),
    Case(
        "a listing that is over and keeps its units",
        "market_listings",
        of("lst", "listing"),
        ("UPDATE market_listings SET state = 'withdrawn', ended_at = now() WHERE id = $1",),
        "listing",
    ),
    Case(
        "a trade at another price",
        "market_listings",
        of("lst", "listing"),
        ("UPDATE market_listings SET price_fen_per_t = price_fen_per_t + 1 WHERE id = $1",),
        "listing",
    ),
    Case(
        "a bid below the price won",
        "market_auctions",
        of("auc", "auction"),
        ("UPDATE market_auctions SET clearing_fen_per_t = clearing_fen_per_t + 1 WHERE id = $1",),
        "auction",
    ),
    Case(
        "a higher bid lost",
        "market_auctions",
        of("auc", "auction"),
        ("UPDATE market_bids SET price_fen_per_t = 9000 WHERE id = $1",),
        "lost",
    ),
    Case(
        "more is sold than was won",
        "market_auctions",
        of("auc", "auction"),
        ("UPDATE market_auctions SET sold_kg = sold_kg - 1000 WHERE id = $1",),
        "auction",
    ),
    Case(
        "a winner too many",
        "market_auctions",
        of("auc", "auction"),
        ("UPDATE market_auctions SET winners = winners + 1 WHERE id = $1",),
        "auction",
    ),
    Case(
        "money out of nowhere",
        "market_fundings",
        of("mfu", "funding"),
        ("UPDATE market_fundings SET amount_fen = amount_fen - 1 WHERE id = $1",),
        "funding",
    ),
    Case(
        "a payment that never came",
        "market_fundings",
        of("mfu", "funding"),
        ("UPDATE market_fundings SET way = 'provider', expires_at = now() WHERE id = $1",),
        "funding",
    ),
    Case(
        "money that left for a withdrawal that waits",
        "market_withdrawals",
        of("mwd", "withdrawal"),
        ("UPDATE market_withdrawals SET state = 'rejected' WHERE id = $1",),
        "withdrawal",
    ),
    Case(
        "the service may change an entry",
        "rights",
        lambda _: "UPDATE on market_money_entries",
        ("GRANT UPDATE ON market_money_entries TO tanpuhui_service",),
        "",
    ),
]


async def test_a_sound_market_has_no_breach(root: asyncpg.Connection, kept: Kept) -> None:
    assert await breaches(root) == {}


def test_every_rule_of_the_market_has_a_case() -> None:
    assert {case.rule for case in CASES} == {*market_verification.QUERIES, "rights"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.name}")
async def test_a_broken_market_is_named(root: asyncpg.Connection, kept: Kept, case: Case) -> None:
    for statement in case.statements:
        arguments = (getattr(kept, case.broken),) if "$1" in statement else ()
        done = await root.execute(statement, *arguments)
        assert not done.endswith(" 0"), statement
    found = await breaches(root)
    assert found.get(case.rule) == case.found(kept), found
    assert found.keys() == {case.rule} | case.also
