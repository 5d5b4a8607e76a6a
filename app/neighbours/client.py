"""The door of another deployment, as its client: tokens, pages with their signatures, questions, blind evaluation."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx
import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.auth.tokens import ISSUER
from app.neighbours.errors import Forged, Unreachable
from app.neighbours.pages import AUDIENCE, Ask, Page, read_page
from dedup.encoding import decoded, encoded
from dedup.exchange import Exchanged, RowRefused, read_row
from dedup.oprf import Mode, OprfError, blind, finalize_verified
from dedup.person_key import identity_input, person_key_from_output

if TYPE_CHECKING:
    import datetime
    from uuid import UUID

OK: Final = 200
UNAUTHORISED: Final = 401
MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
MARGIN_S: Final = 30
AHEAD_S: Final = 60
"""So long before a token ends the next one is got, beside the questions."""
MAX_ELEMENTS: Final = 5_000
Identifier = tuple[str, str, str]
"""(scheme, value, scope)."""


@dataclass
class Door:
    """Asks one deployment as one of its clients. Raises `Unreachable` for whatever is no good answer."""

    http: httpx.AsyncClient
    url: str
    client_id: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        self._token = ""
        self._token_until = 0.0
        self._signing_in: asyncio.Task[None] | None = None
        self._keys: dict[str, Ed25519PublicKey] = {}

    async def page(self, ask: Ask) -> tuple[Page, str]:
        """A page of the export with its signature, both checked. Raises `Forged`."""
        body = await self._body("GET", "/v1/neighbour/claims", params=ask.params())
        try:
            page, signature = read_page(body, ask)
        except (RowRefused, ValueError, KeyError, TypeError):
            raise Unreachable("no page of the exchange") from None
        await self._check(page, signature)
        return page, signature

    async def claims(self, digests: "Sequence[tuple[datetime.date, UUID]]") -> list[Exchanged]:
        """What the neighbour holds of these digests."""
        content = orjson.dumps({"digests": [[day, encoded(digest.bytes)] for day, digest in digests]})
        body = await self._body(
            "POST",
            "/v1/neighbour/claims/query",
            content=content,
            headers={"Content-Type": "application/json"},
        )
        try:
            return [read_row(fields) for fields in orjson.loads(body)["claims"]]
        except (RowRefused, ValueError, KeyError, TypeError):
            raise Unreachable("no answer of the exchange") from None

    async def person_keys(self, identifiers: Sequence[Identifier], key_id: str) -> list[bytes]:
        """Person keys of the federation under the key of this id; the evaluator sees blinded elements only."""
        public = await self._public_key(key_id)
        found: list[bytes] = []
        for start in range(0, len(identifiers), MAX_ELEMENTS):
            found += await self._evaluated(identifiers[start : start + MAX_ELEMENTS], key_id, public)
        return found

    async def _public_key(self, key_id: str) -> bytes:
        listed = orjson.loads(await self._body("GET", "/v1/tokens/keys"))
        for item in listed.get("items", ()):
            if item.get("key_id") == key_id:
                public = decoded(str(item["public_key"]))
                # An id is a hash of its key: who trusts the id trusts the key.
                if "opk_" + hashlib.sha256(public).hexdigest()[:32] == key_id:
                    return public
        raise Unreachable("the federation's key is not the evaluator's")

    async def _evaluated(self, identifiers: Sequence[Identifier], key_id: str, public: bytes) -> list[bytes]:
        inputs = [identity_input(*each) for each in identifiers]
        blinded = [blind(each, Mode.VOPRF) for each in inputs]
        request = {"elements": [encoded(each.element) for each in blinded], "mode": "voprf", "key_id": key_id}
        answer = orjson.loads(await self._body("POST", "/v1/tokens/evaluate", json=request))
        try:
            evaluated = [decoded(str(each)) for each in answer["evaluated"]]
            outputs = await asyncio.to_thread(
                finalize_verified, inputs, blinded, evaluated, decoded(str(answer["proof"])), public
            )
        except (OprfError, KeyError, TypeError, ValueError):
            raise Forged("an evaluation without a proof") from None
        return [person_key_from_output(output) for output in outputs]

    async def _check(self, page: Page, signature: str) -> None:
        try:
            kid = str(jwt.get_unverified_header(signature).get("kid"))
            if kid not in self._keys:
                await self._read_keys()
            claims = jwt.decode(
                signature,
                self._keys[kid],
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                issuer=ISSUER,
                # A page says what counted when it was made, whatever the clocks of two deployments say.
                options={"require": ["sha512", "iat"], "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, KeyError, UnicodeError):
            raise Forged("a page without the neighbour's signature") from None
        if claims["sha512"] != page.sha512:
            raise Forged("a page that is not the one that was signed")

    async def _read_keys(self) -> None:
        listed = orjson.loads(await self._body("GET", "/.well-known/jwks.json"))
        try:
            self._keys = {
                str(key["kid"]): Ed25519PublicKey.from_public_bytes(decoded(str(key["x"])))
                for key in listed["keys"]
                if key.get("crv") == "Ed25519"
            }
        except (KeyError, TypeError, ValueError):
            raise Unreachable("no list of keys") from None

    async def _body(self, method: str, path: str, **parts: Any) -> bytes:
        headers = dict(parts.pop("headers", {}))
        for last in (False, True):
            headers["Authorization"] = f"Bearer {await self._signed_in()}"
            status, body = await self._send(method, path, headers=headers, **parts)
            if status == OK:
                return body
            if status != UNAUTHORISED or last:
                break
            self._token_until = 0.0
        raise Unreachable(f"status {status}")

    def sign_in_ahead(self) -> "asyncio.Task[None]":
        """Get a token now, so that who asks next need not wait for it."""
        # Goes on where who asks gives up: a token that takes longer than the time-out would never come.
        if self._signing_in is None or self._signing_in.done():
            self._signing_in = asyncio.create_task(self._sign_in())
            self._signing_in.add_done_callback(_retrieve)
        return self._signing_in

    async def _signed_in(self) -> str:
        now = time.monotonic()
        if now >= self._token_until - AHEAD_S:
            task = self.sign_in_ahead()
            if now >= self._token_until:
                await asyncio.shield(task)
        return self._token

    async def _sign_in(self) -> None:
        status, body = await self._send(
            "POST",
            "/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(self.client_id, self.secret),
        )
        if status != OK:
            raise Unreachable(f"sign-in: status {status}")
        try:
            answer = orjson.loads(body)
            self._token = str(answer["access_token"])
            self._token_until = time.monotonic() + int(answer["expires_in"]) - MARGIN_S
        except (ValueError, KeyError, TypeError):
            raise Unreachable("sign-in: no token") from None

    async def _send(self, method: str, path: str, **parts: Any) -> tuple[int, bytes]:
        pieces: list[bytes] = []
        size = 0
        try:
            async with self.http.stream(method, self.url + path, **parts) as answer:
                async for piece in answer.aiter_bytes():
                    size += len(piece)
                    if size > MAX_ANSWER_BYTES:
                        raise Unreachable("too long an answer")
                    pieces.append(piece)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Without its cause: addresses and bodies are not for logs.
            raise Unreachable(type(error).__name__) from None
        return answer.status_code, b"".join(pieces)


def _retrieve(task: "asyncio.Task[None]") -> None:
    """Have nobody complain about the failure of a sign-in that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
