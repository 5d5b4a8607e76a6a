"""From offer to fulfilled over HTTP: what each audience does, and what is refused."""

import base64
import uuid
from typing import Any

import asyncpg
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from helpers import Caller
from redeeming.market import Market, code_of, confirmed, order, raw, step, uuid_of, verified

from app.auth.scopes import ME_READ
from app.wiring import utc_now
from points import redemption_codes


async def test_from_offer_to_fulfilled(market: Market, merchant: Caller, operator: Caller) -> None:
    offer = await market.offer(merchant, operator, stock=10, per_person_day=2)
    till = await market.till(merchant)
    resident = await market.resident(points=250)
    listed = (await resident.get("/v1/me/offers")).json()["items"]
    assert offer in [item["offer_id"] for item in listed]
    assert "settle_fen" not in listed[0]

    placed = await order(resident, offer)
    assert placed.status_code == 200, placed.text
    assert (placed.json()["state"], placed.json()["points"]) == ("held", 100)
    assert await resident.points() == 150
    redemption = placed.json()["redemption_id"]
    assert (await resident.get(f"/v1/me/redemptions/{redemption}/code")).status_code == 409

    answer = await step(resident, redemption, "confirmation")
    assert (answer.status_code, answer.json()["state"]) == (200, "confirmed"), answer.text
    code = await code_of(resident, redemption)
    taken = await verified(merchant, code, till["till_id"])
    assert (taken.status_code, taken.json()["state"]) == (200, "fulfilled"), taken.text
    assert (taken.json()["settle_fen"], taken.json()["till_id"]) == (500, till["till_id"])
    assert resident.holder_id.hex not in taken.text
    again = await verified(merchant, code, till["till_id"])
    assert again.json()["code"] == "redemption.already_fulfilled"
    assert (await resident.get(f"/v1/me/redemptions/{redemption}/code")).status_code == 409
    assert (await merchant.get(f"/v1/merchant/offers/{offer}")).json()["remaining"] == 9

    refunded = await merchant.post(
        f"/v1/merchant/redemptions/{redemption}/refund", json={"reason": "wrong coffee"}
    )
    assert refunded.json()["state"] == "refunded", refunded.text
    assert await resident.points() == 250
    kinds = [entry["kind"] for entry in (await resident.get("/v1/me/entries")).json()["items"]]
    # What moves between the system's accounts is no entry of the resident's; a hold tells of its spending already.
    assert kinds == ["refund", "hold", "credit"]
    assert await market.breaches() == []


async def test_confirm_in_the_same_call(market: Market, merchant: Caller, operator: Caller) -> None:
    offer = await market.offer(merchant, operator)
    resident = await market.resident(points=250)
    redemption = await confirmed(resident, offer, quantity=2)
    assert await resident.points() == 50
    view = (await resident.get(f"/v1/me/redemptions/{redemption}")).json()
    assert (view["state"], view["points"], view["code"]) == ("confirmed", 200, None)
    assert (await order(resident, offer)).json()["code"] == "redemption.points_short"
    mine = (await resident.get("/v1/me/redemptions?limit=1")).json()
    assert [item["redemption_id"] for item in mine["items"]] == [redemption]
    assert mine["next_cursor"] is None


async def test_what_a_payload_is_and_what_is_none(market: Market, merchant: Caller, operator: Caller) -> None:
    offer = await market.offer(merchant, operator)
    resident = await market.resident()
    redemption = uuid_of("red", await confirmed(resident, offer))
    code = await code_of(resident, "red_" + redemption.hex)
    body, signature = raw(code)[:-64], raw(code)[-64:]
    # As a till does it: with the published keys only.
    keys = (await market.city.http.get("/.well-known/jwks.json")).json()["keys"]
    public = [Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(k["x"] + "=")) for k in keys]
    assert any(holds(key, signature, redemption_codes.PREFIX + body) for key in public)
    assert not any(holds(key, signature, body) for key in public)
    with pytest.raises(jwt.PyJWTError):
        jwt.decode(code, public[0], algorithms=["EdDSA"])

    sign = market.service.tokens.keys.signing(utc_now()).private.sign
    now = utc_now()
    slot = now.timestamp() // 30 * 30

    def shown(seconds: float) -> str:
        moment = now.fromtimestamp(slot + seconds, now.tzinfo)
        return redemption_codes.rotating(redemption, moment, sign)[0]

    spoiled = [
        shown(-31),
        shown(90),
        code[:-4] + ("AAAA" if code[-4:] != "AAAA" else "BBBB"),
        base64.urlsafe_b64encode(body + bytes(64)).decode().rstrip("="),
        base64.urlsafe_b64encode(body + sign(body)).decode().rstrip("="),
        "!" * len(code),
    ]
    for text in spoiled:
        answer = await verified(merchant, text)
        assert (answer.status_code, answer.json()["code"]) == (422, "redemption.code_invalid"), text
    stranger = await market.merchant()
    assert (await verified(stranger, code)).status_code == 404
    assert (await verified(merchant, "no such code")).status_code == 404
    assert (await verified(merchant, code)).json()["state"] == "fulfilled"


def holds(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except Exception:  # noqa: BLE001 - of the library, whichever
        return False
    return True


async def test_text_codes(market: Market, merchant: Caller, operator: Caller) -> None:
    pool = [uuid.uuid4().hex[:12] for _ in range(2)]
    kinds = {
        "generated": await market.offer(merchant, operator, kind="voucher", delivery="generated"),
        "pool": await market.offer(merchant, operator, pool, kind="voucher", delivery="pool"),
    }
    for delivery, offer in kinds.items():
        resident = await market.resident()
        answer = (await order(resident, offer, confirm=True, key="k")).json()
        code, redemption = answer["code"], answer["redemption_id"]
        assert code in pool if delivery == "pool" else len(code) == 16
        assert (await order(resident, offer, confirm=True, key="k")).json() == answer
        assert (await resident.get(f"/v1/me/redemptions/{redemption}")).json()["code"] == code
        assert (await resident.get(f"/v1/me/redemptions/{redemption}/code")).status_code == 409
        assert (await order(resident, offer, quantity=2)).json()["code"] == "offer.limit_reached"
        stranger = await market.merchant()
        assert (await verified(stranger, code)).status_code == 404
        first = await verified(merchant, code, key="v-" + delivery)
        assert first.json()["state"] == "fulfilled", first.text
        assert (await verified(merchant, code, key="v-" + delivery)).headers["idempotent-replayed"] == "true"
        assert (await verified(merchant, code)).json()["code"] == "redemption.already_fulfilled"
    assert await market.breaches() == []


async def test_a_shop_takes_what_is_for_it(market: Market, merchant: Caller, operator: Caller) -> None:
    here, there = await market.till(merchant), await market.till(merchant)
    foreign = await market.till(await market.merchant())
    offer = await market.offer(merchant, operator, shop_ids=[here["shop_id"]])
    resident = await market.resident()
    code = await code_of(resident, await confirmed(resident, offer))
    assert (await verified(merchant, code, there["till_id"])).json()["code"] == "redemption.wrong_till"
    assert (await verified(merchant, code)).json()["code"] == "redemption.wrong_till"
    assert (await verified(merchant, code, foreign["till_id"])).json()["code"] == "shop.not_found"
    assert (await verified(merchant, code, here["till_id"])).json()["state"] == "fulfilled"
    over = {"shop_ids": [foreign["shop_id"]]}
    refused = await merchant.post("/v1/merchant/offers", json=market.said(**over))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/shop_ids")


async def bound(resident: Caller, redemption: str, till: dict[str, Any]) -> Any:
    return await resident.post(
        f"/v1/me/redemptions/{redemption}/binding", json={"till_number": till["number"]}
    )


async def told(merchant: Caller, till: dict[str, Any], *codes: str, at: Any = None) -> Any:
    items = [{"code": code, "accepted_at": (at or utc_now()).isoformat()} for code in codes]
    body = {"till_id": till["till_id"], "items": items}
    answer = await merchant.post("/v1/merchant/redemptions/offline", json=body)
    assert answer.status_code == 200, answer.text
    return [item["error"] or item["redemption"]["state"] for item in answer.json()["items"]]


async def test_two_tills_without_the_network(
    market: Market, merchant: Caller, operator: Caller, owner: asyncpg.Connection
) -> None:
    offer = await market.offer(merchant, operator)
    here, there = await market.till(merchant), await market.till(merchant)
    resident = await market.resident()
    redemption = await confirmed(resident, offer)
    code = (await bound(resident, redemption, here)).json()["code"]
    # For good: the other till cannot have it too, whatever it is shown, online or not.
    assert (await bound(resident, redemption, there)).json()["code"] == "redemption.wrong_till"
    rotating = await code_of(resident, redemption)
    for shown in (code, rotating):
        assert (await verified(merchant, shown, there["till_id"])).json()["code"] == "redemption.wrong_till"
    assert await told(merchant, there, code) == ["redemption.wrong_till"]
    assert await told(merchant, here, rotating) == ["redemption.code_invalid"]
    # To the same till once more: what it took under the first payload and what it is shown now are one.
    second = (await bound(resident, redemption, here)).json()["code"]
    assert await told(merchant, here, code, code, second, "x") == ["fulfilled"] * 3 + [
        "redemption.code_invalid"
    ]
    assert await told(merchant, here, code) == ["fulfilled"]
    assert (await bound(resident, redemption, here)).json()["code"] == "redemption.wrong_state"
    entries = await owner.fetchval(
        "SELECT count(*) FROM entries WHERE cause_id = $1", uuid_of("red", redemption)
    )
    assert entries == 2
    stranger = await market.merchant()
    elsewhere = await market.till(stranger)
    other = await confirmed(resident, offer)
    assert (await bound(resident, other, elsewhere)).json()["code"] == "redemption.wrong_till"
    assert (await bound(resident, other, here | {"number": "00000000"})).status_code == 404
    assert await market.breaches() == []


async def test_a_till_without_the_network_takes_for_five_minutes(
    market: Market, merchant: Caller, operator: Caller
) -> None:
    offer = await market.offer(merchant, operator)
    till = await market.till(merchant)
    resident = await market.resident()
    redemption = await confirmed(resident, offer)
    answer = (await bound(resident, redemption, till)).json()
    until = utc_now().fromisoformat(answer["valid_until"])
    late = until + (until - utc_now())
    assert await told(merchant, till, answer["code"], at=late) == ["redemption.code_invalid"]
    early = utc_now() - (until - utc_now())
    assert await told(merchant, till, answer["code"], at=early) == ["redemption.code_invalid"]
    forged = raw(answer["code"])
    forged = forged[:38] + bytes(8) + forged[46:]
    text = base64.urlsafe_b64encode(forged).decode().rstrip("=")
    assert await told(merchant, till, text) == ["redemption.code_invalid"]
    assert (await verified(merchant, answer["code"], till["till_id"])).json()["state"] == "fulfilled"


async def test_residents_see_and_change_their_own_only(
    market: Market, merchant: Caller, operator: Caller
) -> None:
    offer = await market.offer(merchant, operator)
    one, two = await market.resident(), await market.resident()
    redemption = (await order(one, offer)).json()["redemption_id"]
    assert (await two.get(f"/v1/me/redemptions/{redemption}")).status_code == 404
    for name in ("confirmation", "cancellation"):
        assert (await step(two, redemption, name)).status_code == 404
    assert (await two.get("/v1/me/redemptions")).json()["items"] == []
    reading = market.as_resident(one.holder_id, (ME_READ,))
    assert (await order(reading, offer)).status_code == 403
    assert (await step(reading, redemption, "confirmation")).status_code == 403
    stranger = await market.merchant()
    assert (await stranger.get(f"/v1/merchant/redemptions/{redemption}")).status_code == 404
    refund = {"reason": "x"}
    path = f"redemptions/{redemption}/refund"
    assert (await stranger.post(f"/v1/merchant/{path}", json=refund)).status_code == 404
    elsewhere = await market.city.client("operator", "310000")
    assert (await elsewhere.post(f"/v1/operator/{path}", json=refund)).status_code == 404
    assert (await operator.post(f"/v1/operator/{path}", json=refund)).json()[
        "code"
    ] == "redemption.wrong_state"
    await step(one, redemption, "confirmation")
    assert (await operator.post(f"/v1/operator/{path}", json=refund)).json()["state"] == "refunded"
    seen = (await merchant.get("/v1/merchant/redemptions?state=refunded&limit=1")).json()["items"]
    assert [item["redemption_id"] for item in seen] == [redemption]
