"""The doors of market participants to their own obligations: try a filing out, file, withdraw."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.registry.errors import AccountFrozen
from accounts.units.errors import InsufficientUnits
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.http import address_of, json_response, operation
from app.api.offset_obligations import (
    FilingId,
    ObligationId,
    StateQuery,
    filing_views,
    page_of_filings,
    page_of_obligations,
    view_of,
)
from app.auth import scopes
from app.auth.principal import Principal
from app.offsets import errors, filings, obligations, repository
from app.offsets.models import FilingState
from app.offsets.schemas import (
    ORIGIN_ID,
    CheckInput,
    CheckView,
    FilingInput,
    FilingList,
    FilingStep,
    FilingView,
    ObligationList,
    ObligationView,
    check_view,
)
from app.wiring import Services
from dedup.periods import LOCAL

router = APIRouter(prefix="/v1/market", tags=["market offsets"])
Reader = Annotated[Principal, Depends(caller(scopes.MARKET_OFFSETS_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.MARKET_OFFSETS_WRITE))]
_FILING: TypeAdapter[FilingInput] = TypeAdapter(FilingInput)
_CHECK: TypeAdapter[CheckInput] = TypeAdapter(CheckInput)
_STEP: TypeAdapter[FilingStep] = TypeAdapter(FilingStep)
_CONFLICT = "request.idempotency_conflict"
_NATION = "100000"
_CHECK_EXAMPLE = {
    "filed_on": "2021-09-01",
    "lines": [{"kind": "ccer", "region": "130000", "vintage": 2019, "quantity_kg": 2500000}],
}


@router.get(
    "/offset-obligations",
    response_model=ObligationList,
    summary="My obligations, the newest first",
    **operation(scopes.MARKET_OFFSETS_READ, errors=("request.invalid",)),
)
async def list_own_obligations(
    principal: Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """As operators recorded them, with what is used of their limits."""
    before = my.place("obl", cursor)
    async with services.database.reading() as session:
        rows = await repository.obligations(
            session, organisation_id=principal.organisation_id, region=_NATION, before=before, limit=limit + 1
        )
        return await page_of_obligations(session, rows, limit)


@router.get(
    "/offset-obligations/{obligation_id}",
    response_model=ObligationView,
    summary="One of my obligations",
    **operation(scopes.MARKET_OFFSETS_READ, errors=(errors.ObligationNotFound,)),
)
async def read_own_obligation(
    obligation_id: ObligationId, principal: Reader, services: ServicesDep
) -> Response:
    """With what is used of its limits."""
    known = my.id_of("obl", obligation_id, errors.ObligationNotFound)
    async with services.database.reading() as session:
        row = await obligations.seen_by_firm(session, principal.organisation_id, known)
        return json_response(await view_of(session, row))


@router.post(
    "/offset-obligations/{obligation_id}/check",
    response_model=CheckView,
    summary="Try out what a filing would come to",
    **operation(
        scopes.MARKET_OFFSETS_READ,
        body=CheckInput,
        examples=[_CHECK_EXAMPLE],
        errors=(errors.ObligationNotFound, errors.OriginUnknown),
    ),
)
async def try_filing(
    obligation_id: ObligationId, request: Request, principal: Reader, services: ServicesDep
) -> Response:
    """Clause by clause, with figures and sources; nothing is written or held back."""
    known = my.id_of("obl", obligation_id, errors.ObligationNotFound)
    _, wanted = await my.body(request, _CHECK)
    today = services.intake.clock().astimezone(LOCAL).date()
    async with services.database.reading() as session:
        row = await obligations.seen_by_firm(session, principal.organisation_id, known)
        report = await filings.try_out(session, row, wanted, today)
    return json_response(check_view(report).model_dump(mode="json"))


@router.post(
    "/offset-obligations/{obligation_id}/filings",
    response_model=FilingView,
    summary="File units that I hold against one of my obligations",
    **operation(
        scopes.MARKET_OFFSETS_WRITE,
        body=FilingInput,
        examples=[{"lines": [{"origin_id": ORIGIN_ID, "quantity_kg": 2500000}]}],
        errors=(
            errors.ObligationNotFound,
            errors.OriginUnknown,
            errors.OffsetRefused,
            errors.OffsetUndetermined,
            InsufficientUnits,
            AccountFrozen,
            _CONFLICT,
        ),
    ),
)
async def file_units(
    obligation_id: ObligationId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """They are held back until an operator accepts or rejects it. A clause that is not known keeps it out."""
    known = my.id_of("obl", obligation_id, errors.ObligationNotFound)
    raw, wanted = await my.body(request, _FILING)

    async def act(session: AsyncSession) -> Any:
        row = await obligations.seen_by_firm(session, principal.organisation_id, known, lock=True)
        made = await filings.file(session, _actor(request, principal, services), row, wanted)
        return (await filing_views(session, [made]))[0]

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/offset-filings",
    response_model=FilingList,
    summary="What I filed, the newest first",
    **operation(scopes.MARKET_OFFSETS_READ, errors=("request.invalid",)),
)
async def list_own_filings(
    principal: Reader,
    services: ServicesDep,
    limit: my.Limit = 50,
    cursor: my.Cursor = None,
    state: StateQuery = None,
) -> Response:
    """What operators filed of other registries for me too."""
    before = my.place("ofl", cursor)
    async with services.database.reading() as session:
        rows = await repository.filings(
            session,
            organisation_id=principal.organisation_id,
            region=_NATION,
            state=None if state is None else FilingState(state),
            before=before,
            limit=limit + 1,
        )
        return await page_of_filings(session, rows, limit)


@router.get(
    "/offset-filings/{filing_id}",
    response_model=FilingView,
    summary="One of my filings",
    **operation(scopes.MARKET_OFFSETS_READ, errors=(errors.FilingNotFound,)),
)
async def read_own_filing(filing_id: FilingId, principal: Reader, services: ServicesDep) -> Response:
    """With its check, and the serials of what was retired."""
    known = my.id_of("ofl", filing_id, errors.FilingNotFound)
    async with services.database.reading() as session:
        row = await repository.filing(session, known)
        if row is None or row.organisation_id != principal.organisation_id:
            raise errors.FilingNotFound
        return json_response((await filing_views(session, [row]))[0])


@router.post(
    "/offset-filings/{filing_id}/withdrawal",
    response_model=FilingView,
    summary="Withdraw one of my filings that is not decided",
    **operation(
        scopes.MARKET_OFFSETS_WRITE,
        body=FilingStep,
        examples=[{"reason": "filed in error"}],
        errors=(errors.FilingNotFound, errors.FilingDecided, _CONFLICT),
    ),
)
async def withdraw_filing(
    filing_id: FilingId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """Its units are free again."""
    known = my.id_of("ofl", filing_id, errors.FilingNotFound)
    raw, wanted = await my.body(request, _STEP)

    async def act(session: AsyncSession) -> Any:
        found = await repository.filing(session, known)
        if found is None or found.organisation_id != principal.organisation_id or found.elsewhere:
            raise errors.FilingNotFound
        taken = await filings.taken(session, known)
        actor = _actor(request, principal, services)
        ended = await filings.end(session, actor, taken, FilingState.WITHDRAWN, wanted.reason)
        return (await filing_views(session, [ended]))[0]

    return await idempotency.write(request, principal, services, raw, act)


def _actor(request: Request, principal: Principal, services: Services) -> filings.Actor:
    return filings.Actor(principal, services.intake.clock(), address_of(request))
