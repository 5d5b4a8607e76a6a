"""WeChat Pay API v3 over HTTP for JSAPI and mini-program payments of one merchant."""

import datetime
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
import orjson

from dedup.periods import LOCAL
from integrations.wechat_pay.bills import BillUnreadable, read_bill
from integrations.wechat_pay.signing import NotFromWeChat, Signer, Verifier, nonce
from points.payments.provider import (
    BillLine,
    Order,
    ProviderAway,
    ProviderRefused,
    Refund,
    RefundState,
    Trade,
    TradeState,
)

TIMEOUT_S = 10
MAX_ANSWER_BYTES = 1_048_576
MAX_BILL_BYTES = 256 * 1_048_576
MAX_DESCRIPTION = 127
_OK, _ERRORS, _SERVER_ERRORS = range(200, 300), 400, 500
_AGAIN: Final = frozenset(
    {"SYSTEM_ERROR", "SYSTEMERROR", "BANK_ERROR", "BANKERROR", "FREQUENCY_LIMITED", "FREQUENCY_LIMIT_EXCEED"}
)
"""Codes that say: perhaps done, ask again with the same numbers."""
_UNKNOWN: Final = frozenset({"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"})
_PAID: Final = frozenset({"ORDER_PAID", "ORDERPAID"})
_CLOSED: Final = frozenset({"ORDER_CLOSED", "ORDERCLOSED"})
_NO_BILL: Final = frozenset({"NO_STATEMENT_EXIST", "STATEMENT_CREATING"})
_TRADE_STATES: Final = {
    "SUCCESS": TradeState.PAID,
    "REFUND": TradeState.REFUNDED,
    "NOTPAY": TradeState.UNPAID,
    "USERPAYING": TradeState.UNPAID,
    "PAYERROR": TradeState.UNPAID,
    "CLOSED": TradeState.CLOSED,
    "REVOKED": TradeState.CLOSED,
}
_REFUND_STATES: Final = {
    "SUCCESS": RefundState.DONE,
    "PROCESSING": RefundState.PROCESSING,
    "ABNORMAL": RefundState.FAILED,
    "CLOSED": RefundState.FAILED,
}


@dataclass(frozen=True, slots=True)
class Account:
    """Whose payments these are, and where WeChat tells of them."""

    merchant_id: str
    app_id: str
    notify_url: str


class WeChatPay:
    """The provider `wechat_pay`. Every answer but a bill's file is verified before it is believed."""

    name = "wechat_pay"

    def __init__(
        self,
        account: Account,
        signer: Signer,
        verifier: Verifier,
        clock: Callable[[], datetime.datetime],
        http: httpx.AsyncClient,
    ) -> None:
        self._account = account
        self._signer = signer
        self._verifier = verifier
        self._clock = clock
        self._http = http

    async def prepay(self, order: Order, payer: str) -> dict[str, str]:
        """Parameters of `wx.requestPayment`; `payer` is the payer's openid in this app."""
        answer = await self._ask(
            "POST",
            "/v3/pay/transactions/jsapi",
            {
                "appid": self._account.app_id,
                "mchid": self._account.merchant_id,
                "description": order.description[:MAX_DESCRIPTION],
                "out_trade_no": order.out_trade_no,
                "time_expire": order.expires_at.astimezone(LOCAL).isoformat(timespec="seconds"),
                "notify_url": self._account.notify_url,
                "amount": {"total": order.amount_fen, "currency": "CNY"},
                "payer": {"openid": payer},
            },
        )
        package = "prepay_id=" + _text(answer, "prepay_id")
        stamp, word = str(self._now_s()), nonce()
        return {
            "timeStamp": stamp,
            "nonceStr": word,
            "package": package,
            "signType": "RSA",
            "paySign": self._signer.sign(self._account.app_id, stamp, word, package),
        }

    async def query(self, out_trade_no: str) -> Trade:
        """By our own number."""
        query = urlencode({"mchid": self._account.merchant_id})
        try:
            answer = await self._ask("GET", f"/v3/pay/transactions/out-trade-no/{out_trade_no}?{query}")
        except ProviderRefused as refused:
            if refused.code in _UNKNOWN:
                return Trade(out_trade_no, TradeState.CLOSED)
            raise
        trade = self._trade(answer)
        if trade.out_trade_no != out_trade_no:
            raise ProviderAway("an answer about another payment")
        return trade

    async def close(self, out_trade_no: str) -> bool:
        """Closed, or unknown and so never to be paid."""
        path = f"/v3/pay/transactions/out-trade-no/{out_trade_no}/close"
        try:
            await self._ask("POST", path, {"mchid": self._account.merchant_id})
        except ProviderRefused as refused:
            if refused.code in _PAID:
                return False
            if refused.code not in _UNKNOWN | _CLOSED:
                raise
        return True

    async def refund(
        self, out_trade_no: str, refund_no: str, refund_fen: int, total_fen: int, reason: str
    ) -> Refund:
        """The same number again answers how that refund stands."""
        answer = await self._ask(
            "POST",
            "/v3/refund/domestic/refunds",
            {
                "out_trade_no": out_trade_no,
                "out_refund_no": refund_no,
                "reason": reason,
                "amount": {"refund": refund_fen, "total": total_fen, "currency": "CNY"},
            },
        )
        refund = _refund(answer, "status")
        if (refund.out_trade_no, refund.refund_no) != (out_trade_no, refund_no):
            raise ProviderAway("an answer about another refund")
        return refund

    async def bill(self, day: datetime.date) -> list[BillLine] | None:
        """The day's trade bill, checked against the hash that WeChat signed."""
        query = urlencode({"bill_date": day.isoformat(), "bill_type": "ALL"})
        try:
            answer = await self._ask("GET", f"/v3/bill/tradebill?{query}")
        except ProviderRefused as refused:
            if refused.code in _NO_BILL:
                return None
            raise
        # The file itself bears no signature: the hash is what WeChat signed.
        url = _text(answer, "download_url")
        if urlsplit(url).netloc != self._http.base_url.netloc.decode():
            raise ProviderAway("the bill lies elsewhere")
        content = await self._download(urlsplit(url))
        if _text(answer, "hash_type") != "SHA1" or hashlib.sha1(
            content, usedforsecurity=False
        ).hexdigest() != _text(answer, "hash_value"):
            raise ProviderAway("the bill is not what was announced")
        try:
            return read_bill(content)
        except BillUnreadable as unreadable:
            raise ProviderAway("the bill cannot be read") from unreadable

    def notification(self, headers: Mapping[str, str], body: bytes) -> Trade | Refund | None:
        """What a notification tells; None for kinds that are of no concern. Raises `NotFromWeChat`."""
        self._verifier.verify({name.lower(): value for name, value in headers.items()}, body, self._now_s())
        try:
            told = orjson.loads(body)
            kind = str(told["event_type"])
            resource = self._verifier.open(told["resource"])
            if kind.startswith("TRANSACTION."):
                return self._trade(resource)
            if kind.startswith("REFUND."):
                if resource["mchid"] != self._account.merchant_id:
                    raise NotFromWeChat
                return _refund(resource, "refund_status")
        except (ProviderAway, KeyError, TypeError, ValueError):
            raise NotFromWeChat from None
        return None

    def _now_s(self) -> int:
        return int(self._clock().timestamp())

    def _trade(self, answer: Any) -> Trade:
        try:
            state = _TRADE_STATES[answer["trade_state"]]
            if (answer["mchid"], answer["appid"]) != (self._account.merchant_id, self._account.app_id):
                raise ProviderAway("a payment of another merchant")
            paid = state in (TradeState.PAID, TradeState.REFUNDED)
            total = answer["amount"]["total"] if paid else 0
            if (
                type(total) is not int
                or total < 0
                or (paid and answer["amount"].get("currency", "CNY") != "CNY")
            ):
                raise ProviderAway("an amount that is none")
            return Trade(
                _text(answer, "out_trade_no"),
                state,
                _text(answer, "transaction_id") if paid else "",
                total,
                _moment(answer["success_time"]) if paid else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ProviderAway("a payment that cannot be read") from None

    async def _ask(self, method: str, path: str, content: Any = None) -> Any:
        """A signed request; answers the verified JSON, None where there is no body."""
        body = "" if content is None else orjson.dumps(content).decode()
        status, headers, received = await self._send(method, path, body, MAX_ANSWER_BYTES)
        if status in _OK:
            try:
                self._verifier.verify(headers, received, self._now_s())
                return orjson.loads(received) if received else None
            except NotFromWeChat:
                raise ProviderAway("an answer that WeChat did not sign") from None
            except ValueError:
                raise ProviderAway("an answer that is no JSON") from None
        raise _refusal(status, received)

    async def _download(self, url: Any) -> bytes:
        path = url.path + ("?" + url.query if url.query else "")
        status, _, content = await self._send("GET", path, "", MAX_BILL_BYTES)
        if status not in _OK:
            raise _refusal(status, content)
        return content

    async def _send(self, method: str, path: str, body: str, limit: int) -> tuple[int, dict[str, str], bytes]:
        headers = {
            "Authorization": self._signer.authorization(method, path, body, self._now_s()),
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "Tanpuhui/1",
        }
        received = bytearray()
        try:
            async with self._http.stream(method, path, content=body or None, headers=headers) as answer:
                async for chunk in answer.aiter_bytes():
                    received += chunk
                    if len(received) > limit:
                        raise ProviderAway("an answer without end")
                return answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, bytes(received)
        except (httpx.HTTPError, OSError) as error:
            raise ProviderAway(type(error).__name__) from None


def _refusal(status: int, received: bytes) -> Exception:
    """What an error means. WeChat's errors are not all signed, so none of them moves money: they only end a try."""
    try:
        code = str(orjson.loads(received)["code"])
    except (ValueError, KeyError, TypeError):
        code = ""
    known = bool(code) and code.isascii() and code.replace("_", "").isalnum()
    if not known or status >= _SERVER_ERRORS or status < _ERRORS or code in _AGAIN:
        return ProviderAway(code if known else f"HTTP {status}")
    return ProviderRefused(code[:64])


def _refund(answer: Any, status: str) -> Refund:
    try:
        refunded = answer["amount"]["refund"]
        if type(refunded) is not int:
            raise ProviderAway("an amount that is none")
        accepted = answer.get("create_time")
        return Refund(
            _text(answer, "out_trade_no"),
            _text(answer, "out_refund_no"),
            _REFUND_STATES[answer[status]],
            refunded,
            None if accepted is None else _moment(accepted),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ProviderAway("a refund that cannot be read") from None


def _text(answer: Any, name: str) -> str:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, str) or not value:
        raise ProviderAway(f"no {name}")
    return value


def _moment(text: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ProviderAway("a time without its zone")
    return moment
