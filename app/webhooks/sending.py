"""One attempt to deliver: a signed POST to a checked address. What comes back is bounded and never trusted."""

import asyncio
import datetime
import email.utils
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from app.webhooks.targets import Target

MAX_ANSWER_BYTES = 1_024
MAX_EXCERPT = 200
MAX_RETRY_AFTER_S = 86_400
_EXCERPT_TIMEOUT_S = 2
_CONNECT_S = 5
_OK = range(200, 300)
_WAIT = (429, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Answer:
    """How a receiver answered: status, or what went wrong instead; the beginning of a refusal's body."""

    status: int | None
    error: str | None
    excerpt: str | None = None
    retry_after_s: int = 0

    @property
    def accepted(self) -> bool:
        """Whether the delivery is done."""
        return self.status is not None and self.status in _OK


def tls() -> ssl.SSLContext:
    """One context for all deliveries; reading the certificates takes a while."""
    return httpx.create_ssl_context(trust_env=False)


def client_for(context: ssl.SSLContext, most: int) -> httpx.AsyncClient:
    """Connections to one endpoint. Shared by endpoints, they could be another name's at the same address."""
    return httpx.AsyncClient(
        verify=context,
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(None, connect=_CONNECT_S),
        limits=httpx.Limits(max_connections=most),
        headers={"User-Agent": "Tanpuhui-Webhooks/1", "Accept-Encoding": "identity", "Accept": "*/*"},
    )


async def send(
    client: httpx.AsyncClient,
    target: Target,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime.datetime,
    timeout_s: float,
) -> Answer:
    """Deliver once; whatever happens is an answer. The time is for connecting, sending, and the answer's head."""
    try:
        async with (
            asyncio.timeout(timeout_s),
            client.stream(
                "POST",
                target.pinned,
                content=body,
                headers={**headers, "Host": target.host_header, "Content-Type": "application/json"},
                extensions={"sni_hostname": target.server_name},
            ) as response,
        ):
            if response.status_code in _OK:
                return Answer(response.status_code, None)
            wait_s = _retry_after(response, now) if response.status_code in _WAIT else 0
            return Answer(response.status_code, None, await _excerpt(response), wait_s)
    except (httpx.TimeoutException, TimeoutError):
        return Answer(None, "timeout")
    except httpx.ConnectError as error:
        return Answer(None, "tls" if _of_tls(error) else "connect")
    except (httpx.HTTPError, ssl.SSLError, OSError, ValueError):
        return Answer(None, "protocol")


def _of_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None


async def _excerpt(response: httpx.Response) -> str | None:
    """The beginning of a body as one printable line."""
    received = b""
    try:
        async with asyncio.timeout(_EXCERPT_TIMEOUT_S):
            async for chunk in response.aiter_raw(MAX_ANSWER_BYTES):
                received += chunk
                if len(received) >= MAX_ANSWER_BYTES:
                    break
    except (httpx.HTTPError, TimeoutError):
        pass
    text = received[:MAX_ANSWER_BYTES].decode("utf-8", "replace")
    line = "".join(char if char.isprintable() else " " for char in text)[:MAX_EXCERPT].strip()
    return line or None


def _retry_after(response: httpx.Response, now: datetime.datetime) -> int:
    text = response.headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        seconds = int(text[:9])
    else:
        try:
            seconds = int((email.utils.parsedate_to_datetime(text) - now).total_seconds())
        except (ValueError, TypeError, OverflowError):
            return 0
    return max(0, min(seconds, MAX_RETRY_AFTER_S))
