"""WeChat mini-program: `code2Session`, and the phone number of a user (`getuserphonenumber`).

Protocol: developers.weixin.qq.com, server APIs `code2Session`, `getStableAccessToken`, `getPhoneNumber`. The
`session_key` is not kept: nothing here decrypts data of the client.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Any

import httpx

from integrations.errors import CodeRefused, PersonBlocked, PhoneRefused, ProviderBusy
from integrations.outbound import ask, failed
from integrations.sign_in import ProviderIdentity

if TYPE_CHECKING:
    from accounts.errors import DomainError

URL = "https://api.weixin.qq.com"
NAME = "wechat"
BUSY, TOKEN_INVALID, APP_INVALID, CODE_INVALID, TOKEN_EXPIRED = -1, 40001, 40013, 40029, 42001
TOKEN_MALFORMED, CODE_USED, TOO_OFTEN, QUOTA_USED, HIGH_RISK = 40014, 40163, 45011, 45009, 40226
RENEW_S = 300
"""An access token is renewed so long before its end; WeChat keeps the older one valid for five minutes."""
CHINA = "86"
MAX_ID = 128
LARGEST = 10_000_000


class MiniProgram:
    """One mini-program of the deployment. Shares `http`; keeps its access token in memory."""

    def __init__(self, http: httpx.AsyncClient, app_id: str, secret: str, url: str = URL) -> None:
        self._http = http
        self._app_id = app_id
        self._secret = secret
        self._url = url.rstrip("/")
        self._token = ("", 0.0)
        self._renewing = asyncio.Lock()

    async def identify(self, code: str) -> ProviderIdentity:
        """`unionid` (the user in all apps of the company, where WeChat tells it) and `openid` (in this one)."""
        _, _, answer = await ask(
            self._http,
            NAME,
            "GET",
            f"{self._url}/sns/jscode2session",
            params={
                "appid": self._app_id,
                "secret": self._secret,
                "js_code": code,
                "grant_type": "authorization_code",
            },
        )
        _check(answer)
        openid, unionid = _id(answer.get("openid")), _id(answer.get("unionid"))
        if openid is None:
            raise failed(NAME, "code2Session without openid")
        own = ("wechat_openid", openid, self._app_id)
        return ProviderIdentity((own,) if unionid is None else (("wechat_unionid", unionid, "union"), own))

    async def phone_number(self, code: str) -> str:
        """The number that WeChat knows of its user; it verified it at some time, not now."""
        for again in (True, False):
            token = await self._access_token()
            _, _, answer = await ask(
                self._http,
                NAME,
                "POST",
                f"{self._url}/wxa/business/getuserphonenumber",
                params={"access_token": token},
                json={"code": code},
            )
            if again and answer.get("errcode") in (TOKEN_INVALID, TOKEN_MALFORMED, TOKEN_EXPIRED):
                # The code is not used up by that. Another process's forced renewal ends a token early.
                self._forget(token)
                continue
            break
        _check(answer)
        info = answer.get("phone_info")
        number = info.get("purePhoneNumber") if isinstance(info, dict) else None
        if not isinstance(info, dict) or not isinstance(number, str) or not number:
            raise failed(NAME, "getuserphonenumber without a number")
        mark = info.get("watermark")
        if isinstance(mark, dict) and mark.get("appid") not in (None, self._app_id):
            raise failed(NAME, "a number for another app")
        if str(info.get("countryCode")) != CHINA:
            raise PhoneRefused
        return number

    async def _access_token(self) -> str:
        async with self._renewing:
            token, until = self._token
            if token and time.monotonic() < until:
                return token
            # Asked without force, every process gets the same token, and asking twice changes nothing.
            _, _, answer = await ask(
                self._http,
                NAME,
                "POST",
                f"{self._url}/cgi-bin/stable_token",
                repeatable=True,
                json={"grant_type": "client_credential", "appid": self._app_id, "secret": self._secret},
            )
            _check(answer)
            given, lifetime = answer.get("access_token"), answer.get("expires_in")
            if not isinstance(given, str) or not given or not isinstance(lifetime, int):
                raise failed(NAME, "stable_token without a token")
            self._token = (given, time.monotonic() + max(lifetime - RENEW_S, 0))
            return given

    def _forget(self, token: str) -> None:
        if self._token[0] == token:
            self._token = ("", 0.0)


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= MAX_ID and value.isprintable() else None


def _check(answer: dict[str, Any]) -> None:
    """Raise what an `errcode` means; none and 0 are fine."""
    number = answer.get("errcode", 0)
    if number == 0:
        return
    if number in (TOO_OFTEN, QUOTA_USED):
        raise ProviderBusy(60)
    known: dict[Any, type[DomainError]] = {
        CODE_INVALID: CodeRefused,
        CODE_USED: CodeRefused,
        HIGH_RISK: PersonBlocked,
        BUSY: ProviderBusy,
    }
    if not isinstance(number, int) or number not in known:
        told = isinstance(number, int) and -1 <= number < LARGEST
        raise failed(NAME, f"errcode {number}" if told else "an errcode that is none")
    raise known[number]
