"""Asking another service: time-outs, retries where nothing can happen twice, and answers that are JSON or refused.

Addresses and bodies of these requests carry secrets and identifiers, so no error here keeps its cause, and httpx,
which would log each address, is told not to.
"""

import asyncio
import logging
from typing import Any

import httpx
import orjson
import structlog

from integrations.errors import ProviderBusy, ProviderFailed

log = structlog.get_logger(__name__)
TIMEOUT = httpx.Timeout(4, connect=2)
DEADLINE_S = 6
"""Of one attempt as a whole: a time-out of httpx begins anew with every byte."""
MAX_ANSWER_BYTES = 64 * 1024
MAX_CONNECTIONS = 50
OK = 200
TOO_MANY = 429
SERVER_ERRORS = 500
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def client() -> httpx.AsyncClient:
    """A client that follows no redirect, trusts no environment proxy with secrets, and logs no address."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.AsyncClient(
        timeout=TIMEOUT,
        follow_redirects=False,
        trust_env=False,
        limits=httpx.Limits(max_connections=MAX_CONNECTIONS),
    )


async def ask(
    http: httpx.AsyncClient, provider: str, method: str, url: str, *, repeatable: bool = False, **parts: Any
) -> tuple[int, bytes, dict[str, Any]]:
    """Status below 500, body, and its JSON object.

    A request that was never sent is tried once more, and so is one that is `repeatable`. Raises `ProviderBusy` or
    `ProviderFailed`.
    """
    for last in (False, True):
        try:
            async with asyncio.timeout(DEADLINE_S):
                status, body = await _once(http, method, url, parts)
        except (httpx.TransportError, httpx.DecodingError, TimeoutError) as error:
            fault, sent = type(error).__name__, not isinstance(error, _NEVER_SENT)
        else:
            if status < SERVER_ERRORS and status != TOO_MANY:
                return status, body, _json(provider, status, body)
            fault, sent = f"status {status}", True
        if last or (sent and not repeatable):
            break
    log.warning("provider away", provider=provider, fault=fault)
    raise ProviderBusy


async def _once(http: httpx.AsyncClient, method: str, url: str, parts: dict[str, Any]) -> tuple[int, bytes]:
    body = b""
    async with http.stream(method, url, **parts) as answer:
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                return answer.status_code, b""
    return answer.status_code, body


def _json(provider: str, status: int, body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        raise failed(provider, f"no JSON object, status {status}")
    return content


def failed(provider: str, fault: str) -> ProviderFailed:
    """The error to raise, with a line in the log for the operator; `fault` holds no value that was sent."""
    log.error("provider failed", provider=provider, fault=fault)
    return ProviderFailed()
