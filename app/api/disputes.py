"""The doors of disputes: holders and platforms contest an outcome, operators of the region decide."""

import datetime
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts import consents
from accounts.agreement_errors import AccountClosed
from accounts.ids import public_id
from accounts.offsetting.errors import GramsUsed
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.http import address_of, json_response, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.crediting import queries
from app.crediting.errors import ActivityNotFound, CapReached, ClaimHeld, WithoutConsent
from app.database import driver_of
from app.disputes import errors, repository, service
from app.disputes.models import Dispute, Party
from app.disputes.schemas import ACTIVITY_ID, ContestInput, DisputeDecision, DisputeList, DisputeView, view
from app.my_data import access
from app.wiring import Services

router = APIRouter(tags=["disputes"])
_OPENING: TypeAdapter[ContestInput] = TypeAdapter(ContestInput)
_DECISION: TypeAdapter[DisputeDecision] = TypeAdapter(DisputeDecision)
Platform = Annotated[Principal, Depends(caller(scopes.ACTIVITIES_WRITE))]
PlatformReader = Annotated[Principal, Depends(caller(scopes.ACTIVITIES_READ))]
Reviewer = Annotated[Principal, Depends(caller(scopes.REVIEW_READ))]
Deciding = Annotated[Principal, Depends(caller(scopes.REVIEW_DECIDE))]
ActivityId = Annotated[str, Path(description="`act_…`", examples=[ACTIVITY_ID])]
DisputeId = Annotated[str, Path(description="`dsp_…`", examples=["dsp_01a1fc693a86700e9ae525ac545ac6cd"])]
_OPENS: tuple[Any, ...] = (
    ActivityNotFound,
    errors.NotDisputable,
    errors.AlreadyDisputed,
    errors.TooManyDisputes,
    "request.idempotency_conflict",
)
_EXAMPLE = [{"explanation": "the ride was paid with you"}]


@router.post(
    "/v1/me/activities/{activity_id}/dispute",
    response_model=DisputeView,
    summary="Contest what became of one of my activities",
    **operation(scopes.ME_WRITE, body=ContestInput, examples=_EXAMPLE, errors=(*_OPENS, AccountClosed)),
)
async def dispute_mine(
    activity_id: ActivityId, request: Request, principal: my.Writer, services: ServicesDep
) -> Response:
    """An operator of the region decides. At most 20 of mine are open at a time."""
    holder = my.own(principal)

    async def before(session: AsyncSession) -> None:
        await consents.lock_active(await driver_of(session), holder)

    return await _open(activity_id, request, principal, services, (Party.HOLDER, holder), before)


@router.post(
    "/v1/activities/{activity_id}/dispute",
    response_model=DisputeView,
    summary="Contest what became of an activity that you reported",
    **operation(scopes.ACTIVITIES_WRITE, body=ContestInput, examples=_EXAMPLE, errors=_OPENS),
)
async def dispute_reported(
    activity_id: ActivityId, request: Request, principal: Platform, services: ServicesDep
) -> Response:
    """An operator of the region decides. At most 1,000 of yours are open at a time."""

    async def before(_: AsyncSession) -> None:
        return None

    party = (Party.PLATFORM, principal.organisation_id)
    return await _open(activity_id, request, principal, services, party, before)


async def _open(
    activity_id: str,
    request: Request,
    principal: Principal,
    services: Services,
    party: tuple[Party, UUID],
    before: Any,
) -> Response:
    raw, wanted = await my.body(request, _OPENING)
    known = my.id_of("act", activity_id, ActivityNotFound)

    async def act(session: AsyncSession) -> Any:
        await before(session)
        activity = await queries.visible_activity(session, principal, known)
        now = services.intake.clock()
        made = await service.open_dispute(session, activity, *party, wanted.explanation, now)
        return view(made, None).model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/v1/me/disputes",
    response_model=DisputeList,
    summary="What I contested, the newest first",
    **operation(scopes.ME_READ, errors=("request.invalid",)),
)
async def my_disputes(
    principal: my.Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """With what was decided, and why."""
    return await _mine(services, (Party.HOLDER, my.own(principal)), limit, cursor)


@router.get(
    "/v1/disputes",
    response_model=DisputeList,
    summary="What you contested, the newest first",
    **operation(scopes.ACTIVITIES_READ, errors=("request.invalid",)),
)
async def disputes_of_platform(
    principal: PlatformReader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """With what was decided, and why."""
    return await _mine(services, (Party.PLATFORM, principal.organisation_id), limit, cursor)


async def _mine(services: Services, party: tuple[Party, UUID], limit: int, cursor: str | None) -> Response:
    before = my.place("dsp", cursor)
    async with services.database.reading() as session:
        rows = await repository.page_of_party(session, *party, before, limit + 1)
        return await _listed(session, rows, limit)


@router.post(
    "/v1/me/disputes/{dispute_id}/withdrawal",
    response_model=DisputeView,
    summary="Let a dispute of mine go",
    **operation(
        scopes.ME_WRITE,
        errors=(errors.DisputeNotFound, errors.DisputeDecided, "request.idempotency_conflict"),
    ),
)
async def withdraw_mine(
    dispute_id: DisputeId, request: Request, principal: my.Writer, services: ServicesDep
) -> Response:
    """Needs no body. Once it is decided, it stands."""
    return await _withdraw(dispute_id, request, principal, services, (Party.HOLDER, my.own(principal)))


@router.post(
    "/v1/disputes/{dispute_id}/withdrawal",
    response_model=DisputeView,
    summary="Let a dispute of yours go",
    **operation(
        scopes.ACTIVITIES_WRITE,
        errors=(errors.DisputeNotFound, errors.DisputeDecided, "request.idempotency_conflict"),
    ),
)
async def withdraw_dispute(
    dispute_id: DisputeId, request: Request, principal: Platform, services: ServicesDep
) -> Response:
    """Needs no body. Once it is decided, it stands."""
    party = (Party.PLATFORM, principal.organisation_id)
    return await _withdraw(dispute_id, request, principal, services, party)


async def _withdraw(
    dispute_id: str, request: Request, principal: Principal, services: Services, party: tuple[Party, UUID]
) -> Response:
    known = my.id_of("dsp", dispute_id, errors.DisputeNotFound)

    async def act(session: AsyncSession) -> Any:
        found = await repository.find(session, known)
        if found is None or (found.party, found.party_id) != party:
            raise errors.DisputeNotFound
        session.expunge(found)
        ended = await service.withdraw(session, found, services.intake.clock())
        return view(ended, None).model_dump(mode="json")

    return await idempotency.write(request, principal, services, b"", act)


@router.get(
    "/v1/operator/disputes",
    response_model=DisputeList,
    summary="Disputes of the region, the newest first",
    **operation(scopes.REVIEW_READ, errors=("request.invalid",)),
)
async def disputes_of_region(
    principal: Reviewer,
    services: ServicesDep,
    limit: my.Limit = 50,
    cursor: my.Cursor = None,
    waiting: Annotated[bool, Query(description="Only those that are open")] = True,
) -> Response:
    """Of the operator's region and below. Each holder's access log tells that it was read."""
    before = my.place("dsp", cursor)
    now = services.intake.clock()
    async with services.database.transaction() as session:
        rows = await repository.page_of_region(session, principal.region, before, limit + 1, waiting=waiting)
        await _record(session, principal, rows[:limit], now)
        return await _listed(session, rows, limit)


@router.get(
    "/v1/operator/disputes/{dispute_id}",
    response_model=DisputeView,
    summary="A dispute of the region",
    **operation(scopes.REVIEW_READ, errors=(errors.DisputeNotFound,)),
)
async def read_dispute(dispute_id: DisputeId, principal: Reviewer, services: ServicesDep) -> Response:
    """With what was decided. The holder's access log tells that it was read."""
    known = my.id_of("dsp", dispute_id, errors.DisputeNotFound)
    async with services.database.transaction() as session:
        found = await repository.find(session, known)
        if found is None or not principal.may_see_region(found.region):
            raise errors.DisputeNotFound
        await _record(session, principal, [found], services.intake.clock())
        moves = await repository.moves_of(session, [found.id])
        return json_response(view(found, moves.get(found.id)).model_dump(mode="json"))


@router.post(
    "/v1/operator/disputes/{dispute_id}/decision",
    response_model=DisputeView,
    summary="Let an outcome stand, or move the claim, once",
    **operation(
        scopes.REVIEW_DECIDE,
        body=DisputeDecision,
        examples=[{"decision": "upheld", "reason": "the order is the other platform's"}],
        errors=(
            errors.DisputeNotFound,
            errors.DisputeDecided,
            errors.NotMovable,
            ActivityNotFound,
            ClaimHeld,
            CapReached,
            WithoutConsent,
            GramsUsed,
            "request.idempotency_conflict",
        ),
    ),
)
async def decide_dispute(
    dispute_id: DisputeId, request: Request, principal: Deciding, services: ServicesDep
) -> Response:
    """`moved` reverses the credit that stands and makes the other one in one commit; both platforms are told."""
    raw, wanted = await my.body(request, _DECISION)
    known = my.id_of("dsp", dispute_id, errors.DisputeNotFound)
    to = None if wanted.to_activity_id is None else my.id_of("act", wanted.to_activity_id, ActivityNotFound)

    async def act(session: AsyncSession) -> Any:
        now, address = services.intake.clock(), address_of(request)
        if wanted.decision == "upheld":
            found = await service.uphold(session, principal, known, wanted.reason, now, address)
        else:
            found = await service.move(
                session, services.rules_now(), principal, known, to, wanted.reason, now, address
            )
        moves = await repository.moves_of(session, [found.id])
        return view(found, moves.get(found.id)).model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)


async def _listed(session: AsyncSession, rows: Sequence[Dispute], limit: int) -> Response:
    shown = rows[:limit]
    moves = await repository.moves_of(session, [row.id for row in shown])
    items = [view(row, moves.get(row.id)).model_dump(mode="json") for row in shown]
    more = len(rows) > limit
    return json_response({"items": items, "next_cursor": items[-1]["dispute_id"] if more else None})


async def _record(
    session: AsyncSession, principal: Principal, rows: Sequence[Dispute], now: datetime.datetime
) -> None:
    read = [(row.holder_id, public_id("act", row.activity_id)) for row in rows]
    await access.record(session, principal, "activity", read, now)
