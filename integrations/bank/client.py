"""A bank's own API: OAuth2 client credentials (RFC 6749), and bodies that both sides sign (docs/loans.md).

Every request can be repeated: a message carries an id by which the bank takes it once. Bodies name customers by the
bank's own references, so neither they nor addresses are in an error or a log.
"""

import asyncio
import datetime
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import orjson

from integrations.bank.errors import BankAway, BankRefused
from integrations.bank.files import FileLine, FileUnreadable, read_file
from integrations.bank.signing import BankKeys, Sign

JOSE: Final = "application/jose"
DEADLINE_S: Final = 10.0
"""Of one request as a whole: a time-out of httpx begins anew with every byte."""
MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MARGIN: Final = datetime.timedelta(seconds=30)
LONGEST_TOKEN: Final = datetime.timedelta(hours=1)
EXPIRES: Final = datetime.timedelta(minutes=5)
_OK: Final = range(200, 300)
_UNAUTHORISED, _NOT_FOUND, _ERRORS, _SERVER_ERRORS = 401, 404, 400, 500
_AGAIN: Final = frozenset({401, 408, 409, 425, 429})
_TAKEN: Final = frozenset({"accepted", "duplicate"})


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell a bank, once."""

    id: str
    kind: str
    subject: str
    data: Mapping[str, Any]
    happened_at: datetime.datetime


@dataclass
class BankApi:
    """One bank's API, as one of its clients."""

    http: httpx.AsyncClient
    url: str
    token_url: str
    client_id: str
    secret: str = field(repr=False)
    sign: Sign
    keys: BankKeys
    clock: Callable[[], datetime.datetime]
    deadline_s: float = DEADLINE_S

    def __post_init__(self) -> None:
        self._token = ""
        self._token_until = datetime.datetime.fromtimestamp(0, datetime.UTC)

    async def deliver(self, message: Message) -> str:
        """Tell the bank; the number by which it took the message. Raises `BankAway`, `BankRefused`."""
        now = self.clock()
        body = self.sign(
            {
                "iss": self.keys.ours,
                "aud": self.keys.bank,
                "jti": message.id,
                "iat": int(now.timestamp()),
                "exp": int((now + EXPIRES).timestamp()),
                "kind": message.kind,
                "subject": message.subject,
                "happened_at": message.happened_at.isoformat(),
                "data": dict(message.data),
            }
        )
        status, answer = await self._ask(
            "POST",
            "/v1/notices",
            content=body.encode(),
            headers={"Content-Type": JOSE, "Idempotency-Key": message.id},
        )
        if status not in _OK:
            raise BankRefused(f"status {status}")
        told = self._read(answer)
        if told.get("in_reply_to") != message.id:
            raise BankAway("an answer to something else")
        if told.get("status") not in _TAKEN:
            raise BankRefused("the bank says no")
        return str(told.get("receipt", ""))[:64]

    async def daily_file(self, day: datetime.date) -> list[FileLine] | None:
        """The loans of a day by the bank's books; None while there is no file. Raises `BankAway`, `BankRefused`."""
        path = f"/v1/loan-files/{day.isoformat()}"
        status, answer = await self._ask("GET", path)
        if status == _NOT_FOUND:
            return None
        if status not in _OK:
            raise BankRefused(f"status {status}")
        told = self._read(answer)
        if told.get("day") != day.isoformat():
            raise BankAway("a file of another day")
        status, content = await self._ask("GET", path + "/content", limit=MAX_FILE_BYTES)
        # The file itself bears no signature: its hash is what the bank signed.
        if status not in _OK or hashlib.sha256(content).hexdigest() != told.get("sha256"):
            raise BankAway("the file is not the one that was signed")
        try:
            return read_file(content, int(told["lines"]))
        except (FileUnreadable, KeyError, TypeError, ValueError):
            raise BankAway("the file cannot be read") from None

    def _read(self, answer: bytes) -> dict[str, Any]:
        try:
            return self.keys.read(answer.decode("ascii"), self.clock())
        except UnicodeDecodeError:
            raise BankAway("no signed answer") from None

    async def _ask(
        self, method: str, path: str, *, limit: int = MAX_ANSWER_BYTES, **parts: Any
    ) -> tuple[int, bytes]:
        """Status and body of what is no trouble of the moment; a token that is refused is got anew, once."""
        headers = dict(parts.pop("headers", {}))
        status = 0
        for _ in range(2):
            headers["Authorization"] = f"Bearer {await self._signed_in()}"
            status, body = await self._send(method, self.url + path, limit, headers=headers, **parts)
            if status != _UNAUTHORISED:
                break
            self._token_until = self.clock()
        if status in _AGAIN or status >= _SERVER_ERRORS or (status not in _OK and status < _ERRORS):
            raise BankAway(f"status {status}")
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
                answer = orjson.loads(body) if status in _OK else {}
                self._token, seconds = str(answer["access_token"]), int(answer["expires_in"])
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
                raise BankAway(f"no token, status {status}") from None
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
                        raise BankAway("too long an answer")
                    pieces.append(piece)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            # Without its cause: addresses and bodies are not for logs.
            raise BankAway(type(error).__name__) from None
        return answer.status_code, b"".join(pieces)
