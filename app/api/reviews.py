"""The doors of reviews: operators read and decide held activities, and write what is watched in their region."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import public_id
from app.api import idempotency, my, programmes
from app.api.access import ServicesDep, caller
from app.api.http import address_of, json_response, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.crediting.errors import WithoutConsent
from app.my_data import access
from app.programmes import errors as texts
from app.programmes.models import Kind
from app.programmes.schemas import ApprovalInput, ReviewPolicyList, ReviewPolicyView
from app.review import errors, repository, service
from app.review.models import State
from app.review.policy import ReviewPolicy
from app.review.schemas import ReviewDecision, ReviewList, ReviewView, view

router = APIRouter(prefix="/v1/operator", tags=["operator review"])
_DECISION: TypeAdapter[ReviewDecision] = TypeAdapter(ReviewDecision)
Reader = Annotated[Principal, Depends(caller(scopes.REVIEW_READ))]
Deciding = Annotated[Principal, Depends(caller(scopes.REVIEW_DECIDE))]
Writer = Annotated[Principal, Depends(caller(scopes.REVIEW_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.REVIEW_APPROVE))]
ActivityId = Annotated[str, Path(description="`act_…`", examples=["act_01a1fc693a86700e9ae525ac545ac6cd"])]
_POLICY = {
    "region": "440300",
    "from": "2027-01-01",
    "impossible_travel": {
        "minutes": 30,
        "between": [{"cities": ["440300", "440100"], "minutes": 40}],
        "steps": [{"from_score": 50, "action": "hold"}],
    },
    "many_accounts": {"days": 30, "certain_at": 10, "steps": [{"from_score": 60, "action": "hold"}]},
    "decide_within_days": 7,
    "undecided": "release",
}
_REASON = {"reason": "council decision 2026-118"}


@router.get(
    "/reviews",
    response_model=ReviewList,
    summary="Held activities of the region, the newest first",
    **operation(scopes.REVIEW_READ, errors=("request.invalid",)),
)
async def held_activities(
    principal: Reader,
    services: ServicesDep,
    limit: my.Limit = 50,
    cursor: my.Cursor = None,
    waiting: Annotated[bool, Query(description="Only those that nobody has decided")] = True,
) -> Response:
    """With the evidence. Each holder's access log tells that it was read."""
    before = my.place("act", cursor)
    async with services.database.transaction() as session:
        rows = await repository.page(session, principal.region, before, limit + 1, waiting=waiting)
        shown = rows[:limit]
        signals = await repository.signals_of(session, [(row.holder_id, row.activity_id) for row in shown])
        read = [(row.holder_id, public_id("act", row.activity_id)) for row in shown]
        await access.record(session, principal, "activity", read, services.intake.clock())
        items = [view(row, signals.get(row.activity_id, [])).model_dump(mode="json") for row in shown]
    more = len(rows) > limit
    return json_response({"items": items, "next_cursor": items[-1]["activity_id"] if more else None})


@router.get(
    "/reviews/{activity_id}",
    response_model=ReviewView,
    summary="A held activity with the evidence",
    **operation(scopes.REVIEW_READ, errors=(errors.ReviewNotFound,)),
)
async def read_review(activity_id: ActivityId, principal: Reader, services: ServicesDep) -> Response:
    """The holder's access log tells that it was read."""
    known = my.id_of("act", activity_id, errors.ReviewNotFound)
    async with services.database.transaction() as session:
        found = await repository.find(session, known)
        if found is None or not principal.may_see_region(found.region):
            raise errors.ReviewNotFound
        signals = await repository.signals_of(session, [(found.holder_id, known)])
        read = [(found.holder_id, activity_id)]
        await access.record(session, principal, "activity", read, services.intake.clock())
        return json_response(view(found, signals.get(known, [])).model_dump(mode="json"))


@router.post(
    "/reviews/{activity_id}/decision",
    response_model=ReviewView,
    summary="Release or reject a held activity, once",
    **operation(
        scopes.REVIEW_DECIDE,
        body=ReviewDecision,
        examples=[{"decision": "released", "reason": "the ticket was seen"}],
        errors=(errors.ReviewNotFound, errors.ReviewDecided, WithoutConsent, "request.idempotency_conflict"),
    ),
)
async def decide_review(
    activity_id: ActivityId, request: Request, principal: Deciding, services: ServicesDep
) -> Response:
    """`released` is credited as at its time; of a `rejected` one claims and headroom are free again."""
    raw, wanted = await my.body(request, _DECISION)
    known = my.id_of("act", activity_id, errors.ReviewNotFound)

    async def act(session: AsyncSession) -> Any:
        now, address = services.intake.clock(), address_of(request)
        found = await service.decide(
            *(session, services.rules_now(), principal, known),
            *(State(wanted.decision), wanted.reason, now, address),
        )
        signals = await repository.signals_of(session, [(found.holder_id, known)])
        return view(found, signals.get(known, [])).model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/review-policies",
    response_model=ReviewPolicyList,
    summary="What is watched in the region, the newest first",
    **operation(scopes.REVIEW_READ, errors=("request.invalid",)),
)
async def list_policies(
    principal: Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Where there is none, nothing is watched."""
    return await programmes.page_of_texts(principal, services, Kind.REVIEW_POLICY, limit, cursor)


@router.post(
    "/review-policies",
    response_model=ReviewPolicyView,
    summary="Draft what is watched from a day on",
    **operation(
        scopes.REVIEW_WRITE,
        body=ReviewPolicy,
        examples=[_POLICY],
        errors=(texts.OutOfRegion, "request.idempotency_conflict"),
    ),
)
async def draft_policy(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """It counts for acts from its first day on, once a second operator has approved it."""
    return await programmes.draft_text(request, principal, services, ReviewPolicy)


@router.get(
    "/review-policies/{policy_id}",
    response_model=ReviewPolicyView,
    summary="A policy",
    **operation(scopes.REVIEW_READ, errors=(texts.TextNotFound,)),
)
async def read_policy(policy_id: programmes.TextId, principal: Reader, services: ServicesDep) -> Response:
    """With its state and its `etag`."""
    return await programmes.one_text(principal, services, Kind.REVIEW_POLICY, policy_id)


@router.put(
    "/review-policies/{policy_id}",
    response_model=ReviewPolicyView,
    summary="Replace the text of a drafted policy",
    **operation(
        scopes.REVIEW_WRITE,
        body=ReviewPolicy,
        examples=[_POLICY],
        errors=(*programmes.STEP_ERRORS, texts.Immutable),
    ),
)
async def edit_policy(
    policy_id: programmes.TextId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: programmes.IfMatch = None,
) -> Response:
    """From the approval on it never changes."""
    return await programmes.edit_text(request, principal, services, ReviewPolicy, policy_id, if_match)


@router.post(
    "/review-policies/{policy_id}/approval",
    response_model=ReviewPolicyView,
    summary="Approve a policy that others wrote",
    **operation(
        scopes.REVIEW_APPROVE,
        body=ApprovalInput,
        examples=[_REASON],
        errors=(
            *programmes.STEP_ERRORS,
            *(texts.Immutable, texts.ApproveOwn, texts.LeadTooShort, texts.DayTaken),
        ),
    ),
)
async def approve_policy(
    policy_id: programmes.TextId,
    request: Request,
    principal: Approver,
    services: ServicesDep,
    if_match: programmes.IfMatch = None,
) -> Response:
    """Its first day has to be far enough ahead that every process knows of it by then."""
    return await programmes.approve_text(
        request, principal, services, Kind.REVIEW_POLICY, policy_id, if_match
    )
