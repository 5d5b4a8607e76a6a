"""Alibaba Cloud SMS: `SendSms` (Dysmsapi 2017-05-25), signed with ACS3-HMAC-SHA256 (request signature V3)."""

import datetime
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx
import orjson

from integrations.errors import PhoneRefused, ProviderBusy
from integrations.outbound import OK, ask, failed

URL = "https://dysmsapi.aliyuncs.com"
NAME = "aliyun_sms"
ALGORITHM = "ACS3-HMAC-SHA256"
SENT = "OK"
PHONE_ERRORS = frozenset(
    {"isv.MOBILE_NUMBER_ILLEGAL", "isv.MOBILE_COUNT_OVER_LIMIT", "isv.BLACK_KEY_CONTROL_LIMIT"}
)
BUSY_ERRORS = frozenset({"isp.SYSTEM_ERROR", "ServiceUnavailable", "InternalError"})
LIMITED = "isv.BUSINESS_LIMIT_CONTROL"
_CODE = re.compile("[A-Za-z_.]{1,64}")
_EMPTY = hashlib.sha256(b"").hexdigest()


def canonical_query(parameters: Mapping[str, str]) -> str:
    """The parameters by name, each percent-encoded after RFC 3986."""
    return "&".join(
        f"{quote(name, safe='~')}={quote(parameters[name], safe='~')}" for name in sorted(parameters)
    )


def signature(secret: str, query: str, headers: Mapping[str, str]) -> str:
    """The signature of a POST to `/` without a body; `headers` are those that are signed, in lower case."""
    names = sorted(headers)
    canonical = "\n".join(
        ["POST", "/", query, *(f"{name}:{headers[name]}" for name in names), "", ";".join(names), _EMPTY]
    )
    text = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class AliyunSms:
    """Sends codes by one signature name and one template, which has the one variable `code`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        key_id: str,
        secret: str,
        sign_name: str,
        template: str,
        clock: Callable[[], datetime.datetime],
        url: str = URL,
    ) -> None:
        self._http = http
        self._key_id = key_id
        self._secret = secret
        self._sign_name = sign_name
        self._template = template
        self._clock = clock
        self._url = url.rstrip("/")

    async def send_code(self, phone: str, code: str) -> None:
        """Send one message. Not repeated once it was sent: a second one would cost, and confuse."""
        query = canonical_query(
            {
                "PhoneNumbers": phone.removeprefix("+86"),
                "SignName": self._sign_name,
                "TemplateCode": self._template,
                "TemplateParam": orjson.dumps({"code": code}).decode(),
            }
        )
        headers = {
            "host": urlsplit(self._url).netloc,
            "x-acs-action": "SendSms",
            "x-acs-version": "2017-05-25",
            "x-acs-date": self._clock().astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": uuid4().hex,
            "x-acs-content-sha256": _EMPTY,
        }
        signed = signature(self._secret, query, headers)
        headers["authorization"] = (
            f"{ALGORITHM} Credential={self._key_id},SignedHeaders={';'.join(sorted(headers))},Signature={signed}"
        )
        status, _, answer = await ask(self._http, NAME, "POST", f"{self._url}/?{query}", headers=headers)
        told = answer.get("Code")
        if status == OK and told == SENT:
            return
        if told in PHONE_ERRORS:
            raise PhoneRefused
        if told == LIMITED:
            raise ProviderBusy(60)
        if told in BUSY_ERRORS or (isinstance(told, str) and told.startswith("Throttling")):
            raise ProviderBusy
        known = isinstance(told, str) and _CODE.fullmatch(told)
        raise failed(NAME, f"code {told}" if known else f"status {status} without a code")
