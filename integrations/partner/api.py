"""A partner's API: OAuth2 client credentials (RFC 6749), and bodies that both sides sign.

Neither addresses nor bodies are in an error or a log.
"""

import asyncio
import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import orjson

from integrations.partner.errors import PartnerAway
from integrations.partner.signing import PartnerKeys, Sign

JOSE: Final = "application/jose"
DEADLINE_S: Final = 10.0
"""Of one request as a whole: a time-out of httpx begins anew with every byte."""
MAX_ANSWER_BYTES: Final = 64 * 1024
MARGIN: Final = datetime.timedelta(seconds=30)
LONGEST_TOKEN: Final = datetime.timedelta(hours=1)
EXPIRES: Final = datetime.timedelta(minutes=5)
OK: Final = range(200, 300)
UNAUTHORISED, NOT_FOUND, ERRORS, SERVER_ERRORS = 401, 404, 400, 500
AGAIN: Final = frozenset({401, 408, 409, 425, 429})


@dataclass
class SignedApi:
    """One partner's API, as one of its clients."""

    http: httpx.AsyncClient
    url: str
    token_url: str
    client_id: str
    secret: str = field(repr=False)
    sign: Sign
    keys: PartnerKeys
    clock: Callable[[], datetime.datetime]
    deadline_s: float = DEADLINE_S

    def __post_init__(self) -> None:
        self._token = ""
        self._token_until = datetime.datetime.fromtimestamp(0, datetime.UTC)

    def signed(self, message_id: str, claims: dict[str, Any]) -> str:
        """A body of ours with an id of its own, for this partner, just now."""
        now = self.clock()
        return self.sign(
            {
                "iss": self.keys.ours,
                "aud": self.keys.partner,
                "jti": message_id,
                "iat": int(now.timestamp()),
                "exp": int((now + EXPIRES).timestamp()),
                **claims,
            }
        )

    def read(self, answer: bytes) -> dict[str, Any]:
        """What the partner signed. Raises `PartnerAway`."""
        try:
            return self.keys.read(answer.decode("ascii"), self.clock())
        except UnicodeDecodeError:
            raise PartnerAway("no signed answer") from None

    async def ask(
        self, method: str, path: str, *, limit: int = MAX_ANSWER_BYTES, **parts: Any
    ) -> tuple[int, bytes]:
        """Status and body of what is no trouble of the moment; a token that is refused is got anew, once."""
        headers = dict(parts.pop("headers", {}))
        status = 0
        for _ in range(2):
            headers["Authorization"] = f"Bearer {await self._signed_in()}"
            status, body = await self._send(method, self.url + path, limit, headers=headers, **parts)
            if status != UNAUTHORISED:
                break
            self._token_until = self.clock()
        if status in AGAIN or status >= SERVER_ERRORS or (status not in OK and status < ERRORS):
            raise PartnerAway(f"status {status}")
        return status, body

    async def _signed_in(self) -> str:
        if self.clock() >= self._token_until - MARGIN:
            status, body = await self._send(
                "POST",
                self.token_url,
                MAX_ANSWER_BYTES,
                data={"grant_type": "client_credentials"},
                auth=(self.client_id, self.secret),
            )
            try:
                answer = orjson.loads(body) if status in OK else {}
                self._token, seconds = str(answer["access_token"]), int(answer["expires_in"])
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
                raise PartnerAway(f"no token, status {status}") from None
            self._token_until = self.clock() + min(datetime.timedelta(seconds=max(seconds, 0)), LONGEST_TOKEN)
        return self._token

    async def _send(self, method: str, url: str, limit: int, **parts: Any) -> tuple[int, bytes]:
        pieces: list[bytes] = []
        size = 0
        try:
            async with (
                asyncio.timeout(self.deadline_s),
                self.http.stream(method, url, **parts) as answer,
            ):
                async for piece in answer.aiter_bytes():
                    size += len(piece)
                    if size > limit:
                        raise PartnerAway("too long an answer")
                    pieces.append(piece)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            # Without its cause: addresses and bodies are not for logs.
            raise PartnerAway(type(error).__name__) from None
        return answer.status_code, b"".join(pieces)
