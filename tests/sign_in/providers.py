"""Local servers that speak the published protocols of WeChat, Alipay and Alibaba Cloud SMS, and misbehave on demand."""

import asyncio
import base64
import contextlib
import datetime
import hashlib
import hmac
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote

import uvicorn
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

WECHAT_APP, WECHAT_SECRET = "wx0123456789abcdef", "wechat-app-secret-9f3b"
ALIPAY_APP = "2021000000000001"
SMS_KEY, SMS_SECRET = "LTAI-made-up", "sms-secret-77aa"
SIGN_NAME, TEMPLATE = "碳普惠", "SMS_100000001"
PHONE_CODES = {"illegal": "13900000901", "limited": "13900000902", "no_money": "13900000903"}


@dataclass
class Providers:
    """What the made-up providers know, and what they were asked."""

    url: str = ""
    wechat_users: dict[str, dict[str, Any]] = field(default_factory=dict)
    wechat_phones: dict[str, str] = field(default_factory=dict)
    alipay_users: dict[str, dict[str, Any]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    messages: list[tuple[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    odd: dict[str, str] = field(default_factory=dict)
    """Path → how it misbehaves: rubbish, array, big, slow, drip, cut, 500, 429, redirect."""
    tokens: list[str] = field(default_factory=lambda: ["wechat-access-token-0"])
    stolen_signature: bool = False
    app_key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    alipay_key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def settings(self) -> dict[str, Any]:
        """Settings of a service that asks these providers."""
        pkcs8 = self.app_key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        spki = self.alipay_key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {
            "wechat_url": self.url,
            "wechat_app_id": WECHAT_APP,
            "wechat_app_secret": WECHAT_SECRET,
            "alipay_url": self.url + "/gateway.do",
            "alipay_app_id": ALIPAY_APP,
            "alipay_private_key": base64.b64encode(pkcs8).decode(),
            "alipay_public_key": base64.b64encode(spki).decode(),
            "sms_url": self.url,
            "sms_access_key_id": SMS_KEY,
            "sms_access_key_secret": SMS_SECRET,
            "sms_sign_name": SIGN_NAME,
            "sms_template_code": TEMPLATE,
        }

    def code_of(self, phone: str) -> str:
        """The last code that was sent to a phone."""
        return next(code for to, code in reversed(self.messages) if to == phone[-11:])

    # WeChat

    async def code2session(self, request: Request) -> Response:
        query = request.query_params
        if query["appid"] != WECHAT_APP:
            return JSONResponse({"errcode": 40013, "errmsg": "invalid appid"})
        if query["secret"] != WECHAT_SECRET:
            return JSONResponse({"errcode": 40125, "errmsg": "invalid appsecret"})
        assert query["grant_type"] == "authorization_code"
        code = query["js_code"]
        errors = {"busy": -1, "often": 45011, "risk": 40226, "quota": 45009}
        if code in errors:
            return text({"errcode": errors[code], "errmsg": f"told, rid: {code}"})
        if code in self.used:
            return text({"errcode": 40163, "errmsg": "code been used, rid: 1"})
        if code not in self.wechat_users:
            return text({"errcode": 40029, "errmsg": f"invalid code {code}, rid: 1"})
        self.used.add(code)
        return text({"session_key": "tiihtNczf5v6AKRyjwEUhQ==", **self.wechat_users[code]})

    async def stable_token(self, request: Request) -> Response:
        body = await request.json()
        if body["secret"] != WECHAT_SECRET or body["appid"] != WECHAT_APP:
            return JSONResponse({"errcode": 40125, "errmsg": "invalid appsecret"})
        assert body["grant_type"] == "client_credential"
        return JSONResponse({"access_token": self.tokens[-1], "expires_in": 7200})

    async def phone_number(self, request: Request) -> Response:
        if request.query_params["access_token"] != self.tokens[-1]:
            return JSONResponse({"errcode": 40001, "errmsg": "invalid credential, rid: 1"})
        code = (await request.json())["code"]
        if code in self.used or code not in self.wechat_phones:
            return JSONResponse({"errcode": 40029, "errmsg": "invalid code"})
        self.used.add(code)
        number, _, country = self.wechat_phones[code].partition("@")
        mark = {"timestamp": 1637744274, "appid": WECHAT_APP}
        info = {
            "phoneNumber": number,
            "purePhoneNumber": number,
            "countryCode": country or "86",
            "watermark": mark,
        }
        return JSONResponse({"errcode": 0, "errmsg": "ok", "phone_info": info})

    # Alipay

    async def gateway(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode(), strict_parsing=True))
        sign = base64.b64decode(form.pop("sign"))
        signed = "&".join(f"{name}={form[name]}" for name in sorted(form)).encode()
        try:
            self.app_key.public_key().verify(sign, signed, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return self.refusal("40002", "isv.invalid-signature")
        datetime.datetime.strptime(form["timestamp"], "%Y-%m-%d %H:%M:%S").astimezone()
        assert (form["method"], form["sign_type"]) == ("alipay.system.oauth.token", "RSA2")
        assert form["grant_type"] == "authorization_code"
        code = form["code"]
        if form["app_id"] != ALIPAY_APP:
            return self.refusal("40002", "isv.invalid-app-id")
        if code == "away":
            return self.refusal("20000", "isp.unknow-error")
        if code == "denied":
            return self.refusal("40006", "isv.insufficient-isv-permissions")
        if code in self.used or code not in self.alipay_users:
            return self.refusal("40002", "isv.code-invalid")
        self.used.add(code)
        tokens = {"access_token": "authbseB1", "refresh_token": "authbseB2", "expires_in": "3600"}
        node = json.dumps({**tokens, **self.alipay_users[code]}, ensure_ascii=False)
        key = self.app_key if self.stolen_signature else self.alipay_key
        mac = base64.b64encode(key.sign(node.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
        return PlainTextResponse(f'{{"alipay_system_oauth_token_response":{node},"sign":"{mac}"}}')

    def refusal(self, code: str, sub_code: str) -> Response:
        node = {"code": code, "msg": "refused", "sub_code": sub_code, "sub_msg": "授权码code无效"}
        return JSONResponse({"error_response": node, "sign": "ERITJKEIJKJHKKKKKKKHJEREEEEEEEEEEE"})

    # Alibaba Cloud SMS

    async def send_sms(self, request: Request) -> Response:
        scheme, _, rest = request.headers["authorization"].partition(" ")
        told = dict(part.split("=", 1) for part in rest.split(","))
        names = told["SignedHeaders"].split(";")
        query = dict(parse_qsl(request.url.query, strict_parsing=True))
        canonical = "\n".join(
            [
                "POST",
                "/",
                "&".join(f"{quote(name, safe='~')}={quote(query[name], safe='~')}" for name in sorted(query)),
                *(f"{name}:{request.headers[name]}" for name in names),
                "",
                ";".join(names),
                hashlib.sha256(await request.body()).hexdigest(),
            ]
        )
        wanted = f"{scheme}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        mac = hmac.new(SMS_SECRET.encode(), wanted.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(mac, told["Signature"]) or told["Credential"] != SMS_KEY:
            return JSONResponse({"Code": "SignatureDoesNotMatch", "Message": "x", "RequestId": "1"}, 400)
        assert {"host", "x-acs-action", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"} <= set(names)
        assert (request.headers["x-acs-action"], query["SignName"]) == ("SendSms", SIGN_NAME)
        phone = query["PhoneNumbers"]
        errors = {
            PHONE_CODES["illegal"]: "isv.MOBILE_NUMBER_ILLEGAL",
            PHONE_CODES["limited"]: "isv.BUSINESS_LIMIT_CONTROL",
            PHONE_CODES["no_money"]: "isv.AMOUNT_NOT_ENOUGH",
        }
        if phone in errors:
            return JSONResponse({"Code": errors[phone], "Message": f"refused {phone}", "RequestId": "1"})
        self.messages.append((phone, json.loads(query["TemplateParam"])["code"]))
        return JSONResponse({"Code": "OK", "Message": "OK", "BizId": "1", "RequestId": "1"})

    # Misbehaviour

    async def misbehave(self, how: str) -> Response:
        if how == "slow":
            await asyncio.sleep(30)
        if how == "drip":
            return StreamingResponse(dripping())
        return {
            "rubbish": PlainTextResponse("<html>nginx 13900000001</html>"),
            "array": JSONResponse([1, 2]),
            "empty": PlainTextResponse(""),
            "big": PlainTextResponse("{" + " " * 200_000 + "}"),
            "nothing": JSONResponse({}),
            "odd_types": JSONResponse({"errcode": "0", "openid": 7, "access_token": 1, "Code": 5, "sign": 3}),
            "500": PlainTextResponse("oops", 500),
            "404": PlainTextResponse("nothing here", 404),
            "429": PlainTextResponse("slow down", 429),
            "redirect": RedirectResponse("http://127.0.0.1:9/elsewhere", 302),
        }[how]

    def app(self) -> Starlette:
        def door(path: str, work: Any) -> Route:
            async def answer(request: Request) -> Response:
                self.asked.append(path)
                how = self.odd.get(path)
                return await (self.misbehave(how) if how else work(request))

            return Route(path, answer, methods=["GET", "POST"])

        return Starlette(
            routes=[
                door("/sns/jscode2session", self.code2session),
                door("/cgi-bin/stable_token", self.stable_token),
                door("/wxa/business/getuserphonenumber", self.phone_number),
                door("/gateway.do", self.gateway),
                door("/", self.send_sms),
            ]
        )


async def dripping() -> AsyncIterator[bytes]:
    """A byte a second: no time-out of a read ever ends it."""
    while True:
        yield b" "
        await asyncio.sleep(1)


def text(content: dict[str, Any]) -> Response:
    """WeChat answers JSON and calls it text."""
    return PlainTextResponse(json.dumps(content))


@asynccontextmanager
async def served(providers: Providers) -> AsyncIterator[Providers]:
    """The providers on a port of the loopback interface."""
    listener = socket.create_server(("127.0.0.1", 0))
    providers.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(providers.app(), lifespan="off", access_log=False, log_config=None, ws="none")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.01)
    try:
        yield providers
    finally:
        server.should_exit = server.force_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await task
        listener.close()
