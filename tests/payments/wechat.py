"""A WeChat Pay of these tests: speaks API v3 on the loopback, checks every signature, and can be made to misbehave.

Its own implementation of signing and sealing, so that a mistake of ours does not cancel itself out.
"""

import base64
import datetime
import hashlib
import json
import re
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

MERCHANT, APP, SERIAL = "1900000109", "wxd678efh567hg6787", "444F4864EA9B34415A"
PLATFORM_KEY_ID = "PUB_KEY_ID_0119000001092024"
API_KEY = "0123456789abcdef0123456789abcdef"
HEADER = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
SUMMARY = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
_FIELD = re.compile(r'(\w+)="([^"]*)"')


def pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def rsa_sign(key: rsa.RSAPrivateKey, text: bytes) -> str:
    return base64.b64encode(key.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()


def now_text() -> str:
    return datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=8))).isoformat(timespec="seconds")


@dataclass
class WeChat:
    """`fault` answers instead, once, where it is set: a status with a code, or raw bytes, or "hang"."""

    merchant_key: rsa.RSAPrivateKey
    platform_key: rsa.RSAPrivateKey
    url: str = ""
    trades: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    faults: list[Callable[[], Response]] = field(default_factory=list)
    bill: bytes | None = None
    refund_status: str = "SUCCESS"
    sign_as: rsa.RSAPrivateKey | None = None
    ahead_s: Callable[[], float] = lambda: 0
    """How far the clock of the service that tests drive is ahead."""
    at: int = 0

    def application(self) -> Starlette:
        routes = [
            ("/v3/pay/transactions/jsapi", self.prepay, "POST"),
            ("/v3/pay/transactions/out-trade-no/{number}", self.query, "GET"),
            ("/v3/pay/transactions/out-trade-no/{number}/close", self.close, "POST"),
            ("/v3/refund/domestic/refunds", self.refund, "POST"),
            ("/v3/bill/tradebill", self.trade_bill, "GET"),
            ("/v3/billdownload/file", self.download, "GET"),
        ]
        return Starlette(
            routes=[Route(path, self._checked(act), methods=[method]) for path, act, method in routes]
        )

    def _checked(self, act: Callable[[Request, Any], Response]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            self.asked.append(f"{request.method} {request.url.path.rpartition('/')[2]}")
            scheme, _, rest = request.headers.get("authorization", "").partition(" ")
            said = dict(_FIELD.findall(rest))
            text = f"{request.method}\n{path}\n{said.get('timestamp')}\n{said.get('nonce_str')}\n{body.decode()}\n"
            try:
                assert scheme == "WECHATPAY2-SHA256-RSA2048"
                assert (said["mchid"], said["serial_no"]) == (MERCHANT, SERIAL)
                self.at = int(said["timestamp"])
                assert min(abs(self.at - time.time() - ahead) for ahead in (0, self.ahead_s())) < 300
                self.merchant_key.public_key().verify(
                    base64.b64decode(said["signature"]), text.encode(), padding.PKCS1v15(), hashes.SHA256()
                )
            except (AssertionError, KeyError, InvalidSignature):
                return self.error(401, "SIGN_ERROR")
            if self.faults:
                return self.faults.pop(0)()
            return act(request, json.loads(body) if body else None)

        return endpoint

    def answer(self, status: int, content: Any = None) -> Response:
        body = b"" if content is None else json.dumps(content, ensure_ascii=False).encode()
        return Response(body, status, self.signed(body, self.at))

    def error(self, status: int, code: str) -> Response:
        return self.answer(status, {"code": code, "message": "x"})

    def signed(self, body: bytes, at: int | None = None) -> dict[str, str]:
        stamp, nonce = str(at or int(time.time())), secrets.token_hex(16)
        text = f"{stamp}\n{nonce}\n".encode() + body + b"\n"
        return {
            "Wechatpay-Timestamp": stamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": rsa_sign(self.sign_as or self.platform_key, text),
            "Wechatpay-Serial": PLATFORM_KEY_ID,
            "Content-Type": "application/json",
        }

    def prepay(self, _: Request, asked: Any) -> Response:
        if (asked["mchid"], asked["appid"]) != (MERCHANT, APP):
            return self.error(400, "APPID_MCHID_NOT_MATCH")
        assert datetime.datetime.fromisoformat(asked["time_expire"]).tzinfo is not None
        assert re.fullmatch(r"[\w\-|*]{6,32}", asked["out_trade_no"])
        assert asked["amount"]["currency"] == "CNY"
        trade = self.trades.setdefault(asked["out_trade_no"], asked | {"trade_state": "NOTPAY"})
        if trade["amount"] != asked["amount"]:
            return self.error(400, "INVALID_REQUEST")
        if trade["trade_state"] != "NOTPAY":
            return self.error(400, "ORDERPAID" if trade["trade_state"] == "SUCCESS" else "ORDER_CLOSED")
        return self.answer(200, {"prepay_id": "wx" + asked["out_trade_no"]})

    def pay(self, number: str, at: str | None = None) -> None:
        """The payer pays."""
        assert self.trades[number]["trade_state"] == "NOTPAY"
        self.trades[number] |= {
            "trade_state": "SUCCESS",
            "transaction_id": "42000" + number[:20],
            "success_time": at or now_text(),
        }

    def told(self, number: str) -> dict[str, Any]:
        """A trade as queries and notifications tell of it."""
        trade = self.trades[number]
        names = ("appid", "mchid", "out_trade_no", "trade_state", "transaction_id", "success_time")
        known = {name: trade[name] for name in names if name in trade}
        if trade["trade_state"] in ("SUCCESS", "REFUND"):
            total = trade["amount"]["total"]
            known |= {
                "trade_type": "JSAPI",
                "bank_type": "OTHERS",
                "payer": trade["payer"],
                "amount": {"total": total, "payer_total": total, "currency": "CNY", "payer_currency": "CNY"},
            }
        return known

    def query(self, request: Request, _: Any) -> Response:
        if request.query_params["mchid"] != MERCHANT or request.path_params["number"] not in self.trades:
            return self.error(404, "ORDER_NOT_EXIST")
        return self.answer(200, self.told(request.path_params["number"]))

    def close(self, request: Request, asked: Any) -> Response:
        assert asked == {"mchid": MERCHANT}
        trade = self.trades.get(request.path_params["number"])
        if trade is None:
            return self.error(404, "ORDER_NOT_EXIST")
        if trade["trade_state"] == "SUCCESS":
            return self.error(400, "ORDERPAID")
        trade["trade_state"] = "CLOSED"
        return self.answer(204)

    def refund(self, _: Request, asked: Any) -> Response:
        trade = self.trades.get(asked["out_trade_no"])
        if trade is None or trade["trade_state"] not in ("SUCCESS", "REFUND"):
            return self.error(404, "RESOURCE_NOT_EXISTS")
        if asked["amount"]["total"] != trade["amount"]["total"]:
            return self.error(400, "INVALID_REQUEST")
        known = self.refunds.setdefault(
            asked["out_refund_no"],
            {
                "refund_id": "50" + asked["out_refund_no"],
                "out_refund_no": asked["out_refund_no"],
                "out_trade_no": asked["out_trade_no"],
                "transaction_id": trade["transaction_id"],
                "create_time": now_text(),
                "amount": asked["amount"],
            },
        )
        trade["trade_state"] = "REFUND"
        known["status"] = self.refund_status
        return self.answer(200, known)

    def trade_bill(self, _: Request, __: Any) -> Response:
        if self.bill is None:
            return self.error(400, "NO_STATEMENT_EXIST")
        return self.answer(
            200,
            {
                "hash_type": "SHA1",
                "hash_value": hashlib.sha1(self.bill).hexdigest(),  # noqa: S324
                "download_url": f"{self.url}/v3/billdownload/file?token=abc",
            },
        )

    def download(self, _: Request, __: Any) -> Response:
        return Response(self.bill, 200)

    def bill_of(self, *lines: tuple[str, str, int, str]) -> bytes:
        """(number, state, fen, refund number) as the day's bill."""
        rows = [HEADER]
        for number, state, fen, refund in lines:
            yuan = f"{fen // 100}.{fen % 100:02d}"
            cells = [
                "2026-11-20 12:00:00",
                APP,
                MERCHANT,
                "0",
                "",
                "42000" + number[:20],
                number,
                "oX",
                "JSAPI",
            ]
            refunding = state == "REFUND"
            cells += [
                state,
                "OTHERS",
                "CNY",
                "0.00" if refunding else yuan,
                "0.00",
                "50" if refunding else "0",
            ]
            cells += [refund or "0", yuan if refunding else "0.00", "0.00", "ORIGINAL", "SUCCESS", "咖啡", ""]
            cells += ["0.00000", "0.60%", "0.00" if refunding else yuan, yuan if refunding else "0.00", ""]
            rows.append(",".join("`" + cell for cell in cells))
        rows += [SUMMARY, ",".join(["`" + str(len(lines))] + ["`0.00"] * 6)]
        return ("\ufeff" + "\r\n".join(rows) + "\r\n").encode()

    def notification(self, content: Any, event: str = "TRANSACTION.SUCCESS") -> bytes:
        nonce, associated = secrets.token_hex(6), "transaction"
        sealed = AESGCM(API_KEY.encode()).encrypt(
            nonce.encode(), json.dumps(content).encode(), associated.encode()
        )
        return json.dumps(
            {
                "id": secrets.token_hex(16),
                "create_time": now_text(),
                "resource_type": "encrypt-resource",
                "event_type": event,
                "summary": "支付成功",
                "resource": {
                    "original_type": associated,
                    "algorithm": "AEAD_AES_256_GCM",
                    "ciphertext": base64.b64encode(sealed).decode(),
                    "associated_data": associated,
                    "nonce": nonce,
                },
            },
            ensure_ascii=False,
        ).encode()


def make(folder: Path) -> WeChat:
    """Keys of both sides, written where the service reads them."""
    keys = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
    (folder / "merchant.pem").write_bytes(pem(keys[0]))
    platform = folder / "platform"
    platform.mkdir()
    (platform / f"{PLATFORM_KEY_ID}.pem").write_bytes(
        keys[1]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return WeChat(*keys)


def server_of(wechat: WeChat) -> tuple[uvicorn.Server, socket.socket]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    wechat.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(wechat.application(), lifespan="off", log_config=None, access_log=False)
    return uvicorn.Server(config), listener
