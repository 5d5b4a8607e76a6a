"""The doors of operators to neighbours: agreements, how far the exchange is, and what is claimed here and there."""

import csv
import io
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import parse_public_id, public_id
from accounts.offsetting.errors import GramsUsed
from app.api import idempotency, my, programmes
from app.api.access import ServicesDep, caller
from app.api.http import address_of, json_response, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.crediting.errors import AlreadyReversed, NotReversible
from app.neighbours import double_repository, reconciling, repository
from app.neighbours.agreements import NeighbourAgreement
from app.neighbours.errors import DoubleNotFound, NeighbourNotFound, NotLost
from app.neighbours.models import DoubleClaim, DoubleState, Neighbour
from app.neighbours.schemas import (
    DoubleList,
    DoubleView,
    NeighbourList,
    YieldAnswer,
    YieldInput,
    double_view,
    neighbour_view,
)
from app.programmes import errors as texts
from app.programmes.models import Kind
from app.programmes.schemas import ApprovalInput, NeighbourAgreementList, NeighbourAgreementView

router = APIRouter(prefix="/v1/operator", tags=["operator neighbours"])
CSV = "text/csv"
_YIELD: TypeAdapter[YieldInput] = TypeAdapter(YieldInput)
Reader = Annotated[Principal, Depends(caller(scopes.NEIGHBOURS_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.NEIGHBOURS_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.NEIGHBOURS_APPROVE))]
NeighbourId = Annotated[str, Path(description="`nbr_…`", examples=["nbr_01a1fc693a86700e9ae525ac545ac6cd"])]
ActivityId = Annotated[str, Path(description="`act_…`", examples=["act_01a1fc693a86700e9ae525ac545ac6cd"])]
_RECONCILIATION = operation(scopes.NEIGHBOURS_READ, errors=(NeighbourNotFound, "request.invalid"))
_RECONCILIATION["responses"][200] = {
    "content": {CSV: {"schema": {"type": "string", "description": "A head and one act a line"}}}
}
_AGREEMENT = {
    "region": "440300",
    "from": "2027-01-01",
    "neighbours": [
        {
            "neighbour": "org_01a1fc693a86700e9ae525ac545ac6cd",
            "recognises": ["trip.metro", "trip.bus"],
            "precedence": "arrival",
            "losses": "operator",
            "asks_first": True,
        }
    ],
}
_REASON = {"reason": "council decision 2026-118"}


@router.get(
    "/neighbours",
    response_model=NeighbourList,
    summary="Neighbouring deployments, and how far the exchange with each is",
    **operation(scopes.NEIGHBOURS_READ),
)
async def list_neighbours(principal: Reader, services: ServicesDep) -> Response:  # noqa: ARG001 - of all regions
    """They are registered by `tanpuhui neighbours add`."""
    async with services.database.reading() as session:
        found = await repository.neighbours(session, also_disabled=True)
    return json_response({"items": [neighbour_view(each).model_dump(mode="json") for each in found]})


@router.get(
    "/neighbours/{neighbour_id}/reconciliation",
    response_model=DoubleList,
    summary="Acts of the region that were credited here and at the neighbour",
    **_RECONCILIATION,
)
async def reconciliation(
    neighbour_id: NeighbourId,
    principal: Reader,
    services: ServicesDep,
    state: Annotated[DoubleState | None, Query(description="Only those; all where absent")] = None,
    limit: my.Limit = 50,
    cursor: my.Cursor = None,
    format_: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> Response:
    """Who keeps each by the agreement. No person, and nothing of the neighbour's but its reference, scene and time."""
    after = None if cursor is None else _place(cursor)
    async with services.database.reading() as session:
        found = await _neighbour(session, neighbour_id)
        rows = await double_repository.page_of_doubles(
            session, found.id, principal.region, state, after, limit + 1
        )
    shown = [double_view(row) for row in rows[:limit]]
    following = _cursor(rows[limit - 1]) if len(rows) > limit else None
    if format_ == "csv":
        headers = {} if following is None else {"X-Next-Cursor": following}
        return Response(_csv(shown), media_type=CSV, headers=headers)
    return json_response(
        {"items": [each.model_dump(mode="json") for each in shown], "next_cursor": following}
    )


@router.post(
    "/neighbours/{neighbour_id}/reconciliation/{activity_id}/reversal",
    response_model=YieldAnswer,
    summary="Reverse an act that the neighbour keeps, once",
    **operation(
        scopes.NEIGHBOURS_WRITE,
        body=YieldInput,
        examples=[_REASON],
        errors=(
            *(NeighbourNotFound, DoubleNotFound, NotLost, AlreadyReversed, NotReversible, GramsUsed),
            "request.idempotency_conflict",
        ),
    ),
)
async def yield_act(
    neighbour_id: NeighbourId,
    activity_id: ActivityId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
) -> Response:
    """As any reversal: compensating entries, claims free again, caps with their headroom; the audit trail tells why."""
    raw, body = await my.body(request, _YIELD)
    known = my.id_of("act", activity_id, DoubleNotFound)

    async def act(session: AsyncSession) -> Any:
        found = await _neighbour(session, neighbour_id)
        done = await reconciling.reverse_lost(
            *(session, services.rules_now(), principal, found.id, known, body.reason),
            *(services.intake.clock(), address_of(request)),
        )
        return {"items": [double_view(each).model_dump(mode="json") for each in done]}

    return await idempotency.write(request, principal, services, raw, act)


async def _neighbour(session: AsyncSession, text: str) -> Neighbour:
    found = await repository.neighbour(session, my.id_of("nbr", text, NeighbourNotFound))
    if found is None:
        raise NeighbourNotFound
    return found


def _cursor(row: DoubleClaim) -> str:
    return f"{public_id('act', row.activity_id)}.{row.reference.hex}"


def _place(cursor: str) -> tuple[UUID, UUID]:
    activity, _, reference = cursor.partition(".")
    found, other = parse_public_id("act", activity), parse_public_id("act", f"act_{reference}")
    if found is None or other is None:
        raise my.wrong_cursor()
    return found, other


def _csv(shown: list[DoubleView]) -> str:
    """No text in it is a person's but the operator's reason, which no spreadsheet is to take for a formula."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(DoubleView.model_fields))
    writer.writeheader()
    for each in shown:
        row = each.model_dump(mode="json")
        if row["reason"][:1] in ("=", "+", "-", "@"):
            row["reason"] = "'" + row["reason"]
        writer.writerow(row)
    return text.getvalue()


@router.get(
    "/neighbour-agreements",
    response_model=NeighbourAgreementList,
    summary="What the region agreed with its neighbours, the newest first",
    **operation(scopes.NEIGHBOURS_READ, errors=("request.invalid",)),
)
async def list_agreements(
    principal: Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Where there is none, nothing of a neighbour counts here."""
    return await programmes.page_of_texts(principal, services, Kind.NEIGHBOUR_AGREEMENT, limit, cursor)


@router.post(
    "/neighbour-agreements",
    response_model=NeighbourAgreementView,
    summary="Draft what is agreed with neighbours from a day on",
    **operation(
        scopes.NEIGHBOURS_WRITE,
        body=NeighbourAgreement,
        examples=[_AGREEMENT],
        errors=(texts.OutOfRegion, "request.idempotency_conflict"),
    ),
)
async def draft_agreement(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """It counts for acts from its first day on, once a second operator has approved it."""
    return await programmes.draft_text(request, principal, services, NeighbourAgreement)


@router.get(
    "/neighbour-agreements/{agreement_id}",
    response_model=NeighbourAgreementView,
    summary="An agreement",
    **operation(scopes.NEIGHBOURS_READ, errors=(texts.TextNotFound,)),
)
async def read_agreement(
    agreement_id: programmes.TextId, principal: Reader, services: ServicesDep
) -> Response:
    """With its state and its `etag`."""
    return await programmes.one_text(principal, services, Kind.NEIGHBOUR_AGREEMENT, agreement_id)


@router.put(
    "/neighbour-agreements/{agreement_id}",
    response_model=NeighbourAgreementView,
    summary="Replace the text of a drafted agreement",
    **operation(
        scopes.NEIGHBOURS_WRITE,
        body=NeighbourAgreement,
        examples=[_AGREEMENT],
        errors=(*programmes.STEP_ERRORS, texts.Immutable),
    ),
)
async def edit_agreement(
    agreement_id: programmes.TextId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: programmes.IfMatch = None,
) -> Response:
    """From the approval on it never changes."""
    return await programmes.edit_text(
        request, principal, services, NeighbourAgreement, agreement_id, if_match
    )


@router.post(
    "/neighbour-agreements/{agreement_id}/approval",
    response_model=NeighbourAgreementView,
    summary="Approve an agreement that others wrote",
    **operation(
        scopes.NEIGHBOURS_APPROVE,
        body=ApprovalInput,
        examples=[_REASON],
        errors=(
            *programmes.STEP_ERRORS,
            *(texts.Immutable, texts.ApproveOwn, texts.LeadTooShort, texts.DayTaken),
        ),
    ),
)
async def approve_agreement(
    agreement_id: programmes.TextId,
    request: Request,
    principal: Approver,
    services: ServicesDep,
    if_match: programmes.IfMatch = None,
) -> Response:
    """Its first day has to be far enough ahead that every process knows of it by then."""
    return await programmes.approve_text(
        request, principal, services, Kind.NEIGHBOUR_AGREEMENT, agreement_id, if_match
    )
