"""For each door of statements something real to be asked for, so that made-up calls reach a success."""

import datetime
from typing import Any

from helpers import Caller
from redeeming.market import Market, confirmed, verified

from app.wiring import utc_now

OPERATOR, MERCHANT = "/v1/operator/settlements", "/v1/merchant/settlements"


async def known_settlements(
    market: Market, operator: Caller, merchant: Caller, resident: Caller
) -> dict[tuple[str, str], Any]:
    """(method, path) → path parameters, body and version; statements of the merchant's, each in another state."""
    other = await market.city.client("operator", "440000")
    offer = await market.offer(merchant, operator, kind="voucher", delivery="generated", price_points=1)

    async def redeemed() -> None:
        redemption = await confirmed(resident, offer)
        code = (await resident.get(f"/v1/me/redemptions/{redemption}")).json()["code"]
        assert (await verified(merchant, code)).status_code == 200

    def asked() -> dict[str, Any]:
        return {
            "merchant_id": merchant.organisation_id,
            "region": "440300",
            "ends_at": (utc_now() - datetime.timedelta(milliseconds=2)).isoformat(),
        }

    async def issued(*steps: tuple[Caller, str, str, dict[str, Any]]) -> tuple[str, int]:
        await redeemed()
        answer = await operator.post(OPERATOR, json=asked())
        assert answer.status_code == 200, answer.text
        for who, prefix, name, body in steps:
            seen = answer.json()
            headers = {"If-Match": str(seen["version"])}
            answer = await who.post(f"{prefix}/{seen['settlement_id']}/{name}", json=body, headers=headers)
            assert answer.status_code == 200, answer.text
        return answer.json()["settlement_id"], answer.json()["version"]

    agreed = (merchant, MERCHANT, "agreement", {})
    disputed = (merchant, MERCHANT, "dispute", {"reason": "x"})
    payment = {"bank_reference": "x", "paid_on": "2026-11-01"}
    proposed = (other, OPERATOR, "payment", payment)
    wanted: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        (MERCHANT + "/{settlement_id}/agreement", (), {}),
        (MERCHANT + "/{settlement_id}/dispute", (), {"reason": "x"}),
        (OPERATOR + "/{settlement_id}/resolution", (disputed,), {"reason": "x"}),
        (OPERATOR + "/{settlement_id}/payment", (agreed,), payment),
        (OPERATOR + "/{settlement_id}/payment/approval", (agreed, proposed), {"reason": "x"}),
        (OPERATOR + "/{settlement_id}/payment/rejection", (agreed, proposed), {"reason": "x"}),
    ]
    found: dict[tuple[str, str], Any] = {}
    name = ""
    for path, steps, body in wanted:
        name, version = await issued(*steps)
        found["POST", path] = ({"settlement_id": name}, body, version)
    for prefix in (OPERATOR, MERCHANT):
        for ending in ("", "/lines", "/statement.csv", "/statement.pdf"):
            found["GET", prefix + "/{settlement_id}" + ending] = ({"settlement_id": name}, None, None)
    await redeemed()
    found["POST", OPERATOR] = ({}, asked(), None)
    return found
