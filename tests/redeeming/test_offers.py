"""Offers from draft to end: who may take which step, what changes, and what does not."""

import asyncio
from typing import Any

import asyncpg
import pytest
from helpers import Caller
from redeeming.market import Market, confirmed, order, uuid_of, verified

from app.wiring import utc_now


def at(version: int) -> dict[str, str]:
    return {"If-Match": str(version)}


async def drafted(merchant: Caller, market: Market, **over: Any) -> dict[str, Any]:
    answer = await merchant.post("/v1/merchant/offers", json=market.said(**over))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def did(who: Caller, offer: str, name: str, version: int, **body: Any) -> Any:
    audience = "operator" if body else "merchant"
    kwargs = {"json": body} if body else {}
    answer = await who.post(f"/v1/{audience}/offers/{offer}/{name}", headers=at(version), **kwargs)
    return answer.json()


async def test_from_draft_to_end(market: Market, merchant: Caller, operator: Caller, owner: Any) -> None:
    offer = await drafted(merchant, market, stock=5)
    id_, path = offer["offer_id"], f"/v1/merchant/offers/{offer['offer_id']}"
    resident = await market.resident()
    assert (await order(resident, id_)).status_code == 404
    assert (await resident.get(f"/v1/me/offers/{id_}")).status_code == 404

    edited = await merchant.request("PUT", path, json=market.said(price_points=50, stock=7), headers=at(1))
    assert (edited.json()["version"], edited.json()["price_points"], edited.json()["remaining"]) == (2, 50, 7)
    for header, status in (({}, 428), (at(1), 412), ({"If-Match": "x"}, 412)):
        again = await merchant.request("PUT", path, json=market.said(), headers=header)
        assert again.status_code == status
    assert (await did(operator, id_, "approval", 2, reason="x"))["code"] == "offer.wrong_state"
    assert (await did(merchant, id_, "submission", 2))["state"] == "in_review"
    assert (await merchant.request("PUT", path, json=market.said(), headers=at(3))).status_code == 409
    back = await did(operator, id_, "rejection", 3, reason="say what is excluded")
    assert (back["state"], back["review_note"]) == ("draft", "say what is excluded")
    await did(merchant, id_, "submission", 4)
    assert (await did(operator, id_, "approval", 5, reason="fine"))["state"] == "live"
    assert (await merchant.request("PUT", path, json=market.said(), headers=at(6))).status_code == 409

    added = await merchant.post(path + "/stock", json={"add": 3})
    assert (added.json()["stock"], added.json()["remaining"], added.json()["version"]) == (10, 10, 6)
    code = await confirmed(resident, id_)
    assert (await did(merchant, id_, "pause", 6))["state"] == "paused"
    assert (await order(resident, id_)).json()["code"] == "offer.not_available"
    assert (await did(operator, id_, "suspension", 7, reason="complaints"))["paused_by"] == "operator"
    assert (await did(merchant, id_, "resumption", 8))["code"] == "offer.suspended"
    assert (await did(operator, id_, "resumption", 8, reason="settled"))["state"] == "live"
    assert (await order(resident, id_)).status_code == 200
    assert (await did(merchant, id_, "end", 9))["state"] == "ended"
    for name in ("end", "pause", "resumption"):
        assert (await did(merchant, id_, name, 10))["code"] == "offer.wrong_state"
    assert (await merchant.post(path + "/stock", json={"add": 3})).status_code == 409
    # What was sold is taken all the same.
    shown = await resident.get(f"/v1/me/redemptions/{code}/code")
    assert (await verified(merchant, shown.json()["code"])).json()["state"] == "fulfilled"
    trail = await owner.fetch("SELECT action FROM audit_records WHERE target_id = $1 ORDER BY id", id_)
    assert [row[0] for row in trail] == [
        "offer.rejected",
        "offer.approved",
        "offer.suspended",
        "offer.resumed",
    ]
    assert await market.breaches() == []


async def test_what_was_reviewed_does_not_change(
    market: Market, merchant: Caller, operator: Caller, owner: Any
) -> None:
    offer = uuid_of("ofr", await market.offer(merchant, operator, stock=3))
    for change in ("price_points = 1", "settle_fen = 10^6", "limited = false", "state = 'draft'"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await owner.execute(f"UPDATE offers SET {change} WHERE id = $1", offer)
    with pytest.raises(asyncpg.CheckViolationError):
        await owner.execute("UPDATE offer_stock SET remaining = -1 WHERE offer_id = $1", offer)


async def test_who_sees_which_offers(market: Market, operator: Caller) -> None:
    mine, other = await market.merchant(), await market.merchant()
    offer = (await drafted(mine, market))["offer_id"]
    assert (await other.get(f"/v1/merchant/offers/{offer}")).status_code == 404
    assert (await did(other, offer, "submission", 1))["code"] == "offer.not_found"
    assert [o["offer_id"] for o in (await mine.get("/v1/merchant/offers?state=draft")).json()["items"]] == [
        offer
    ]
    assert (await other.get("/v1/merchant/offers")).json()["items"] == []
    await did(mine, offer, "submission", 1)
    waiting = (await operator.get("/v1/operator/offers?state=in_review")).json()["items"]
    assert offer in [o["offer_id"] for o in waiting]
    elsewhere = await market.city.client("operator", "310000")
    assert (await elsewhere.get(f"/v1/operator/offers/{offer}")).status_code == 404
    assert (await did(elsewhere, offer, "approval", 2, reason="x"))["code"] == "offer.not_found"
    assert (await elsewhere.get("/v1/operator/offers?state=in_review")).json()["items"] == []
    out = await mine.post("/v1/merchant/offers", json=market.said(region="310000"))
    assert out.json()["code"] == "offer.out_of_region"


@pytest.mark.parametrize(
    ("over", "pointer"),
    [
        ({"kind": "public_good", "delivery": "qr"}, "/delivery"),
        ({"kind": "voucher", "delivery": "none"}, "/delivery"),
        ({"kind": "cash_off", "delivery": "pool"}, "/delivery"),
        ({"kind": "voucher", "delivery": "pool", "stock": 3}, "/stock"),
        ({"valid_until": "2020-01-01T00:00:00+08:00"}, "/valid_until"),
        ({"shop_ids": ["shp_" + "1" * 32]}, "/shop_ids"),
        ({"kind": "lottery"}, "/kind"),
        ({"price_points": 0}, "/price_points"),
        ({"price_points": 1.5}, "/price_points"),
        ({"settle_fen": -1}, "/settle_fen"),
        ({"title": {"zh": "x"}}, "/title/en"),
        ({"surprise": 1}, "/surprise"),
    ],
)
async def test_an_offer_that_does_not_fit(
    market: Market, merchant: Caller, over: dict[str, Any], pointer: str
) -> None:
    answer = await merchant.post("/v1/merchant/offers", json=market.said(**over))
    assert answer.status_code == 422
    assert pointer in [fault["pointer"] for fault in answer.json()["errors"]]


async def test_codes_of_ones_own(market: Market, owner: asyncpg.Connection) -> None:
    merchant = await market.merchant()
    offer = (await drafted(merchant, market, kind="voucher", delivery="pool"))["offer_id"]
    path = f"/v1/merchant/offers/{offer}/codes"
    csv = {"Content-Type": "text/csv; charset=utf-8"}

    async def upload(content: bytes | str) -> Any:
        return await merchant.post(path, content=content, headers=csv)

    answer = await upload("\ufeffcode,note\nA-1,first\n\n B-2 ,second\n")
    assert answer.json() == {"added": 2, "remaining": 2}, answer.text
    for content, status in (
        ("C-3\nA-1\n", 409),
        ("C-3\nC-3\n", 422),
        ("", 422),
        ("code\n", 422),
        ("x" * 65, 422),
        (b"\xff\xfe", 422),
    ):
        assert (await upload(content)).status_code == status, content
    assert (await merchant.post(path, json={})).status_code == 415
    codes = await owner.fetch("SELECT code FROM offer_codes WHERE offer_id = $1", uuid_of("ofr", offer))
    assert sorted(row[0] for row in codes) == ["A-1", "B-2"]
    answers = await asyncio.gather(*(upload("D-4\nE-5\n") for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    assert (await merchant.get(f"/v1/merchant/offers/{offer}")).json()["remaining"] == 4
    qr = market.said(kind="voucher", delivery="qr")
    refused = await merchant.request("PUT", f"/v1/merchant/offers/{offer}", json=qr, headers=at(1))
    assert refused.json()["errors"][0]["pointer"] == "/delivery"
    other = (await drafted(merchant, market))["offer_id"]
    wrong = await merchant.post(f"/v1/merchant/offers/{other}/codes", content="Z-1\n", headers=csv)
    assert wrong.json()["code"] == "offer.wrong_state"


async def test_shops_and_tills(market: Market) -> None:
    merchant, other = await market.merchant(), await market.merchant()
    tills = [await market.till(merchant) for _ in range(3)]
    assert len({till["number"] for till in tills}) == 3
    shops = (await merchant.get("/v1/merchant/shops?limit=2")).json()
    rest = (await merchant.get(f"/v1/merchant/shops?cursor={shops['next_cursor']}")).json()
    assert [s["shop_id"] for s in shops["items"] + rest["items"]] == [till["shop_id"] for till in tills]
    path = f"/v1/merchant/shops/{tills[0]['shop_id']}/tills"
    assert (await merchant.get(path)).json()["items"] == [tills[0]]
    assert (await other.get(path)).status_code == 404
    assert (await other.post(path, json={"name": "x"})).status_code == 404


async def test_a_closed_till_takes_no_codes(market: Market, merchant: Caller, operator: Caller) -> None:
    lost, shut = await market.till(merchant), await market.till(merchant)
    offer = await market.offer(merchant, operator)
    resident = await market.resident()
    redemption = await confirmed(resident, offer)
    binding = f"/v1/me/redemptions/{redemption}/binding"
    bound = (await resident.post(binding, json={"till_number": lost["number"]})).json()["code"]
    other = await market.merchant()
    for path in (f"tills/{lost['till_id']}", f"shops/{shut['shop_id']}"):
        assert (await other.post(f"/v1/merchant/{path}/closure")).status_code == 404
        for _ in range(2):
            closed = await merchant.post(f"/v1/merchant/{path}/closure")
            assert closed.json()["closed"], closed.text
    for till in (lost, shut):
        assert (await verified(merchant, bound, till["till_id"])).json()["code"] == "shop.not_found"
        assert (await resident.post(binding, json={"till_number": till["number"]})).status_code == 404
    # What it took before it was closed may still be told of.
    item = {"code": bound, "accepted_at": utc_now().isoformat()}
    body = {"till_id": lost["till_id"], "items": [item]}
    told = (await merchant.post("/v1/merchant/redemptions/offline", json=body)).json()["items"]
    assert told[0]["redemption"]["state"] == "fulfilled"
