"""Points and fen: paid once, whoever tells of it and however often, and given back where the order is over."""

import asyncio
import base64
import datetime

import asyncpg
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from payments.conftest import Desk
from payments.wechat import APP

LATER = datetime.timedelta(hours=2)
SOON = datetime.timedelta(seconds=40)


async def test_the_parameters_open_the_payment(desk: Desk) -> None:
    resident = await desk.market.resident(500)
    redemption = await desk.order(resident)
    first = (await desk.begin(resident, redemption)).json()
    assert first["amount_fen"] == 990
    said = first["wechat_pay"]
    number = said["package"].removeprefix("prepay_id=wx")
    text = f"{APP}\n{said['timeStamp']}\n{said['nonceStr']}\n{said['package']}\n"
    desk.wechat.merchant_key.public_key().verify(
        base64.b64decode(said["paySign"]), text.encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    asked = desk.wechat.trades[number]
    assert (asked["amount"], asked["description"]) == ({"total": 990, "currency": "CNY"}, "咖啡立减 5 元")
    # Again: the same payment, signed anew.
    again = (await desk.begin(resident, redemption)).json()["wechat_pay"]
    assert again["package"] == said["package"]
    assert again["nonceStr"] != said["nonceStr"]
    # Another's order is not there.
    other = await desk.market.resident(0)
    assert (await desk.begin(other, redemption)).status_code == 404


async def test_a_payment_confirms_its_order_once(desk: Desk, owner: asyncpg.Connection) -> None:
    resident, redemption, number = await desk.begun()
    desk.wechat.pay(number)
    body = desk.wechat.notification(desk.wechat.told(number))
    headers = desk.wechat.signed(body)
    # The notification many times over, beside queries of other processes.
    answers = await asyncio.gather(*(desk.notify(body, headers) for _ in range(50)), desk.look(SOON))
    assert {each.status_code for each in answers[:50]} == {200}
    assert (await desk.redemption(resident, redemption))["state"] == "confirmed"
    payment = await desk.payment(number)
    assert (payment["state"], payment["paid_fen"], payment["refund_reason"]) == ("paid", 990, None)
    spent = await owner.fetchval(
        "SELECT count(*) FROM entries WHERE holder_id = $1 AND kind <> 3 AND party_id IS NOT NULL",
        resident.holder_id,
    )
    assert spent == 1
    assert await resident.points() == 400
    assert (await desk.begin(resident, redemption)).json()["code"] == "payment.not_payable"
    assert not await desk.market.breaches()


async def test_where_no_notification_comes_the_query_finds_it(desk: Desk) -> None:
    resident, redemption, number = await desk.begun()
    await desk.look(SOON)
    assert (await desk.payment(number))["state"] == "awaiting"
    desk.wechat.pay(number)
    await desk.look(SOON * 4)
    assert (await desk.payment(number))["state"] == "paid"
    assert (await desk.redemption(resident, redemption))["state"] == "confirmed"
    # The notification comes after all.
    assert (await desk.told(number)).status_code == 200
    assert (await desk.payment(number))["state"] == "paid"


async def test_what_is_not_paid_in_time_is_closed(desk: Desk) -> None:
    _, _, number = await desk.begun()
    await desk.look(LATER)
    assert (await desk.payment(number))["state"] == "closed"
    assert desk.wechat.trades[number]["trade_state"] == "CLOSED"


async def test_a_payment_for_a_cancelled_order_goes_back(desk: Desk) -> None:
    resident, redemption, number = await desk.begun()
    answer = await resident.post(f"/v1/me/redemptions/{redemption}/cancellation")
    assert answer.json()["state"] == "cancelled"
    desk.wechat.pay(number)
    assert (await desk.told(number)).status_code == 200
    await desk.look()
    payment = await desk.payment(number)
    assert (payment["state"], payment["refund_reason"]) == ("refunded", "order_over")
    refund = desk.wechat.refunds["R" + number]
    assert (refund["amount"]["refund"], refund["amount"]["total"]) == (990, 990)
    assert await resident.points() == 500
    # Told again, nothing is given back twice.
    assert (await desk.told(number)).status_code == 200
    await desk.look(LATER)
    assert (await desk.payment(number))["state"] == "refunded"
    assert not await desk.market.breaches()


async def test_paid_after_the_time_it_goes_back_although_the_close_came_between(desk: Desk) -> None:
    _, _, number = await desk.begun()
    trade = desk.wechat.trades[number]
    await desk.look(LATER)
    # As if the payer had been quicker than our close, and the news slow.
    trade["trade_state"] = "NOTPAY"
    late = datetime.datetime.now(datetime.UTC) + LATER
    desk.wechat.pay(number, late.isoformat(timespec="seconds"))
    assert (await desk.told(number)).status_code == 200
    await desk.look()
    assert (await desk.payment(number))["state"] == "refunded"


async def test_paid_at_the_last_moment_the_close_is_refused_and_the_query_counts(desk: Desk) -> None:
    resident, redemption, number = await desk.begun()
    real = desk.wechat.told

    def unpaid_once(which: str) -> dict[str, object]:
        desk.wechat.told = real  # type: ignore[method-assign]
        told = real(which)
        desk.wechat.pay(which)
        return told

    desk.wechat.told = unpaid_once  # type: ignore[method-assign]
    await desk.look(LATER)
    assert (await desk.payment(number))["state"] == "awaiting"
    await desk.look(LATER + SOON)
    assert (await desk.payment(number))["state"] == "paid"
    assert (await desk.redemption(resident, redemption))["state"] == "confirmed"


async def test_another_amount_never_pays_and_goes_back(desk: Desk) -> None:
    resident, redemption, number = await desk.begun()
    desk.wechat.pay(number)
    desk.wechat.trades[number]["amount"]["total"] = 1
    assert (await desk.told(number)).status_code == 200
    assert (await desk.redemption(resident, redemption))["state"] == "awaiting_payment"
    await desk.look()
    payment = await desk.payment(number)
    assert (payment["state"], payment["paid_fen"], payment["refund_reason"]) == (
        "refunded",
        1,
        "amount_differs",
    )


async def test_a_refund_by_the_merchant_gives_points_and_money_back(desk: Desk) -> None:
    resident, redemption, number = await desk.begun()
    desk.wechat.pay(number)
    await desk.told(number)
    path = f"/v1/merchant/redemptions/{redemption}/refund"
    answer = await desk.merchant.post(path, json={"reason": "out of milk"})
    assert answer.json()["state"] == "refunded", answer.text
    desk.wechat.refund_status = "PROCESSING"
    await desk.look()
    assert (await desk.payment(number))["state"] == "refunding"
    desk.wechat.refund_status = "SUCCESS"
    told = desk.wechat.refunds["R" + number] | {"mchid": "1900000109", "refund_status": "SUCCESS"}
    body = desk.wechat.notification(told, "REFUND.SUCCESS")
    assert (await desk.notify(body)).status_code == 200
    assert (await desk.payment(number))["state"] == "refunded"
    assert await resident.points() == 500
    assert not await desk.market.breaches()


@pytest.mark.parametrize("status", ["ABNORMAL", "CLOSED"])
async def test_a_refund_that_fails_is_for_a_person(desk: Desk, status: str) -> None:
    resident, redemption, number = await desk.begun()
    await resident.post(f"/v1/me/redemptions/{redemption}/cancellation")
    desk.wechat.pay(number)
    await desk.told(number)
    desk.wechat.refund_status = status
    await desk.look()
    desk.wechat.refund_status = "SUCCESS"
    listed = await desk.operator.get("/v1/operator/payments", params={"state": "refund_failed"})
    found = next(item for item in listed.json()["items"] if item["out_trade_no"] == number)
    assert found["trouble"] == "refund_abnormal"


async def test_too_little_money_for_refunds_is_tried_again(desk: Desk) -> None:
    resident, redemption, number = await desk.begun()
    await resident.post(f"/v1/me/redemptions/{redemption}/cancellation")
    desk.wechat.pay(number)
    await desk.told(number)
    desk.wechat.faults.append(lambda: desk.wechat.error(403, "NOT_ENOUGH"))
    await desk.look()
    payment = await desk.payment(number)
    assert (payment["state"], payment["trouble"]) == ("refunding", "NOT_ENOUGH")
    await desk.look(LATER)
    payment = await desk.payment(number)
    assert (payment["state"], payment["trouble"]) == ("refunded", None)


async def test_fifty_ask_to_pay_for_one_order(desk: Desk, owner: asyncpg.Connection) -> None:
    resident = await desk.market.resident(500)
    redemption = await desk.order(resident)
    answers = await asyncio.gather(*(desk.begin(resident, redemption) for _ in range(50)))
    assert {each.status_code for each in answers} == {200}
    assert len({each.json()["wechat_pay"]["package"] for each in answers}) == 1
    rows = await owner.fetchval("SELECT count(*) FROM payments WHERE payer_id = $1", resident.holder_id)
    assert rows == 1


async def test_two_processes_give_back_once(desk: Desk) -> None:
    resident, redemption, number = await desk.begun()
    await resident.post(f"/v1/me/redemptions/{redemption}/cancellation")
    # The served process looks too, as soon as it is told: count from before that.
    asked = len(desk.wechat.asked)
    desk.wechat.pay(number)
    await desk.told(number)
    await asyncio.gather(*(desk.look() for _ in range(10)))
    assert (await desk.payment(number))["state"] == "refunded"
    assert [each for each in desk.wechat.asked[asked:] if each.endswith("refunds")] == ["POST refunds"]
