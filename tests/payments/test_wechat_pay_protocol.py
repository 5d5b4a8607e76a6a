"""What WeChat Pay may answer or send, good and bad: nothing is believed that it did not sign."""

import asyncio
import datetime
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from payments.conftest import Desk
from payments.wechat import API_KEY, MERCHANT, WeChat, rsa_sign
from starlette.responses import Response, StreamingResponse

from app.settings import ConfigurationError, Settings, load_settings
from integrations.wechat_pay.client import WeChatPay
from integrations.wechat_pay.signing import NotFromWeChat, Verifier
from points.payments.provider import Order, ProviderAway, ProviderRefused, TradeState

NUMBER = "0" * 32


def provider(desk: Desk) -> WeChatPay:
    assert desk.service.payments is not None
    return desk.service.payments._provider


def order(number: str = NUMBER) -> Order:
    return Order(number, "x" * 300, 990, datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=10))


def unsigned(body: bytes = b'{"prepay_id": "wx1"}') -> Callable[[], Response]:
    return lambda: Response(body, 200, {"Content-Type": "application/json"})


def by_another_key(wechat: WeChat) -> Callable[[], Response]:
    def answer() -> Response:
        wechat.sign_as = rsa.generate_private_key(65537, 2048)
        try:
            return wechat.answer(200, {"prepay_id": "wx1"})
        finally:
            wechat.sign_as = None

    return answer


def old(wechat: WeChat) -> Callable[[], Response]:
    body = b'{"prepay_id": "wx1"}'
    return lambda: Response(body, 200, wechat.signed(body, int(time.time()) - 400))


@pytest.mark.parametrize(
    "fault",
    [
        lambda w: lambda: w.error(500, "SYSTEM_ERROR"),
        lambda w: lambda: w.error(429, "FREQUENCY_LIMITED"),
        lambda w: lambda: w.error(502, "BANK_ERROR"),
        lambda _: lambda: Response(b"<html>502</html>", 502),
        lambda _: lambda: Response(b"<html>not found</html>", 404),
        lambda _: lambda: Response(b'{"code": "\\u0000; DROP"}', 400),
        lambda _: lambda: Response(b"[1]", 400),
        lambda _: lambda: Response(b"", 302, {"Location": "https://elsewhere.example/"}),
        lambda w: lambda: w.answer(200, {"prepay_id": ""}),
        lambda w: lambda: w.answer(200, {"prepay_id": 7}),
        lambda w: lambda: w.answer(200, []),
        lambda w: lambda: w.answer(200),
        lambda _: unsigned(),
        by_another_key,
        old,
    ],
)
async def test_an_answer_that_is_none_is_asked_for_again(
    desk: Desk, fault: Callable[[WeChat], Callable[[], Response]]
) -> None:
    resident = await desk.market.resident(500)
    redemption = await desk.order(resident)
    desk.wechat.faults.append(fault(desk.wechat))
    refused = await desk.begin(resident, redemption)
    assert (refused.status_code, refused.json()["code"]) == (503, "payment.unavailable")
    assert refused.headers["Retry-After"] == "5"
    assert (await desk.begin(resident, redemption)).status_code == 200


@pytest.mark.parametrize(
    ("status", "code", "ours"),
    [
        (400, "PARAM_ERROR", "payment.refused"),
        (400, "INVALID_REQUEST", "payment.refused"),
        (400, "APPID_MCHID_NOT_MATCH", "payment.refused"),
        (400, "MCH_NOT_EXISTS", "payment.refused"),
        (401, "SIGN_ERROR", "payment.refused"),
        (403, "RULE_LIMIT", "payment.refused"),
        (403, "NO_AUTH", "payment.refused"),
        (403, "OUT_TRADE_NO_USED", "payment.refused"),
        (400, "ORDERPAID", "payment.not_payable"),
        (400, "ORDER_CLOSED", "payment.not_payable"),
    ],
)
async def test_documented_refusals(desk: Desk, status: int, code: str, ours: str) -> None:
    resident = await desk.market.resident(500)
    redemption = await desk.order(resident)
    desk.wechat.faults.append(lambda: desk.wechat.error(status, code))
    assert (await desk.begin(resident, redemption)).json()["code"] == ours


@pytest.mark.parametrize("kind", ["hang", "endless"])
async def test_no_answer_and_one_without_end(desk: Desk, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def drip() -> Any:
        if kind == "hang":
            await asyncio.sleep(30)
        while True:
            yield b"x" * 65_536
            await asyncio.sleep(0)

    client = provider(desk)
    monkeypatch.setattr(client._http, "timeout", httpx.Timeout(0.3))
    desk.wechat.faults.append(lambda: StreamingResponse(drip()))
    began = time.monotonic()
    with pytest.raises(ProviderAway):
        await client.prepay(order(), "oX")
    assert time.monotonic() - began < 5


async def test_wechat_that_is_not_there(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    client = provider(desk)
    async with httpx.AsyncClient(base_url="http://127.0.0.1:9") as nowhere:
        monkeypatch.setattr(client, "_http", nowhere)
        with pytest.raises(ProviderAway):
            await client.query(NUMBER)


async def test_queries(desk: Desk) -> None:
    client = provider(desk)
    assert (await client.query("unknown")).state is TradeState.CLOSED
    assert await client.close("unknown") is True
    with pytest.raises(ProviderRefused, match="RESOURCE_NOT_EXISTS"):
        await client.refund("unknown", "Runknown", 1, 1, "x")
    await client.prepay(order("query1"), "oX")
    assert (await client.query("query1")).state is TradeState.UNPAID
    desk.wechat.pay("query1")
    trade = await client.query("query1")
    assert (trade.state, trade.total_fen, trade.transaction_id) == (TradeState.PAID, 990, "42000query1")
    assert trade.paid_at is not None
    assert await client.close("query1") is False
    for spoiled in (
        {"out_trade_no": "other"},
        {"mchid": "1"},
        {"appid": "1"},
        {"trade_state": "INVENTED"},
        {"amount": {"total": "990"}},
        {"amount": {"total": -1}},
        {"amount": {"total": True}},
        {"amount": {"total": 990, "currency": "USD"}},
        {"amount": None},
        {"success_time": "yesterday"},
        {"success_time": "2026-11-20T12:00:00"},
        {"transaction_id": None},
    ):
        answer = desk.wechat.told("query1") | spoiled
        desk.wechat.faults.append(lambda answer=answer: desk.wechat.answer(200, answer))
        with pytest.raises(ProviderAway):
            await client.query("query1")


# Notifications


async def told(desk: Desk) -> tuple[str, bytes]:
    _, _, number = await desk.begun()
    desk.wechat.pay(number)
    return number, desk.wechat.notification(desk.wechat.told(number))


async def test_a_notification_counts_only_as_wechat_signed_it(desk: Desk) -> None:
    number, body = await told(desk)
    good = desk.wechat.signed(body)
    stranger = rsa.generate_private_key(65537, 2048)
    text = f"{good['Wechatpay-Timestamp']}\n{good['Wechatpay-Nonce']}\n".encode() + body + b"\n"
    spoiled: list[tuple[bytes, dict[str, str]]] = [
        (body + b" ", good),
        (body, good | {"Wechatpay-Nonce": "other"}),
        (body, good | {"Wechatpay-Timestamp": str(int(good["Wechatpay-Timestamp"]) + 1)}),
        (body, good | {"Wechatpay-Timestamp": "soon"}),
        (body, good | {"Wechatpay-Timestamp": "9" * 5000}),
        (body, good | {"Wechatpay-Serial": "other"}),
        (body, good | {"Wechatpay-Signature": rsa_sign(stranger, text)}),
        # What WeChat sends to find out whether signatures are verified.
        (body, good | {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/" + good["Wechatpay-Signature"]}),
        (body, good | {"Wechatpay-Signature": ""}),
        (body, {"Content-Type": "application/json"}),
        (body, desk.wechat.signed(body, int(time.time()) - 301)),
        (body, desk.wechat.signed(body, int(time.time()) + 310)),
    ]
    for sent, headers in spoiled:
        answer = await desk.notify(sent, headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "payment.notification_refused")
    assert (await desk.payment(number))["state"] == "awaiting"
    assert (await desk.notify(body, good)).status_code == 200
    assert (await desk.payment(number))["state"] == "paid"


async def test_a_resource_that_does_not_open_or_is_another_merchants(desk: Desk) -> None:
    number, body = await told(desk)
    content = json.loads(body)

    def with_resource(**over: Any) -> bytes:
        return json.dumps(content | {"resource": content["resource"] | over}).encode()

    bodies = [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        with_resource(algorithm="AES"),
        with_resource(nonce="000000000000"),
        with_resource(associated_data="refund"),
        with_resource(ciphertext="!"),
        with_resource(ciphertext="AAAA"),
        json.dumps(content | {"resource": None}).encode(),
        desk.wechat.notification(desk.wechat.told(number) | {"mchid": "1"}),
        desk.wechat.notification(desk.wechat.told(number) | {"appid": "1"}),
        desk.wechat.notification([]),
        desk.wechat.notification({"mchid": "1", "out_trade_no": number}, "REFUND.SUCCESS"),
    ]
    for sent in bodies:
        assert (await desk.notify(sent)).status_code == 401, sent
    assert (await desk.payment(number))["state"] == "awaiting"
    # Signed, but none of ours; and a kind that is of no concern.
    foreign = desk.wechat.notification(desk.wechat.told(number) | {"out_trade_no": "not-ours"})
    assert (await desk.notify(foreign)).json()["code"] == "payment.not_found"
    assert (await desk.notify(desk.wechat.notification({}, "COUPON.USE"))).status_code == 200


def test_certificates_and_public_keys_are_found_by_their_serial(desk: Desk) -> None:
    first, second = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    verifier = Verifier({"A": first.public_key(), "B": second.public_key()}, API_KEY.encode())
    for serial, key, good in (
        ("A", first, True),
        ("B", second, True),
        ("A", second, False),
        ("C", first, False),
    ):
        headers = {
            "wechatpay-serial": serial,
            "wechatpay-timestamp": "1700000000",
            "wechatpay-nonce": "n",
            "wechatpay-signature": rsa_sign(key, b"1700000000\nn\n{}\n"),
        }
        if good:
            verifier.verify(headers, b"{}", 1_700_000_100)
        else:
            with pytest.raises(NotFromWeChat):
                verifier.verify(headers, b"{}", 1_700_000_100)


# Settings


def test_all_settings_or_none(settings: Settings, paying: Settings) -> None:
    assert settings.wechat_pay_merchant_id is None
    with pytest.raises(ConfigurationError, match="TANPUHUI_WECHAT_PAY_SERIAL"):
        load_settings(**paying.model_dump() | {"wechat_pay_serial": None})
    with pytest.raises(ConfigurationError) as refused:
        load_settings(**settings.model_dump() | {"wechat_pay_merchant_id": MERCHANT})
    assert "TANPUHUI_WECHAT_PAY_API_KEY" in str(refused.value)
    assert MERCHANT not in str(refused.value)
