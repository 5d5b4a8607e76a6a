"""`Idempotency-Key` on writes: the first answer is kept in the write's own transaction and given again."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from accounts.errors import Fault
from app.api.http import JSON, json_response
from app.api.models import IdempotentAnswer
from app.problems import RequestError
from app.wiring import utc_now

if TYPE_CHECKING:
    from app.auth.principal import Principal
    from app.wiring import Services

MAX_KEY_LENGTH = 255
Act = Callable[[AsyncSession], Awaitable[Any]]


async def write(
    request: Request, principal: "Principal", services: "Services", body: bytes, act: Act
) -> Response:
    """Run a write in one transaction; with an Idempotency-Key, run it once and repeat its answer.

    The key counts for the caller (a resident, or an organisation) and this very address. The body is kept as a keyed
    MAC only.
    """
    found_key = key_of(request, principal, services, body)
    if found_key is None:
        async with services.database.transaction() as session:
            content = await act(session)
        return json_response(content)
    token, mac = found_key
    async with services.database.transaction() as session:
        # One caller at a time for a key; the answer is looked up by the next statement.
        await session.exec(  # type: ignore[call-overload]
            text("SELECT pg_advisory_xact_lock(:key)").bindparams(
                key=int.from_bytes(token[:8], "big", signed=True)
            )
        )
        found = (
            await session.exec(select(IdempotentAnswer).where(col(IdempotentAnswer.token) == token))
        ).first()
        if found is not None:
            if not hmac.compare_digest(found.body_mac, mac):
                raise RequestError("request.idempotency_conflict")
            return Response(found.answer, headers={"Idempotent-Replayed": "true"}, media_type=JSON)
        content = await act(session)
        answer = orjson.dumps(content)
        session.add(IdempotentAnswer(token=token, body_mac=mac, answer=answer, created_at=utc_now()))
    return Response(answer, media_type=JSON)


def key_of(
    request: Request, principal: "Principal", services: "Services", body: bytes
) -> tuple[bytes, bytes] | None:
    """The token of a request's key, and the keyed MAC of its body; None without a key."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise RequestError(
            "request.invalid", Fault("", "Idempotency-Key must be 1 to 255 printable ASCII characters")
        )
    # A resident's keys are the resident's own, whoever issued the token; at an enterprise, each member has its own.
    owner = principal.organisation_id
    if principal.holder_id is not None and not principal.is_enterprise:
        owner = principal.holder_id
    where = f"{request.method} {request.scope['path']}"
    token = services.token_maker.body_mac(orjson.dumps(["idempotency", owner.bytes.hex(), where, key]))
    return token, services.token_maker.body_mac(hashlib.blake2b(body).digest())
