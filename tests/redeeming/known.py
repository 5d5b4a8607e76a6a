"""For each door of offers and redemptions something real to be asked for, so that made-up calls reach a success."""

from typing import Any

from helpers import Caller
from redeeming.market import Market, confirmed, order


async def known_redemptions(
    market: Market, operator: Caller
) -> tuple[dict[tuple[str, str], Any], Caller, Caller]:
    """(method, path) → path parameters, body and headers; and the merchant and the resident whose they are."""
    merchant = await market.merchant()
    resident = await market.resident(points=100_000)
    till = await market.till(merchant)
    other = await market.till(merchant)
    drafts = [(await merchant.post("/v1/merchant/offers", json=market.said())).json() for _ in range(4)]
    for each in drafts[2:]:
        path = f"/v1/merchant/offers/{each['offer_id']}/submission"
        assert (await merchant.post(path, headers={"If-Match": "1"})).status_code == 200
    live = [await market.offer(merchant, operator, stock=99) for _ in range(6)]
    for each in live[4:]:
        path = f"/v1/merchant/offers/{each}/pause"
        assert (await merchant.post(path, headers={"If-Match": "3"})).status_code == 200
    texts = await market.offer(merchant, operator, kind="voucher", delivery="generated")
    text = (await order(resident, texts, confirm=True)).json()
    held = [(await order(resident, live[0])).json()["redemption_id"] for _ in range(2)]
    bought = [await confirmed(resident, live[0]) for _ in range(4)]

    mine, shops, offers = "/v1/me/redemptions", "/v1/merchant/shops", "/v1/merchant/offers"
    one, review = "/{redemption_id}", "/v1/operator/offers/{offer_id}"
    taken = "/v1/merchant/redemptions"
    reason = {"reason": "x"}
    at_shop, at_till = {"shop_id": other["shop_id"]}, {"till_id": other["till_id"]}
    steps: list[tuple[str, str, dict[str, str], Any, int | None]] = [
        ("GET", "/v1/me/offers/{offer_id}", {"offer_id": live[0]}, None, None),
        ("POST", mine, {}, {"offer_id": live[0]}, None),
        ("GET", mine + one, {"redemption_id": bought[0]}, None, None),
        ("GET", mine + one + "/code", {"redemption_id": bought[0]}, None, None),
        ("POST", mine + one + "/confirmation", {"redemption_id": held[0]}, None, None),
        ("POST", mine + one + "/cancellation", {"redemption_id": held[1]}, None, None),
        (
            "POST",
            mine + one + "/binding",
            {"redemption_id": bought[1]},
            {"till_number": till["number"]},
            None,
        ),
        ("POST", shops, {}, {"name": "x"}, None),
        ("GET", shops + "/{shop_id}/tills", at_shop, None, None),
        ("POST", shops + "/{shop_id}/tills", at_shop, {"name": "x"}, None),
        ("POST", shops + "/{shop_id}/closure", at_shop, None, None),
        ("POST", "/v1/merchant/tills/{till_id}/closure", at_till, None, None),
        ("POST", offers, {}, market.said(), None),
        ("GET", offers + "/{offer_id}", {"offer_id": live[0]}, None, None),
        ("PUT", offers + "/{offer_id}", {"offer_id": drafts[0]["offer_id"]}, market.said(), 1),
        ("POST", offers + "/{offer_id}/submission", {"offer_id": drafts[1]["offer_id"]}, None, 1),
        ("POST", offers + "/{offer_id}/pause", {"offer_id": live[1]}, None, 3),
        ("POST", offers + "/{offer_id}/resumption", {"offer_id": live[4]}, None, 4),
        ("POST", offers + "/{offer_id}/end", {"offer_id": live[2]}, None, 3),
        ("POST", offers + "/{offer_id}/stock", {"offer_id": live[0]}, {"add": 1}, None),
        ("GET", taken + one, {"redemption_id": bought[0]}, None, None),
        ("POST", taken + "/verification", {}, {"code": text["code"]}, None),
        ("POST", taken + "/offline", {}, {"till_id": till["till_id"], "items": []}, None),
        ("POST", taken + one + "/refund", {"redemption_id": bought[2]}, reason, None),
        ("GET", review, {"offer_id": live[0]}, None, None),
        ("POST", review + "/approval", {"offer_id": drafts[2]["offer_id"]}, reason, 2),
        ("POST", review + "/rejection", {"offer_id": drafts[3]["offer_id"]}, reason, 2),
        ("POST", review + "/suspension", {"offer_id": live[3]}, reason, 3),
        ("POST", review + "/resumption", {"offer_id": live[5]}, reason, 4),
        (
            "POST",
            "/v1/operator/redemptions/{redemption_id}/refund",
            {"redemption_id": bought[3]},
            reason,
            None,
        ),
    ]
    return {(s[0], s[1]): s[2:] for s in steps}, merchant, resident
