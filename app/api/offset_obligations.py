"""The doors of operators to obligations of firms, and to what is filed against them."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import public_id
from accounts.registry.errors import AccountFrozen
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.http import address_of, json_response, operation, stated_version
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.offsets import errors, filings, obligations, repository
from app.offsets.models import FilingState, OffsetFiling, OffsetObligation
from app.offsets.schemas import (
    FIRM_ID,
    ElsewhereInput,
    FilingList,
    FilingStep,
    FilingView,
    FilingWord,
    ObligationCorrection,
    ObligationInput,
    ObligationList,
    ObligationView,
    filing_view,
    obligation_view,
)
from app.programmes.errors import OutOfRegion
from app.wiring import Services

if TYPE_CHECKING:
    from collections.abc import Sequence

router = APIRouter(prefix="/v1/operator", tags=["operator offsets"])
Reader = Annotated[Principal, Depends(caller(scopes.OFFSETS_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.OFFSETS_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.OFFSETS_APPROVE))]
ObligationId = Annotated[
    str, Path(description="`obl_…`", examples=["obl_01a1fc693a86700e9ae525ac545ac6cd"], max_length=40)
]
FilingId = Annotated[
    str, Path(description="`ofl_…`", examples=["ofl_01a1fc693a86700e9ae525ac545ac6cd"], max_length=40)
]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="`version` that the correction was made from")
]
StateQuery = Annotated[FilingWord | None, Query()]
_INPUT: TypeAdapter[ObligationInput] = TypeAdapter(ObligationInput)
_CORRECTION: TypeAdapter[ObligationCorrection] = TypeAdapter(ObligationCorrection)
_ELSEWHERE: TypeAdapter[ElsewhereInput] = TypeAdapter(ElsewhereInput)
_STEP: TypeAdapter[FilingStep] = TypeAdapter(FilingStep)
_CONFLICT = "request.idempotency_conflict"
_FIGURES = {
    "region": "110000",
    "allowances_issued_t": 100000,
    "allowances_to_surrender_t": 98000,
    "file_by": "2021-09-01",
    "document": {"title": "2021年度配额核定通知", "number": "京环函-2021-118", "issued_on": "2021-06-30"},
}
_OBLIGATION = {"firm_id": FIRM_ID, "market": "beijing", "period": 2021, **_FIGURES}
_ELSEWHERE_EXAMPLE = {
    "lines": [
        {
            "kind": "ccer",
            "region": "130000",
            "vintage": 2019,
            "quantity_kg": 2500000,
            "serials": "CCER-1-2500",
        }
    ],
    "document": "注销证明 2021-77",
}
_REASON = {"reason": "documents seen"}


@router.post(
    "/offset-obligations",
    response_model=ObligationView,
    summary="Put a firm's obligation on record, by its document",
    **operation(
        scopes.OFFSETS_WRITE,
        body=ObligationInput,
        examples=[_OBLIGATION],
        errors=(
            OutOfRegion,
            errors.FirmUnknown,
            errors.MarketUnknown,
            errors.ObligationExists,
            _CONFLICT,
        ),
    ),
)
async def record_obligation(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """What a firm says of itself is never its obligation."""
    raw, wanted = await my.body(request, _INPUT)

    async def act(session: AsyncSession) -> Any:
        now = services.intake.clock()
        row = await obligations.record(session, principal, wanted, now, address_of(request))
        return obligation_view(row, []).model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/offset-obligations",
    response_model=ObligationList,
    summary="Obligations of firms of the region, the newest first",
    **operation(scopes.OFFSETS_READ, errors=("request.invalid",)),
)
async def list_obligations(
    principal: Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """With what is used of their limits."""
    before = my.place("obl", cursor)
    async with services.database.reading() as session:
        rows = await repository.obligations(
            session, organisation_id=None, region=principal.region, before=before, limit=limit + 1
        )
        return await page_of_obligations(session, rows, limit)


@router.get(
    "/offset-obligations/{obligation_id}",
    response_model=ObligationView,
    summary="An obligation",
    **operation(scopes.OFFSETS_READ, errors=(errors.ObligationNotFound,)),
)
async def read_obligation(obligation_id: ObligationId, principal: Reader, services: ServicesDep) -> Response:
    """With what is used of its limits."""
    known = my.id_of("obl", obligation_id, errors.ObligationNotFound)
    async with services.database.reading() as session:
        row = await obligations.seen_by_operator(session, principal, known)
        return json_response(await view_of(session, row))


@router.put(
    "/offset-obligations/{obligation_id}",
    response_model=ObligationView,
    summary="Correct an obligation",
    **operation(
        scopes.OFFSETS_WRITE,
        body=ObligationCorrection,
        examples=[{**_FIGURES, "reason": "the authority corrected the allowances"}],
        errors=(
            errors.ObligationNotFound,
            OutOfRegion,
            errors.FirmUnknown,
            errors.ObligationVersionMissing,
            errors.ObligationCorrectedMeanwhile,
            errors.ObligationBelowFiled,
            _CONFLICT,
        ),
    ),
)
async def correct_obligation(
    obligation_id: ObligationId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """Never below what is filed already. The audit trail keeps what it was."""
    known = my.id_of("obl", obligation_id, errors.ObligationNotFound)
    version = stated_version(if_match, errors.ObligationVersionMissing)
    raw, wanted = await my.body(request, _CORRECTION)

    async def act(session: AsyncSession) -> Any:
        now = services.intake.clock()
        row = await obligations.correct(session, principal, known, version, wanted, now, address_of(request))
        return await view_of(session, row)

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/offset-obligations/{obligation_id}/filings",
    response_model=FilingView,
    summary="File what was retired in another registry for an obligation, by its document",
    **operation(
        scopes.OFFSETS_WRITE,
        body=ElsewhereInput,
        examples=[_ELSEWHERE_EXAMPLE],
        errors=(
            errors.ObligationNotFound,
            errors.OffsetRefused,
            errors.OffsetUndetermined,
            _CONFLICT,
        ),
    ),
)
async def file_elsewhere(
    obligation_id: ObligationId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """It uses up the same limits as units do. Another operator accepts it."""
    known = my.id_of("obl", obligation_id, errors.ObligationNotFound)
    raw, wanted = await my.body(request, _ELSEWHERE)

    async def act(session: AsyncSession) -> Any:
        row = await obligations.seen_by_operator(session, principal, known, lock=True)
        made = await filings.file_elsewhere(session, _actor(request, principal, services), row, wanted)
        return (await filing_views(session, [made]))[0]

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/offset-filings",
    response_model=FilingList,
    summary="What was filed in the region, the newest first",
    **operation(scopes.OFFSETS_READ, errors=("request.invalid",)),
)
async def list_filings(
    principal: Reader,
    services: ServicesDep,
    limit: my.Limit = 50,
    cursor: my.Cursor = None,
    state: StateQuery = None,
) -> Response:
    """With the check that let each in."""
    before = my.place("ofl", cursor)
    async with services.database.reading() as session:
        rows = await repository.filings(
            session,
            organisation_id=None,
            region=principal.region,
            state=None if state is None else FilingState(state),
            before=before,
            limit=limit + 1,
        )
        return await page_of_filings(session, rows, limit)


@router.get(
    "/offset-filings/{filing_id}",
    response_model=FilingView,
    summary="A filing",
    **operation(scopes.OFFSETS_READ, errors=(errors.FilingNotFound,)),
)
async def read_filing(filing_id: FilingId, principal: Reader, services: ServicesDep) -> Response:
    """With its check, and the serials of what was retired."""
    known = my.id_of("ofl", filing_id, errors.FilingNotFound)
    async with services.database.reading() as session:
        row = await repository.filing(session, known)
        if row is None or not principal.may_see_region(row.region):
            raise errors.FilingNotFound
        return json_response((await filing_views(session, [row]))[0])


@router.post(
    "/offset-filings/{filing_id}/acceptance",
    response_model=FilingView,
    summary="Accept a filing: its units are retired for the firm and the period",
    **operation(
        scopes.OFFSETS_APPROVE,
        body=FilingStep,
        examples=[_REASON],
        errors=(
            errors.FilingNotFound,
            errors.FilingDecided,
            errors.AcceptOwnFiling,
            AccountFrozen,
            _CONFLICT,
        ),
    ),
)
async def accept_filing(
    filing_id: FilingId, request: Request, principal: Approver, services: ServicesDep
) -> Response:
    """Retired is final."""
    return await _step(filing_id, request, principal, services, FilingState.ACCEPTED)


@router.post(
    "/offset-filings/{filing_id}/rejection",
    response_model=FilingView,
    summary="Reject a filing: its units are free again",
    **operation(
        scopes.OFFSETS_APPROVE,
        body=FilingStep,
        examples=[{"reason": "the vintage is not documented"}],
        errors=(errors.FilingNotFound, errors.FilingDecided, _CONFLICT),
    ),
)
async def reject_filing(
    filing_id: FilingId, request: Request, principal: Approver, services: ServicesDep
) -> Response:
    """And so is what it used of the limits."""
    return await _step(filing_id, request, principal, services, FilingState.REJECTED)


async def _step(
    filing_id: str, request: Request, principal: Principal, services: Services, state: FilingState
) -> Response:
    known = my.id_of("ofl", filing_id, errors.FilingNotFound)
    raw, wanted = await my.body(request, _STEP)

    async def act(session: AsyncSession) -> Any:
        found = await repository.filing(session, known)
        if found is None or not principal.may_see_region(found.region):
            raise errors.FilingNotFound
        taken, actor = await filings.taken(session, known), _actor(request, principal, services)
        if state is FilingState.ACCEPTED:
            taken = await filings.accept(session, actor, taken, wanted.reason)
        else:
            taken = await filings.end(session, actor, taken, state, wanted.reason)
        return (await filing_views(session, [taken]))[0]

    return await idempotency.write(request, principal, services, raw, act)


def _actor(request: Request, principal: Principal, services: Services) -> filings.Actor:
    return filings.Actor(principal, services.intake.clock(), address_of(request))


async def view_of(session: AsyncSession, row: OffsetObligation) -> Any:
    """An obligation with what is used of its limits."""
    return obligation_view(row, await repository.limits(session, row.id)).model_dump(mode="json")


async def page_of_obligations(
    session: AsyncSession, rows: "Sequence[OffsetObligation]", limit: int
) -> Response:
    """A page of `limit` out of `limit + 1` rows."""
    items = [await view_of(session, row) for row in rows[:limit]]
    following = items[-1]["obligation_id"] if len(rows) > limit else None
    return json_response({"items": items, "next_cursor": following})


async def filing_views(session: AsyncSession, rows: "Sequence[OffsetFiling]") -> list[Any]:
    """Filings with their lines, and the serials of what was retired."""
    lines = await repository.lines(session, [row.id for row in rows])
    retired = await filings.retired(await driver_of(session), lines)
    return [
        filing_view(row, [line for line in lines if line.filing_id == row.id], retired).model_dump(
            mode="json"
        )
        for row in rows
    ]


async def page_of_filings(session: AsyncSession, rows: "Sequence[OffsetFiling]", limit: int) -> Response:
    """A page of `limit` out of `limit + 1` rows."""
    items = await filing_views(session, rows[:limit])
    following = public_id("ofl", rows[limit - 1].id) if len(rows) > limit else None
    return json_response({"items": items, "next_cursor": following})
