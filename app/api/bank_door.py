"""Who may enter the doors at which a bank asks about customers; who may not is told to those customers."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import Request

from accounts.ids import parse_public_id
from app.api.access import admit, services_of
from app.api.http import read_body
from app.auth.principal import Principal
from app.banking.outsiders import Attempt, note
from app.banking.terms import Purpose
from app.problems import RequestError
from app.wiring import utc_now

if TYPE_CHECKING:
    from uuid import UUID

    from app.my_data.access import What
    from app.wiring import Services

MAX_BYTES = 1_048_576
MOST_NAMED = 1_000
TOLD = frozenset({"auth.missing", "auth.invalid", "auth.scope"})


def bank_caller(what: "What", scope: str) -> Callable[..., Awaitable[Principal]]:
    """A dependency that lets in who holds the scope, and tells customers of others who asked `what` of them."""
    wanted = frozenset({scope})

    async def dependency(request: Request) -> Principal:
        services = services_of(request)
        try:
            return await admit(request, services, wanted)
        except RequestError as refused:
            if refused.code in TOLD:
                await _tell(request, services, what)
            raise

    dependency.__name__ = f"bank_caller_{what}"
    return dependency


async def _tell(request: Request, services: "Services", what: "What") -> None:
    """Names of customers are random: who has one has it from the bank. A caller who is known has a rate."""
    token = request.headers.get("authorization", "").partition(" ")[2].strip()
    caller = services.tokens.whose(token, utc_now())
    if caller is not None:
        await services.limiter.check(caller.client_id)
    try:
        body = orjson.loads(await read_body(request, MAX_BYTES))
    except (orjson.JSONDecodeError, RequestError):
        return
    references = list(_references(body))[:MOST_NAMED]
    if not references:
        return
    purpose = body.get("purpose")
    known = purpose if isinstance(purpose, str) and purpose in {each.value for each in Purpose} else None
    async with services.database.driver_transaction() as driver:
        await note(driver, Attempt(caller, what, known, references), services.intake.clock())


def _references(body: Any) -> "set[UUID]":
    """Whom a query names, by whichever of the fields that name customers."""
    if not isinstance(body, dict):
        return set()
    many = body.get("customers")
    named = [body, body.get("customer"), *(many if isinstance(many, list) else ())]
    texts = [each.get("reference") for each in named if isinstance(each, dict)]
    found = (parse_public_id("cus", text) for text in texts if isinstance(text, str))
    return {each for each in found if each is not None}
