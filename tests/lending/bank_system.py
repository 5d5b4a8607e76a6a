"""A bank's own system for these tests: OAuth2, signed bodies both ways, a daily file; and it can misbehave.

Its own implementation of JWS, so that a mistake of ours does not cancel itself out.
"""

import asyncio
import base64
import hashlib
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

CLIENT, SECRET, KID = "tph", "s3cret", "bank-1"
HEAD = "number,amount_fen,rate_bp,granted_on,state"
Fault = Callable[["BankSystem", Request], Any]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def jws(key: Ed25519PrivateKey, claims: dict[str, Any], kid: str = KID, alg: str = "EdDSA") -> str:
    head = b64(json.dumps({"alg": alg, "kid": kid}).encode())
    body = f"{head}.{b64(json.dumps(claims).encode())}"
    return f"{body}.{'' if alg == 'none' else b64(key.sign(body.encode()))}"


@dataclass
class BankSystem:
    """`faults` answer instead, one request each, whatever is asked of it but a token."""

    name: str
    ours: str = "tanpuhui"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    our_keys: Callable[[], dict[str, bytes]] = dict
    url: str = ""
    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    last: str = ""
    clock: Callable[[], float] = time.time

    def jwks(self) -> str:
        x = b64(self.key.public_key().public_bytes_raw())
        return json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": KID, "x": x}]})

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/oauth/token", self.token, methods=["POST"]),
                Route("/v1/notices", self._checked(self.notice), methods=["POST"]),
                Route("/v1/loan-files/{day}", self._checked(self.announced), methods=["GET"]),
                Route("/v1/loan-files/{day}/content", self._checked(self.content), methods=["GET"]),
            ]
        )

    async def token(self, request: Request) -> Response:
        self.asked.append("token")
        form = dict(pair.split("=") for pair in (await request.body()).decode().split("&"))
        wanted = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") != wanted or form["grant_type"] != "client_credentials":
            return JSONResponse({"error": "invalid_client"}, 401)
        token = f"t{len(self.asked)}"
        self.tokens.add(token)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": 600})

    def _checked(self, act: Callable[[Request, bytes], Response]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            self.asked.append(f"{request.method} {request.url.path}")
            if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
                return JSONResponse({"error": "invalid_token"}, 401)
            if self.faults:
                found = self.faults.pop(0)(self, request)
                if asyncio.iscoroutine(found):
                    found = await found
                if isinstance(found, Response):
                    return found
            return act(request, body)

        return endpoint

    def signed(self, claims: dict[str, Any], **how: Any) -> Response:
        key = how.pop("key", self.key)
        told = {"iss": self.name, "aud": self.ours, "iat": int(self.clock()), **claims}
        self.last = jws(key, told, **how)
        return Response(self.last, media_type="application/jose")

    def notice(self, request: Request, body: bytes) -> Response:
        head, claims, signature = body.decode().split(".")
        kid = json.loads(unb64(head))["kid"]
        Ed25519PublicKey.from_public_bytes(self.our_keys()[kid]).verify(
            unb64(signature), f"{head}.{claims}".encode()
        )
        told = json.loads(unb64(claims))
        assert (told["iss"], told["aud"]) == (self.ours, self.name)
        assert request.headers["idempotency-key"] == told["jti"]
        assert abs(told["iat"] - self.clock()) < 300
        known = told["jti"] in self.taken
        self.taken.setdefault(told["jti"], told)
        status = "duplicate" if known else "accepted"
        return self.signed({"in_reply_to": told["jti"], "status": status, "receipt": "R-" + told["jti"][-6:]})

    def announced(self, request: Request, _body: bytes) -> Response:
        day = request.path_params["day"]
        if day not in self.files:
            return JSONResponse({"error": "not_found"}, 404)
        content = self.files[day].encode()
        lines = len(self.files[day].strip().splitlines()) - 1
        return self.signed({"day": day, "lines": lines, "sha256": hashlib.sha256(content).hexdigest()})

    def content(self, request: Request, _body: bytes) -> Response:
        return Response(self.files[request.path_params["day"]], media_type="text/csv")

    def server(self) -> tuple[uvicorn.Server, socket.socket]:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(self.application(), log_level="error", lifespan="off")
        return uvicorn.Server(config), listener
