"""Alipay: `alipay.system.oauth.token` exchanges an `auth_code` for the user's id.

Protocol: opendocs.alipay.com, open platform gateway 1.0, signed with RSA2 (SHA256withRSA, PKCS#1 v1.5) both ways.
The access token that comes with it is not kept: nothing here reads the user's data.
"""

import base64
import datetime
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from integrations.errors import CodeRefused, ProviderBusy
from integrations.outbound import ask, failed
from integrations.sign_in import ProviderIdentity

URL = "https://openapi.alipay.com/gateway.do"
NAME = "alipay"
METHOD = "alipay.system.oauth.token"
NODE = "alipay_system_oauth_token_response"
LOCAL: Final = ZoneInfo("Asia/Shanghai")
MAX_ID = 128
CODE_INVALID = "isv.code-invalid"
AWAY, LIMITED = "20000", "40005"
_CODE = re.compile("[0-9]{5}")


def text_to_sign(fields: Mapping[str, str]) -> bytes:
    """The non-empty fields but `sign`, by name: `a=1&b=2`."""
    return "&".join(
        f"{name}={fields[name]}" for name in sorted(fields) if fields[name] and name != "sign"
    ).encode()


class AlipayOAuth:
    """One application of the deployment at Alipay."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        app_id: str,
        key: RSAPrivateKey,
        alipay_key: RSAPublicKey,
        clock: Callable[[], datetime.datetime],
        url: str = URL,
    ) -> None:
        self._http = http
        self._app_id = app_id
        self._key = key
        self._alipay_key = alipay_key
        self._clock = clock
        self._url = url

    async def identify(self, code: str) -> ProviderIdentity:
        """`open_id` (in this application) and `user_id` (of all), whichever Alipay tells."""
        fields = {
            "app_id": self._app_id,
            "method": METHOD,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": self._clock().astimezone(LOCAL).strftime("%Y-%m-%d %H:%M:%S"),
            "version": "1.0",
            "grant_type": "authorization_code",
            "code": code,
        }
        signature = self._key.sign(text_to_sign(fields), padding.PKCS1v15(), hashes.SHA256())
        fields["sign"] = base64.b64encode(signature).decode()
        _, body, answer = await ask(self._http, NAME, "POST", self._url, data=fields)
        refused = answer.get("error_response", answer.get(NODE))
        if not isinstance(refused, dict):
            raise failed(NAME, "an answer without its node")
        if "error_response" in answer or refused.get("code", "10000") != "10000":
            _refuse(refused)
        node = self._signed(body, answer)
        found = [
            (scheme, value, scope)
            for scheme, value, scope in (
                ("alipay_open_id", node.get("open_id"), self._app_id),
                ("alipay_user_id", node.get("user_id"), "alipay"),
            )
            if isinstance(value, str) and 0 < len(value) <= MAX_ID and value.isprintable()
        ]
        if not found:
            raise failed(NAME, "no user in the answer")
        return ProviderIdentity(tuple(found))

    def _signed(self, body: bytes, answer: dict[str, Any]) -> dict[str, Any]:
        """The node, whose text as sent Alipay has signed."""
        sign = answer.get("sign")
        try:
            text = body.decode()
            start = text.index("{", text.index(f'"{NODE}"') + len(NODE) + 2)
            node, end = json.JSONDecoder().raw_decode(text, start)
            self._alipay_key.verify(
                base64.b64decode(sign if isinstance(sign, str) else "", validate=True),
                text[start:end].encode(),
                padding.PKCS1v15(),
                hashes.SHA256(),
            )
        except (ValueError, InvalidSignature):
            raise failed(NAME, "the signature does not fit") from None
        if not isinstance(node, dict):
            raise failed(NAME, "an answer without its node")
        return node


def _refuse(answer: dict[str, Any]) -> None:
    code, sub_code = answer.get("code"), answer.get("sub_code")
    if sub_code == CODE_INVALID:
        raise CodeRefused
    if code in (AWAY, LIMITED):
        raise ProviderBusy
    told = isinstance(code, str) and _CODE.fullmatch(code)
    raise failed(NAME, f"code {code}" if told else "a refusal without a code")
