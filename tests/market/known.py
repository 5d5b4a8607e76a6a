"""For each door of the market something real to be asked for, so that made-up calls reach a success."""

import datetime
from typing import Any

from helpers import Caller
from market.exchange import Exchange

from accounts.market.reference import DayPrice, Series
from app.market import reference
from app.wiring import utc_now


async def known_market(exchange: Exchange, mine: Caller) -> dict[tuple[str, str], Any]:
    """(method, path) → path parameters, body and version, for a participant of Shenzhen."""
    await exchange.bring(mine, 100_000)
    other = await exchange.participant()
    own_units, its_units = await exchange.issue(mine, 50_000_000), await exchange.issue(other, 50_000_000)
    own = {"listing_id": await exchange.listing(mine, own_units, 1_000, 1)}
    its = {"listing_id": await exchange.listing(other, its_units, 1_000_000, 1)}
    auction = {"auction_id": await exchange.auction(other, its_units, 1_000_000, 1)}
    later = {"origin_id": own_units, "quantity_kg": 1_000, "ends_at": exchange.ends_at}
    terms = {"title": "x", "floor_fen_per_t": 1, "opens_at": exchange.ends_at} | later
    proposed = [(await mine.post("/v1/market/auctions", json=terms)).json()["auction_id"] for _ in range(3)]
    purchase = {"quantity_kg": 1_000}
    bought = await mine.post(f"/v1/market/listings/{its['listing_id']}/purchases", json=purchase)
    trade = {"trade_id": bought.json()["trade_id"]}
    asked = [
        (await mine.post("/v1/market/withdrawals", json={"amount_fen": 1})).json()["withdrawal_id"]
        for _ in range(2)
    ]
    money = {"organisation_id": mine.organisation_id, "amount_fen": 1}
    recorded = []
    for number in range(2):
        answer = await exchange.clerk.post(
            "/v1/operator/market/fundings", json=money | {"reference": f"KNOWN-{number}"}
        )
        recorded.append(answer.json()["funding_id"])
    async with exchange.city.service.database.driver_transaction() as driver:
        day = DayPrice(datetime.date(2025, 5, 6), 3802, 3802, 933, 3_547_260)
        await reference.keep(driver, "GDEA", Series((day,), "广州碳排放权交易所"), utc_now())
    door, desk = "/v1/market", "/v1/operator/market"
    return {
        **{
            ("GET", f"{door}/{noun}"): ({}, None, None)
            for noun in (
                "listings",
                "auctions",
                "bids",
                "trades",
                "money",
                "money/entries",
                "fundings",
                "withdrawals",
            )
        },
        **{("GET", f"{desk}/{noun}"): ({}, None, None) for noun in ("auctions", "fundings", "withdrawals")},
        ("GET", f"{door}/listings/{{listing_id}}"): (its, None, None),
        ("POST", f"{door}/listings"): ({}, later | {"price_fen_per_t": 1}, None),
        ("POST", f"{door}/listings/{{listing_id}}/purchases"): (its, purchase, None),
        ("POST", f"{door}/listings/{{listing_id}}/withdrawal"): (own, None, None),
        ("POST", f"{door}/auctions"): ({}, terms, None),
        ("POST", f"{door}/auctions/{{auction_id}}/bids"): (auction, purchase | {"price_fen_per_t": 1}, None),
        ("POST", f"{door}/auctions/{{auction_id}}/withdrawal"): ({"auction_id": proposed[0]}, None, None),
        ("GET", f"{door}/trades/{{trade_id}}"): (trade, None, None),
        ("POST", f"{door}/withdrawals"): ({}, {"amount_fen": 1}, None),
        ("POST", f"{desk}/auctions/{{auction_id}}/announcement"): ({"auction_id": proposed[1]}, None, None),
        ("POST", f"{desk}/auctions/{{auction_id}}/rejection"): (
            {"auction_id": proposed[2]},
            {"remarks": "x"},
            None,
        ),
        ("POST", f"{desk}/fundings"): ({}, money | {"reference": "KNOWN"}, None),
        ("POST", f"{desk}/fundings/{{funding_id}}/approval"): ({"funding_id": recorded[0]}, None, None),
        ("POST", f"{desk}/fundings/{{funding_id}}/rejection"): ({"funding_id": recorded[1]}, None, None),
        ("POST", f"{desk}/withdrawals/{{withdrawal_id}}/payout"): (
            {"withdrawal_id": asked[0]},
            {"reference": "KNOWN"},
            None,
        ),
        ("POST", f"{desk}/withdrawals/{{withdrawal_id}}/rejection"): (
            {"withdrawal_id": asked[1]},
            None,
            None,
        ),
        ("GET", "/v1/auctions"): ({}, None, None),
        ("GET", "/v1/auctions/{auction_id}"): (auction, None, None),
        ("GET", "/v1/reference-prices/{market}"): ({"market": "GDEA"}, None, None),
        ("GET", "/v1/reference-prices/{market}/chart.svg"): ({"market": "GDEA"}, None, None),
    }
