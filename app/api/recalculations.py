"""The doors of recalculations: request, preview, the second operator's approval, cancellation."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import parse_public_id
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.deciding import book_of
from app.api.http import JSON, address_of, cursor_of, json_response, media_type, operation, parse, read_body
from app.auth import scopes
from app.auth.principal import Principal
from app.problems import RequestError
from app.recalculation import decisions, errors, repository
from app.recalculation.models import Recalculation
from app.recalculation.schemas import (
    RecalculationApproval,
    RecalculationInput,
    RecalculationList,
    RecalculationView,
    summary,
    view,
)
from app.versions import errors as versions
from app.versions.drafts import Actor
from app.versions.schemas import StepInput
from app.wiring import Services

router = APIRouter(prefix="/v1/operator/recalculations", tags=["operator recalculations"])

MAX_BYTES = 16_384
Model = TypeVar("Model", bound=BaseModel)
Reader = Annotated[Principal, Depends(caller(scopes.METHODOLOGIES_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.METHODOLOGIES_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.METHODOLOGIES_APPROVE))]
RecalculationId = Annotated[
    str, Path(description="`mrc_…`", examples=["mrc_01a1fc693a86700e9ae525ac545ac6cd"])
]
_REASON = {"reason": "the factor of notice 2026-31"}


@router.get(
    "",
    response_model=RecalculationList,
    summary="Recalculations of the region, the newest first",
    **operation(scopes.METHODOLOGIES_READ, errors=("request.invalid",)),
)
async def list_recalculations(
    principal: Reader,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
) -> Response:
    """Whatever became of them."""
    before = cursor_of("mrc", cursor)
    async with services.database.reading() as session:
        rows = await repository.page(session, principal.region, before, limit + 1)
    items = [summary(row).model_dump(mode="json") for row in rows[:limit]]
    return json_response({"items": items, "next_cursor": items[-1]["id"] if len(rows) > limit else None})


@router.post(
    "",
    response_model=RecalculationView,
    summary="Request a recalculation: its preview is made",
    **operation(
        scopes.METHODOLOGIES_WRITE,
        body=RecalculationInput,
        examples=[{"revision_id": "mrv_01a1fc693a86700e9ae525ac545ac6cd", **_REASON}],
        errors=(
            versions.RevisionNotFound,
            versions.WrongState,
            versions.PeriodsOverlap,
            errors.NotPast,
            errors.AlreadyRequested,
            "request.idempotency_conflict",
        ),
    ),
)
async def request_recalculation(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """Of a submitted version whose text begins in the past. Nothing changes before a second operator approves it."""

    async def act(session: AsyncSession, body: RecalculationInput, actor: Actor) -> Recalculation:
        revision_id = parse_public_id("mrv", body.revision_id)
        if revision_id is None:
            raise versions.RevisionNotFound
        return await decisions.request(session, book_of(services), actor, revision_id, body.reason)

    return await _write(request, principal, services, RecalculationInput, act)


@router.get(
    "/{recalculation_id}",
    response_model=RecalculationView,
    summary="A recalculation with its preview and what is done",
    **operation(scopes.METHODOLOGIES_READ, errors=(errors.RecalculationNotFound,)),
)
async def read_recalculation(
    recalculation_id: RecalculationId, principal: Reader, services: ServicesDep
) -> Response:
    """The preview is of the moment it was made at: what comes in later is recalculated as well."""
    async with services.database.reading() as session:
        found = await repository.find(session, _id(recalculation_id))
    if found is None or not principal.may_see_region(found.region):
        raise errors.RecalculationNotFound
    return json_response(view(found).model_dump(mode="json"))


@router.post(
    "/{recalculation_id}/approval",
    response_model=RecalculationView,
    summary="Approve a recalculation that others requested",
    **operation(
        scopes.METHODOLOGIES_APPROVE,
        body=RecalculationApproval,
        examples=[{"activates_at": "2026-11-30T12:00:00+08:00", **_REASON}],
        errors=(
            errors.RecalculationNotFound,
            errors.WrongState,
            errors.PreviewStale,
            versions.WrongState,
            versions.ApproveOwn,
            versions.EditedMeanwhile,
            versions.NotActivatable,
            versions.LeadTooShort,
            versions.PeriodsOverlap,
            "request.idempotency_conflict",
        ),
    ),
)
async def approve(
    recalculation_id: RecalculationId, request: Request, principal: Approver, services: ServicesDep
) -> Response:
    """By neither the one who requested it nor an author of the text. The version counts from the moment on."""
    known = _id(recalculation_id)

    async def act(session: AsyncSession, body: RecalculationApproval, actor: Actor) -> Recalculation:
        approved, _ = await decisions.approve(
            session, book_of(services), actor, known, body.activates_at, body.reason
        )
        return approved

    answer = await _write(request, principal, services, RecalculationApproval, act)
    await services.live.tell()
    return answer


@router.post(
    "/{recalculation_id}/cancellation",
    response_model=RecalculationView,
    summary="Cancel a recalculation before its approval",
    **operation(
        scopes.METHODOLOGIES_WRITE,
        scopes.METHODOLOGIES_APPROVE,
        body=StepInput,
        examples=[_REASON],
        errors=(errors.RecalculationNotFound, errors.WrongState, "request.idempotency_conflict"),
    ),
)
async def cancel(
    recalculation_id: RecalculationId,
    request: Request,
    principal: Annotated[
        Principal, Depends(caller(scopes.METHODOLOGIES_WRITE, scopes.METHODOLOGIES_APPROVE))
    ],
    services: ServicesDep,
) -> Response:
    """Nothing was changed, and nothing will be; it may be requested anew."""
    known = _id(recalculation_id)

    async def act(session: AsyncSession, body: StepInput, actor: Actor) -> Recalculation:
        return await decisions.cancel(session, actor, known, body.reason)

    return await _write(request, principal, services, StepInput, act)


async def _write(
    request: Request,
    principal: Principal,
    services: Services,
    kind: type[Model],
    act: Callable[[AsyncSession, Model, Actor], Awaitable[Recalculation]],
) -> Response:
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    raw = await read_body(request, MAX_BYTES)
    body = parse(TypeAdapter(kind), raw)

    async def decide(session: AsyncSession) -> Any:
        actor = Actor(principal, services.intake.clock(), address_of(request))
        return view(await act(session, body, actor)).model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, decide)


def _id(text: str) -> UUID:
    found = parse_public_id("mrc", text)
    if found is None:
        raise errors.RecalculationNotFound
    return found
