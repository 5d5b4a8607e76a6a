"""The service's HTTP API as a source or an operator calls it: sign-in, batches, patience.

Everything that is sent may be sent again: a report is known by its event id, a holder by its identities.
So a request that got no answer is simply repeated, and a service that is killed and restarted in the middle
loses nothing.
"""

import asyncio
import email.utils
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

MAX_BATCH = 5_000
"""Most items that the service takes in one request."""

_RETRIED = frozenset((429, 502, 503, 504))
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 10.0
_LONGEST_ASKED_WAIT_S = 60.0
_REFRESH_BEFORE_S = 30.0
_JSON = {"Content-Type": "application/json", "Accept-Language": "en"}


class ApiError(Exception):
    """The service refused a request, or stayed away longer than was waited for.

    `code` is the problem's stable code, or `unreachable`; `status` is 0 where there was no answer.
    """

    def __init__(self, code: str, status: int, detail: str, errors: Sequence[Mapping[str, Any]] = ()) -> None:
        where = "; ".join(f"{each.get('pointer', '')} {each.get('reason', '')}" for each in errors[:3])
        super().__init__(
            f"{detail} ({code}{', HTTP ' + str(status) if status else ''}){': ' + where if where else ''}"
        )
        self.code = code
        self.status = status
        self.errors = list(errors)


class Api:
    """One client of the service, with its id and secret. An asynchronous context manager.

    `patience_s` bounds how long one request is repeated while the service is away or busy.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        secret: str,
        *,
        patience_s: float = 120.0,
        timeout_s: float = 60.0,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(timeout_s, connect=5.0),
            transport=transport,
            headers=_JSON,
            trust_env=False,
        )
        self._credentials = httpx.BasicAuth(client_id, secret)
        self._patience_s = patience_s
        self._clock = clock
        self._sleep = sleep
        self._token = ""
        self._token_until = 0.0
        self._signing_in = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def onboard(self, holders: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Onboard holders with identities and consents; one answer each, in order.

        `holder_id`, `created`, and `error` (null, or why this one was refused).
        """
        items: list[dict[str, Any]] = []
        for start in range(0, len(holders), MAX_BATCH):
            body = {"holders": list(holders[start : start + MAX_BATCH])}
            items += (await self.post("/v1/operator/holders/batch", body))["items"]
        return items

    async def report(self, reports: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Report activities; one outcome each, in order."""
        items: list[dict[str, Any]] = []
        for start in range(0, len(reports), MAX_BATCH):
            body = list(reports[start : start + MAX_BATCH])
            items += (await self.post("/v1/activities/batch", body))["items"]
        return items

    async def holder_token(self, holder_id: str) -> str:
        """Return a read-only token of a holder, issued by an operator."""
        answer = await self.post(f"/v1/operator/holders/{holder_id}/token", {})
        return str(answer["access_token"])

    async def get(self, path: str, *, token: str | None = None, **params: str | int) -> Any:
        """Read `path`; with `token` as its bearer instead of this client."""
        return await self._call("GET", path, token=token, params=params)

    async def post(
        self, path: str, body: object, *, token: str | None = None, etag: int | None = None
    ) -> Any:
        """Send `body` as JSON; repeated until it is answered, so it must bear being sent twice."""
        return await self._call("POST", path, token=token, content=orjson.dumps(body), etag=etag)

    async def put(self, path: str, body: object, etag: int) -> Any:
        """Replace what is at `path` and was read with `etag`."""
        return await self._call("PUT", path, token=None, content=orjson.dumps(body), etag=etag)

    async def download(self, path: str, **params: str) -> AsyncIterator[bytes]:
        """What `path` exports, piece by piece as it comes."""
        headers = {"Authorization": f"Bearer {await self._signed_in()}"}
        async with self._http.stream("GET", path, params=params, headers=headers) as answer:
            if not answer.is_success:
                await answer.aread()
                _body(answer)
            async for piece in answer.aiter_bytes():
                yield piece

    async def _call(
        self,
        method: str,
        path: str,
        *,
        token: str | None,
        content: bytes | None = None,
        params: Mapping[str, str | int] | None = None,
        etag: int | None = None,
    ) -> Any:
        answer = await self._attempt(method, path, token, content, params, etag)
        if answer.status_code == httpx.codes.UNAUTHORIZED and token is None:
            # The service may have come back with other keys: one new sign-in, then its word counts.
            self._token = ""
            answer = await self._attempt(method, path, None, content, params, etag)
        return _body(answer)

    async def _attempt(
        self,
        method: str,
        path: str,
        token: str | None,
        content: bytes | None,
        params: Mapping[str, str | int] | None,
        etag: int | None,
    ) -> httpx.Response:
        bearer = token if token is not None else await self._signed_in()

        def request() -> Awaitable[httpx.Response]:
            headers = {"Authorization": f"Bearer {bearer}"}
            if etag is not None:
                headers["If-Match"] = str(etag)
            return self._http.request(method, path, content=content, params=params or None, headers=headers)

        return await self._patiently(request)

    async def _signed_in(self) -> str:
        async with self._signing_in:
            if not self._token or self._clock() >= self._token_until:
                asked_at = self._clock()
                form = {"grant_type": "client_credentials"}

                def request() -> Awaitable[httpx.Response]:
                    headers = {"Content-Type": "application/x-www-form-urlencoded"}
                    return self._http.post("/oauth/token", data=form, auth=self._credentials, headers=headers)

                granted = _body(await self._patiently(request))
                life_s = float(granted.get("expires_in", 0))
                self._token = str(granted["access_token"])
                self._token_until = asked_at + max(life_s - _REFRESH_BEFORE_S, life_s / 2)
            return self._token

    async def _patiently(self, request: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """Repeat while the service is away or busy, within the patience; then the last answer counts."""
        give_up_at = self._clock() + self._patience_s
        wait_s = _FIRST_WAIT_S
        while True:
            asked_s: float | None = None
            answer: httpx.Response | None = None
            problem: httpx.TransportError | None = None
            try:
                answer = await request()
            except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
                raise ApiError("unreachable", 0, f"This address cannot be called: {error}") from None
            except httpx.TransportError as error:
                problem = error
            if answer is not None:
                if answer.status_code not in _RETRIED:
                    return answer
                asked_s = _retry_after_s(answer)
            pause_s = wait_s if asked_s is None else min(asked_s, _LONGEST_ASKED_WAIT_S)
            if self._clock() + pause_s > give_up_at:
                if answer is not None:
                    return answer
                reason = type(problem).__name__
                raise ApiError(
                    "unreachable", 0, f"No service answers at {self._http.base_url} ({reason})"
                ) from None
            await self._sleep(pause_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Seconds that the service asks to wait: a number, or an HTTP date."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _body(answer: httpx.Response) -> Any:
    try:
        document = orjson.loads(answer.content) if answer.content else None
    except orjson.JSONDecodeError:
        document = None
    if answer.is_success:
        if document is None:
            raise ApiError("unreadable", answer.status_code, "The answer is no JSON")
        return document
    problem = document if isinstance(document, dict) else {}
    code = str(problem.get("code") or problem.get("error") or f"http.{answer.status_code}")
    detail = str(problem.get("detail") or problem.get("title") or answer.reason_phrase or "refused")
    errors = problem.get("errors")
    raise ApiError(code, answer.status_code, detail, errors if isinstance(errors, list) else ())
