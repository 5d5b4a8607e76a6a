"""The doors through which operators close periods, and where anybody reads what was issued."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.fields import Region
from accounts.ids import public_id
from accounts.issuance import errors, excluding, repository, schemas, service
from accounts.issuance.models import Issuance, Reason, Status
from accounts.issuance.selection import common_digits
from accounts.quantities import grams
from accounts.registry.errors import AccountNotFound
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import address_of, cursor_of, json_response, operation, parse, stated_version
from app.api.redeeming import Cursor, IfMatch, Limit, id_of, read_raw
from app.auth import scopes
from app.auth.principal import Principal, prefix
from app.database import driver_of
from app.issuing import office
from app.settling.office import Actor
from app.wiring import Services

router = APIRouter(tags=["issuances"])
Reader = Annotated[Principal, Depends(caller(scopes.ISSUANCES_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.ISSUANCES_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.ISSUANCES_APPROVE))]
IssuanceId = Annotated[str, Path(description="`iss_…`", examples=["iss_01a1fc693a86700e9ae525ac545ac6cd"])]
ObjectionId = Annotated[str, Path(description="`obj_…`", examples=["obj_01a1fc693a86700e9ae525ac545ac6cd"])]
PUBLIC = (Status.NOTICED, Status.ISSUED)
_REASON = {"reason": "quarter closed by decision 2027-04"}
STEP = (
    errors.IssuanceNotFound,
    errors.IssuanceVersionMissing,
    errors.IssuanceChangedMeanwhile,
    errors.IssuanceWrongState,
    "request.idempotency_conflict",
)
Work = Callable[[AsyncSession, Issuance, Actor], Awaitable[str]]
_NEW = TypeAdapter(schemas.IssuanceInput)
_STEP = TypeAdapter(schemas.IssuanceStepInput)
_EXCLUSION = TypeAdapter(schemas.ExclusionInput)
_INCLUSION = TypeAdapter(schemas.InclusionInput)
_NOTICE = TypeAdapter(schemas.NoticeInput)
_OBJECTION = TypeAdapter(schemas.ObjectionInput)
_ANSWER = TypeAdapter(schemas.ObjectionAnswerInput)


async def shown(
    session: AsyncSession, rows: Sequence[Issuance], view: type[BaseModel]
) -> list[dict[str, Any]]:
    """Issuances as a view has them, with their methodologies."""
    driver = await driver_of(session)
    texts = {
        each: await repository.text_of(driver, each) for each in {row.methodology_version_id for row in rows}
    }
    make = schemas.full_view if view is schemas.IssuanceView else schemas.public_view
    return [
        view.model_validate(make(row, texts[row.methodology_version_id])).model_dump(mode="json")
        for row in rows
    ]


@router.get(
    "/v1/operator/issuances",
    response_model=schemas.IssuanceList,
    summary="Issuances of the region, the newest first",
    **operation(scopes.ISSUANCES_READ, errors=("request.invalid",)),
)
async def list_issuances(
    principal: Reader,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    status: Annotated[schemas.IssuanceStatusWord | None, Query()] = None,
) -> Response:
    """Whatever their state."""
    async with services.database.reading() as session:
        rows = await repository.page(
            session,
            prefix(principal.region),
            None if status is None else (status,),
            cursor_of("iss", cursor),
            limit + 1,
        )
        items = await shown(session, rows[:limit], schemas.IssuanceView)
    following = items[-1]["issuance_id"] if len(rows) > limit else None
    return json_response({"items": items, "next_cursor": following})


@router.post(
    "/v1/operator/issuances",
    response_model=schemas.IssuanceView,
    summary="Open an issuance",
    **operation(
        scopes.ISSUANCES_WRITE,
        body=schemas.IssuanceInput,
        examples=[
            {
                "applicant_id": "org_01a1fc693a86700e9ae525ac545ac6cd",
                "methodology_region": "440300",
                "methodology_code": "SZ-LOW-CARBON-TRANSIT.metro",
                "methodology_version": "2026",
                "region": "440300",
                "vintage": 2026,
                "booked_from": "2026-07-01T00:00:00+08:00",
                "booked_until": "2026-10-01T00:00:00+08:00",
            }
        ],
        errors=(
            errors.NotIssuable,
            errors.NothingBooked,
            errors.PeriodTaken,
            errors.IssuanceNotFound,
            "request.idempotency_conflict",
        ),
    ),
)
async def open_issuance(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """Nothing is closed by it. A job previews what it would take, within a minute."""
    raw = await read_raw(request)
    body = parse(_NEW, raw)
    applicant = id_of("org", body.applicant_id, errors.NothingBooked)
    actor = _actor(request, principal, services)

    async def act(session: AsyncSession) -> Any:
        if not principal.may_see_region(body.region):
            raise errors.IssuanceNotFound
        new = service.NewIssuance(
            applicant,
            body.methodology_region,
            body.methodology_code,
            body.methodology_version,
            body.region,
            body.vintage,
            body.booked_from,
            body.booked_until,
        )
        driver = await driver_of(session)
        issuance = await service.open_issuance(session, driver, new, principal.client_id, actor.now)
        await office.record(session, actor, issuance, "issuance.opened")
        return (await shown(session, [issuance], schemas.IssuanceView))[0]

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/v1/operator/issuances/{issuance_id}",
    response_model=schemas.IssuanceView,
    summary="An issuance",
    **operation(scopes.ISSUANCES_READ, errors=(errors.IssuanceNotFound,)),
)
async def read_issuance(issuance_id: IssuanceId, principal: Reader, services: ServicesDep) -> Response:
    """With its preview, and from the close on its figures and the hashes of its evidence."""
    async with services.database.reading() as session:
        found = await _visible(session, principal, issuance_id)
        (item,) = await shown(session, [found], schemas.IssuanceView)
    return json_response(item)


@router.post(
    "/v1/operator/issuances/{issuance_id}/preview",
    response_model=schemas.IssuanceView,
    summary="Have an issuance previewed anew",
    **operation(scopes.ISSUANCES_WRITE, body=schemas.IssuanceStepInput, examples=[_REASON], errors=STEP),
)
async def preview_issuance(
    issuance_id: IssuanceId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """It is a draft again until a job has counted, within a minute."""

    async def work(_session: AsyncSession, issuance: Issuance, _actor: Actor) -> str:
        service.expect(issuance, Status.DRAFT, Status.PREVIEWED)
        issuance.status, issuance.preview = Status.DRAFT, None
        return "issuance.preview_asked"

    return await _step(request, principal, services, issuance_id, if_match, _STEP, lambda _: work)


@router.post(
    "/v1/operator/issuances/{issuance_id}/exclusions",
    response_model=schemas.IssuanceView,
    summary="Have acts stay out",
    **operation(
        scopes.ISSUANCES_WRITE,
        body=schemas.ExclusionInput,
        examples=[
            {
                "activity_ids": ["act_01a1fc693a86700e9ae525ac545ac6cd"],
                "reason": "outside_boundary",
                "note": "bus line left the programme on 2026-08-01",
            }
        ],
        errors=(*STEP, errors.ActNotInPeriod),
    ),
)
async def exclude_acts(
    issuance_id: IssuanceId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """What stands of each is booked to where nothing is issued from. What is disputed stays out by itself."""

    def of(body: schemas.ExclusionInput) -> Work:
        async def work(session: AsyncSession, issuance: Issuance, actor: Actor) -> str:
            service.expect(issuance, Status.DRAFT, Status.PREVIEWED)
            known = list(
                dict.fromkeys(id_of("act", each, errors.ActNotInPeriod) for each in body.activity_ids)
            )
            by = actor.principal.client_id
            await excluding.exclude_named(
                await driver_of(session), issuance, known, Reason(body.reason), body.note, by, actor.now
            )
            issuance.status, issuance.preview = Status.DRAFT, None
            return "issuance.acts_excluded"

        return work

    return await _step(request, principal, services, issuance_id, if_match, _EXCLUSION, of)


@router.get(
    "/v1/operator/issuances/{issuance_id}/exclusions",
    response_model=schemas.ExclusionList,
    summary="Acts that stay out of an issuance",
    **operation(scopes.ISSUANCES_READ, errors=("request.invalid", errors.IssuanceNotFound)),
)
async def list_exclusions(
    issuance_id: IssuanceId,
    principal: Reader,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """By act. Those that were given back to their holders as well."""
    after = cursor_of("act", cursor)
    async with services.database.reading() as session:
        found = await _visible(session, principal, issuance_id)
        rows = await repository.exclusions(await driver_of(session), found.id, after, limit + 1)
    items = [
        schemas.ExclusionView(
            activity_id=public_id("act", row["cause_id"]),
            co2e_g=grams(row["amount_mg"]),
            reason=row["reason"],
            note=row["note"],
            excluded_at=row["excluded_at"],
            included_at=row["included_at"],
        ).model_dump(mode="json")
        for row in rows[:limit]
    ]
    return json_response(
        {"items": items, "next_cursor": items[-1]["activity_id"] if len(rows) > limit else None}
    )


@router.post(
    "/v1/operator/issuances/{issuance_id}/inclusions",
    response_model=schemas.IssuanceView,
    summary="Give an excluded act back to its holder",
    **operation(
        scopes.ISSUANCES_WRITE,
        body=schemas.InclusionInput,
        examples=[
            {"activity_id": "act_01a1fc693a86700e9ae525ac545ac6cd", "note": "dispute upheld the credit"}
        ],
        errors=(*STEP, errors.ExclusionNotFound),
    ),
)
async def include_act(
    issuance_id: IssuanceId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """It counts in the period in which this is booked. An issuance that is over has its exclusions given back too."""
    raw = await read_raw(request)
    body = parse(_INCLUSION, raw)
    known = id_of("act", body.activity_id, errors.ExclusionNotFound)
    actor = _actor(request, principal, services)

    async def act(session: AsyncSession) -> Any:
        issuance = await _taken(session, principal, issuance_id, if_match)
        if issuance.status in (Status.CLOSING, Status.OPENING):
            raise errors.IssuanceWrongState
        await excluding.include(await driver_of(session), issuance, known, actor.now)
        await office.note(session, actor, issuance, "issuance.act_included", body.note)
        return (await shown(session, [issuance], schemas.IssuanceView))[0]

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/v1/operator/issuances/{issuance_id}/close",
    response_model=schemas.IssuanceView,
    summary="Close the booking period",
    **operation(
        scopes.ISSUANCES_WRITE,
        body=schemas.IssuanceStepInput,
        examples=[_REASON],
        errors=(*STEP, errors.PeriodRuns, errors.EarlierOpen),
    ),
)
async def close_issuance(
    issuance_id: IssuanceId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """Nothing more is booked in it. A job writes evidence and tree, then it waits for its verifier (`submitted`)."""

    async def work(session: AsyncSession, issuance: Issuance, actor: Actor) -> str:
        driver = await driver_of(session)
        await service.begin_close(session, driver, issuance, actor.principal.client_id, actor.now)
        return "issuance.close_begun"

    return await _step(request, principal, services, issuance_id, if_match, _STEP, lambda _: work)


@router.post(
    "/v1/operator/issuances/{issuance_id}/reopening",
    response_model=schemas.IssuanceView,
    summary="Take a close back before it is issued",
    **operation(scopes.ISSUANCES_WRITE, body=schemas.IssuanceStepInput, examples=[_REASON], errors=STEP),
)
async def reopen_issuance(
    issuance_id: IssuanceId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """Holders get their grams back, acts can be excluded, and it is closed anew; the period takes no more entries."""

    async def work(_session: AsyncSession, issuance: Issuance, _actor: Actor) -> str:
        service.reopen(issuance)
        return "issuance.reopening_begun"

    return await _step(request, principal, services, issuance_id, if_match, _STEP, lambda _: work)


@router.post(
    "/v1/operator/issuances/{issuance_id}/withdrawal",
    response_model=schemas.IssuanceView,
    summary="Give up an issuance that is not closed",
    **operation(scopes.ISSUANCES_WRITE, body=schemas.IssuanceStepInput, examples=[_REASON], errors=STEP),
)
async def withdraw_issuance(
    issuance_id: IssuanceId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """Its period is free for another. One that is closed is reopened first."""

    async def work(_session: AsyncSession, issuance: Issuance, _actor: Actor) -> str:
        service.withdraw(issuance)
        return "issuance.withdrawn"

    return await _step(request, principal, services, issuance_id, if_match, _STEP, lambda _: work)


@router.post(
    "/v1/operator/issuances/{issuance_id}/notice",
    response_model=schemas.IssuanceView,
    summary="Put a signed issuance on public notice",
    **operation(
        scopes.ISSUANCES_WRITE,
        body=schemas.NoticeInput,
        examples=[_REASON],
        errors=(*STEP, errors.CalendarEnds),
    ),
)
async def notice_issuance(
    issuance_id: IssuanceId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """For seven working days, or more."""

    def of(body: schemas.NoticeInput) -> Work:
        async def work(_session: AsyncSession, issuance: Issuance, actor: Actor) -> str:
            service.notice(issuance, actor.principal.client_id, body.working_days, body.ends_on, actor.now)
            return "issuance.noticed"

        return work

    return await _step(request, principal, services, issuance_id, if_match, _NOTICE, of)


@router.get(
    "/v1/operator/issuances/{issuance_id}/objections",
    response_model=schemas.ObjectionList,
    summary="Objections to an issuance",
    **operation(scopes.ISSUANCES_READ, errors=(errors.IssuanceNotFound,)),
)
async def list_objections(issuance_id: IssuanceId, principal: Reader, services: ServicesDep) -> Response:
    """Of all its notices."""
    async with services.database.reading() as session:
        found = await _visible(session, principal, issuance_id)
        rows = await repository.objections(session, found.id)
    items = [schemas.ObjectionView(**schemas.objection_view(row)).model_dump(mode="json") for row in rows]
    return json_response({"items": items})


@router.post(
    "/v1/operator/issuances/{issuance_id}/objections",
    response_model=schemas.IssuanceView,
    summary="Record an objection that came in",
    **operation(
        scopes.ISSUANCES_WRITE,
        body=schemas.ObjectionInput,
        examples=[
            {
                "objector": "张先生",
                "text": "8 月的班车不在项目边界内。",
                "received_at": "2026-11-20T10:00:00+08:00",
            }
        ],
        errors=STEP,
    ),
)
async def object_to_issuance(
    issuance_id: IssuanceId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """While it is on notice. Nothing is issued before it has its answer."""

    def of(body: schemas.ObjectionInput) -> Work:
        async def work(session: AsyncSession, issuance: Issuance, actor: Actor) -> str:
            by = actor.principal.client_id
            await service.object_to(
                session, issuance, body.objector, body.text, body.received_at, by, actor.now
            )
            return "issuance.objected"

        return work

    return await _step(request, principal, services, issuance_id, if_match, _OBJECTION, of)


@router.post(
    "/v1/operator/issuances/{issuance_id}/objections/{objection_id}/answer",
    response_model=schemas.IssuanceView,
    summary="Answer an objection",
    **operation(
        scopes.ISSUANCES_WRITE,
        body=schemas.ObjectionAnswerInput,
        examples=[{"upheld": False, "answer": "The line is in the boundary since 2026-06-01."}],
        errors=(*STEP, errors.ObjectionNotFound, errors.ObjectionDecided),
    ),
)
async def answer_objection(
    issuance_id: IssuanceId,
    objection_id: ObjectionId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """One that is upheld keeps the issuance from its approval: it is reopened, and closed without those acts."""
    known = id_of("obj", objection_id, errors.ObjectionNotFound)

    def of(body: schemas.ObjectionAnswerInput) -> Work:
        async def work(session: AsyncSession, issuance: Issuance, actor: Actor) -> str:
            service.expect(issuance, Status.NOTICED)
            by = actor.principal.client_id
            await service.answer_objection(
                session, issuance, known, upheld=body.upheld, answer=body.answer, by=by, now=actor.now
            )
            return "issuance.objection_answered"

        return work

    return await _step(request, principal, services, issuance_id, if_match, _ANSWER, of)


@router.post(
    "/v1/operator/issuances/{issuance_id}/approval",
    response_model=schemas.IssuanceView,
    summary="Issue the units",
    **operation(
        scopes.ISSUANCES_APPROVE,
        body=schemas.IssuanceStepInput,
        examples=[_REASON],
        errors=(
            *STEP,
            errors.SecondOperator,
            errors.NoticeRuns,
            errors.ObjectionsOpen,
            AccountNotFound,
        ),
    ),
)
async def approve_issuance(
    issuance_id: IssuanceId,
    request: Request,
    principal: Approver,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """By another operator than the one who opened it, after the notice: whole kilograms, in the applicant's account."""

    async def work(session: AsyncSession, issuance: Issuance, actor: Actor) -> str:
        await office.approve(session, actor, issuance)
        return "issuance.issued"

    return await _step(request, principal, services, issuance_id, if_match, _STEP, lambda _: work)


@router.get(
    "/v1/issuances",
    response_model=schemas.PublicIssuanceList,
    summary="Issuances that are on public notice or issued, the newest first",
    **operation(errors=("request.invalid",)),
)
async def list_public_issuances(
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    region: Annotated[Region | None, Query(description="This region and its parts")] = None,
) -> Response:
    """With root, sums and count of the tree, of which the quantity is the difference."""
    async with services.database.reading() as session:
        digits = "" if region is None else common_digits(region)
        rows = await repository.page(session, digits, PUBLIC, cursor_of("iss", cursor), limit + 1)
        items = await shown(session, rows[:limit], schemas.PublicIssuanceView)
    following = items[-1]["issuance_id"] if len(rows) > limit else None
    return json_response({"items": items, "next_cursor": following})


@router.get(
    "/v1/issuances/{issuance_id}",
    response_model=schemas.PublicIssuanceView,
    summary="An issuance that is on public notice or issued",
    **operation(errors=(errors.IssuanceNotFound,)),
)
async def read_public_issuance(issuance_id: IssuanceId, services: ServicesDep) -> Response:
    """Nobody's acts can be told from it."""
    known = id_of("iss", issuance_id, errors.IssuanceNotFound)
    async with services.database.reading() as session:
        found = await repository.find(session, known)
        if found is None or found.status not in PUBLIC:
            raise errors.IssuanceNotFound
        (item,) = await shown(session, [found], schemas.PublicIssuanceView)
    return json_response(item)


async def _visible(session: AsyncSession, principal: Principal, issuance_id: str) -> Issuance:
    known = id_of("iss", issuance_id, errors.IssuanceNotFound)
    found = await repository.find(session, known)
    if found is None or not principal.may_see_region(found.region):
        raise errors.IssuanceNotFound
    return found


async def _taken(
    session: AsyncSession, principal: Principal, issuance_id: str, if_match: str | None
) -> Issuance:
    known = id_of("iss", issuance_id, errors.IssuanceNotFound)
    return await office.take(
        session, principal, known, stated_version(if_match, errors.IssuanceVersionMissing)
    )


def _actor(request: Request, principal: Principal, services: Services) -> Actor:
    return Actor(principal, services.intake.clock(), address_of(request))


async def _step(
    request: Request,
    principal: Principal,
    services: Services,
    issuance_id: str,
    if_match: str | None,
    adapter: TypeAdapter[Any],
    of: Callable[[Any], Work],
) -> Response:
    """Take an issuance a step further, once for its Idempotency-Key."""
    raw = await read_raw(request)
    body = parse(adapter, raw)
    work = of(body)
    actor = _actor(request, principal, services)

    async def act(session: AsyncSession) -> Any:
        issuance = await _taken(session, principal, issuance_id, if_match)
        before = office.snapshot(issuance)
        action = await work(session, issuance, actor)
        reason = next(
            (getattr(body, name) for name in ("reason", "note", "answer", "text") if hasattr(body, name)), ""
        )
        await office.record(session, actor, issuance, action, reason, before)
        return (await shown(session, [issuance], schemas.IssuanceView))[0]

    return await idempotency.write(request, principal, services, raw, act)
