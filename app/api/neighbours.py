"""The doors of neighbouring deployments: what is claimed here, as digests; bit by bit, or what is asked about."""

import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import TypeAdapter

from accounts.errors import Fault
from app.api.access import ServicesDep, caller
from app.api.http import NDJSON, json_response, operation, read_json
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.neighbours import pages, repository
from app.neighbours.errors import CursorInvalid
from app.neighbours.schemas import DigestAnswers, DigestQuestions
from app.problems import RequestError
from dedup.encoding import decoded
from dedup.exchange import fields_of

router = APIRouter(prefix="/v1/neighbour/claims", tags=["neighbours"])
MAX_BYTES = 512 * 1024
MAX_DAYS = 1_100
_QUESTIONS: TypeAdapter[DigestQuestions] = TypeAdapter(DigestQuestions)
_EARLIEST, _LATEST = datetime.date(2000, 1, 1), datetime.date(2200, 1, 1)
_OPERATION = operation(scopes.NEIGHBOUR_CLAIMS, errors=("request.invalid", CursorInvalid))
_OPERATION["responses"][200] = {
    "content": {NDJSON: {"schema": {"type": "string", "description": "A head, one claim a line, and a foot"}}}
}
Asker = Annotated[Principal, Depends(caller(scopes.NEIGHBOUR_CLAIMS))]


@router.get(
    "",
    response_class=Response,
    summary="What is claimed here, as signed pages",
    **_OPERATION,
)
async def export_claims(
    principal: Asker,  # noqa: ARG001 - who holds the scope may ask; all neighbours are told the same
    services: ServicesDep,
    from_day: Annotated[datetime.date, Query(description="First local day", examples=["2026-11-01"])],
    to_day: Annotated[datetime.date, Query(description="Last local day", examples=["2026-11-30"])],
    since: Annotated[
        int, Query(ge=0, lt=pages.MAX_TRANSACTION, description="`until` of the last whole export; 0 for all")
    ] = 0,
    after: Annotated[str | None, Query(max_length=200, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=pages.MAX_ROWS)] = pages.MAX_ROWS,
) -> Response:
    """NDJSON by day and digest: a head, claims, and a foot that signs what stands above it (docs/neighbours.md)."""
    if not _EARLIEST <= from_day <= to_day <= _LATEST or (to_day - from_day).days > MAX_DAYS:
        fault = Fault("/to_day", f"at most {MAX_DAYS} days, from_day first")
        raise RequestError("request.invalid", fault)
    ask = pages.Ask(from_day, to_day, since, after, limit)
    place = (from_day, pages.FIRST, pages.FIRST)
    async with services.database.reading() as session:
        driver = await driver_of(session)
        until = await repository.horizon(driver)
        if after is not None:
            asked_until, place = pages.place_of(after)
            # Another's cursor, or one of a database that was restored, must not let what is being written pass by.
            if asked_until > until:
                raise CursorInvalid
            until = asked_until
        rows = await repository.read_ledger(driver, (from_day, to_day), (since, until), place, limit + 1)
    shown = rows[:limit]
    following = pages.cursor(until, shown[-1]) if len(rows) > limit else None
    body = pages.signed_page(services.tokens.keys, ask, until, shown, following, services.intake.clock())
    return Response(body, media_type=NDJSON, headers={"Cache-Control": "no-store"})


@router.post(
    "/query",
    response_model=DigestAnswers,
    summary="Ask what is held of up to 5,000 digests",
    **operation(
        scopes.NEIGHBOUR_CLAIMS,
        body=DigestQuestions,
        examples=[{"digests": [["2026-11-16", "AAAAAAAAAAAAAAAAAAAAAA"]]}],
    ),
)
async def query_digests(request: Request, principal: Asker, services: ServicesDep) -> Response:  # noqa: ARG001
    """For the moment before an act is credited elsewhere; it may be otherwise in the next. Nothing is claimed."""
    body = await read_json(request, _QUESTIONS, MAX_BYTES)
    asked = [(day, repository.digest_of(decoded(digest))) for day, digest in body.digests]
    async with services.database.statement() as driver:
        found = await repository.live_of(driver, asked)
    return json_response({"claims": [fields_of(row) for row in found]}, headers={"Cache-Control": "no-store"})
