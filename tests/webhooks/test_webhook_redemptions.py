"""Merchants are told what becomes of their redemptions, in the commit that makes it so, and of no one else's."""

import asyncio

import pytest
from helpers import City
from redeeming.market import Market
from webhooks.receiver import receiving

TYPES = ["redemption.confirmed", "redemption.fulfilled", "redemption.refunded", "redemption.lapsed"]


@pytest.fixture
def market(city: City) -> Market:
    return Market(city)


async def test_a_redemption_from_confirmation_to_refund(market: Market) -> None:
    merchant, other = await market.merchant(), await market.merchant()
    operator = await market.city.client("operator", "440300")
    offer = await market.offer(merchant, operator, price_points=100)
    resident = await market.resident(500)
    async with receiving() as receiver, receiving() as foreign:
        secrets = []
        for who, url in ((merchant, receiver.url), (other, foreign.url)):
            answer = await who.post("/v1/webhooks", json={"url": url, "event_types": TYPES})
            assert answer.status_code == 200, answer.text
            secrets.append(answer.json()["secret"])
        order = {"offer_id": offer, "confirm": True}
        redemption = (await resident.post("/v1/me/redemptions", json=order)).json()["redemption_id"]
        path = f"/v1/merchant/redemptions/{redemption}/refund"
        answer = await merchant.post(path, json={"reason": "out of milk"})
        assert answer.status_code == 200, answer.text
        told = [each.verified(secrets[0]) for each in await receiver.until(2)]
        assert [each["type"] for each in told] == ["redemption.confirmed", "redemption.refunded"]
        assert told[0]["data"] == {
            "redemption_id": redemption,
            "offer_id": offer,
            "state": "confirmed",
            "quantity": 1,
            "points": 100,
            "fen": 0,
            "settle_fen": 500,
        }
        # A hold that is cancelled is no concern of the merchant's.
        held = (await resident.post("/v1/me/redemptions", json={"offer_id": offer})).json()["redemption_id"]
        await resident.post(f"/v1/me/redemptions/{held}/cancellation")
        await asyncio.sleep(1.5)
        assert len(receiver.received) == 2
        assert not foreign.received
        assert resident.holder_id.hex not in receiver.received[0].body.decode()


async def test_what_is_given_at_once_is_told_as_fulfilled(market: Market) -> None:
    merchant = await market.merchant()
    operator = await market.city.client("operator", "440300")
    offer = await market.offer(merchant, operator, kind="public_good", delivery="none", price_points=100)
    resident = await market.resident(500)
    async with receiving() as receiver:
        await merchant.post("/v1/webhooks", json={"url": receiver.url, "event_types": TYPES})
        await resident.post("/v1/me/redemptions", json={"offer_id": offer, "confirm": True})
        assert [each.event["type"] for each in await receiver.until(1)] == ["redemption.fulfilled"]
