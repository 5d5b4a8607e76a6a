"""The doors through which a city operates its methodologies: drafts, approval, activation, retirement, exclusions."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.errors import Fault
from accounts.fields import Region
from accounts.ids import parse_public_id, public_id
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import JSON, address_of, json_response, media_type, operation, parse, read_body
from app.auth import scopes
from app.auth.principal import Principal
from app.crediting.schemas import SceneName
from app.problems import RequestError
from app.versions import decisions, drafts, errors, repository
from app.versions.models import Closure, Exclusion, Revision, State
from app.versions.schemas import (
    ActivationInput,
    CheckAnswer,
    ClosedVersion,
    DraftInput,
    ExclusionEndInput,
    ExclusionInput,
    ExclusionList,
    ExclusionView,
    RetirementInput,
    RevisionList,
    RevisionSummary,
    RevisionView,
    StepInput,
    TextInput,
    TextProblem,
    Timeline,
)
from app.versions.text import read
from app.wiring import Services

router = APIRouter(prefix="/v1/operator/methodologies", tags=["operator methodologies"])

MAX_BYTES = 262_144
Model = TypeVar("Model", bound=BaseModel)
Reader = Annotated[Principal, Depends(caller(scopes.METHODOLOGIES_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.METHODOLOGIES_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.METHODOLOGIES_APPROVE))]
RevisionId = Annotated[str, Path(description="`mrv_…`", examples=["mrv_01a1fc693a86700e9ae525ac545ac6cd"])]
ExclusionId = Annotated[str, Path(description="`mex_…`", examples=["mex_01a1fc693a86700e9ae525ac545ac6cd"])]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="`etag` of the state that the write was made from")
]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
_STEP = (
    errors.RevisionNotFound,
    errors.EtagMissing,
    errors.EditedMeanwhile,
    errors.WrongState,
    "request.idempotency_conflict",
)
_TEXT_EXAMPLE = {"methodology": {"region": "440300", "scene": "trip.metro"}}
_REASON_EXAMPLE = {"reason": "council decision 2026-118"}


@router.get(
    "",
    response_model=RevisionList,
    summary="Methodology versions of the region, the newest first",
    **operation(scopes.METHODOLOGIES_READ, errors=("request.invalid",)),
)
async def list_versions(
    principal: Reader,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    region: Annotated[Region | None, Query(description="Exactly this region")] = None,
    scene: SceneName | None = None,
    state: State | None = None,
) -> Response:
    """What operators drafted, whatever became of it. Versions of packs are in `GET /v1/methodologies`."""
    before = _cursor("mrv", cursor)
    now = services.intake.clock()
    async with services.database.reading() as session:
        rows = await repository.page(
            session,
            principal.region,
            now,
            region=region,
            scene=scene,
            state=state,
            before=before,
            limit=limit + 1,
        )
    items = [RevisionSummary(**_summary(row, services)).model_dump(mode="json") for row in rows[:limit]]
    more = len(rows) > limit
    return json_response({"items": items, "next_cursor": items[-1]["id"] if more else None})


@router.post(
    "",
    response_model=RevisionView,
    summary="Draft a methodology version",
    **operation(
        scopes.METHODOLOGIES_WRITE,
        body=DraftInput,
        examples=[
            {
                "from": {"region": "440300", "code": "SZ-LOW-CARBON-TRANSIT.metro", "version": "2021"},
                "version": "2027",
            }
        ],
        errors=(
            errors.OutOfRegion,
            errors.VersionExists,
            errors.RevisionNotFound,
            "request.idempotency_conflict",
        ),
    ),
)
async def draft(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """From a version that is there, from a text, or from nothing. The answer says what is still wrong with it."""

    async def act(session: AsyncSession, body: DraftInput, actor: drafts.Actor) -> Revision:
        return await drafts.create(session, services.preparer.rules.catalogue, actor, body)

    return await _write(request, principal, services, DraftInput, act)


@router.post(
    "/check",
    response_model=CheckAnswer,
    summary="Check a text without keeping it",
    **operation(scopes.METHODOLOGIES_READ, body=TextInput, examples=[_TEXT_EXAMPLE]),
)
async def check(request: Request, _principal: Reader, services: ServicesDep) -> Response:  # noqa: ARG001
    """Schema, units, formula and worked examples; each problem with its place, in Chinese and English."""
    body = parse(TypeAdapter(TextInput), await _read(request))
    built, problems = read(body.methodology)
    answer = CheckAnswer(
        ok=built is not None,
        problems=_problems(problems),
        content_hash=None if built is None else built.content_hash,
    )
    return json_response(answer.model_dump())


@router.get(
    "/timeline",
    response_model=Timeline,
    summary="Days in force of a region's versions, and the gaps between them",
    **operation(scopes.METHODOLOGIES_READ, errors=("request.invalid", errors.OutOfRegion)),
)
async def timeline(
    principal: Reader, services: ServicesDep, region: Annotated[Region, Query()], scene: SceneName
) -> Response:
    """Versions of packs and of operators, approved ones included; on the days of a gap `falls_to` is asked."""
    if not principal.may_see_region(region):
        raise errors.OutOfRegion
    async with services.database.reading() as session:
        told = await decisions.timeline(session, services.catalogue, region, scene, services.intake.clock())
    return json_response(told.model_dump(mode="json"))


@router.get(
    "/exclusions",
    response_model=ExclusionList,
    summary="Scenes that earn nothing in the region, the newest first",
    **operation(scopes.METHODOLOGIES_READ, errors=("request.invalid",)),
)
async def list_exclusions(
    principal: Reader,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    scene: SceneName | None = None,
) -> Response:
    """With the legal basis of each."""
    before = _cursor("mex", cursor)
    async with services.database.reading() as session:
        rows = await repository.exclusions(session, principal.region, before, limit + 1, scene=scene)
    items = [_exclusion(row).model_dump(mode="json") for row in rows[:limit]]
    more = len(rows) > limit
    return json_response({"items": items, "next_cursor": items[-1]["id"] if more else None})


@router.post(
    "/exclusions",
    response_model=ExclusionView,
    summary="Exclude a scene from a coming day on",
    **operation(
        scopes.METHODOLOGIES_APPROVE,
        body=ExclusionInput,
        examples=[
            {
                "region": "440300",
                "scene": "charging.ev",
                "first_day": "2027-01-01",
                "legal_basis": "acts inside the emissions-trading boundary",
                **_REASON_EXAMPLE,
            }
        ],
        errors=(errors.OutOfRegion, errors.LeadTooShort, "request.idempotency_conflict"),
    ),
)
async def exclude(request: Request, principal: Approver, services: ServicesDep) -> Response:
    """Acts of these days are rejected as `scene_excluded`, in the region and below it."""

    async def act(session: AsyncSession, body: ExclusionInput, actor: drafts.Actor) -> Exclusion:
        return await decisions.exclude(session, _book(services), actor, body)

    return await _write(request, principal, services, ExclusionInput, act)


@router.post(
    "/exclusions/{exclusion_id}/end",
    response_model=ExclusionView,
    summary="End an exclusion",
    **operation(
        scopes.METHODOLOGIES_APPROVE,
        body=ExclusionEndInput,
        examples=[{"last_day": "2027-12-31", **_REASON_EXAMPLE}],
        errors=(errors.RevisionNotFound, errors.LeadTooShort, "request.idempotency_conflict"),
    ),
)
async def end_exclusion(
    exclusion_id: ExclusionId, request: Request, principal: Approver, services: ServicesDep
) -> Response:
    """On a day that is not over yet."""
    known = _id("mex", exclusion_id)

    async def act(session: AsyncSession, body: ExclusionEndInput, actor: drafts.Actor) -> Exclusion:
        return await decisions.end_exclusion(
            session, _book(services), actor, known, body.last_day, body.reason
        )

    return await _write(request, principal, services, ExclusionEndInput, act)


@router.get(
    "/{revision_id}",
    response_model=RevisionView,
    summary="A methodology version with its text",
    **operation(scopes.METHODOLOGIES_READ, errors=(errors.RevisionNotFound,)),
)
async def read_version(revision_id: RevisionId, principal: Reader, services: ServicesDep) -> Response:
    """And what is wrong with it, while it is a draft."""
    async with services.database.reading() as session:
        found = await revision_of(session, principal, revision_id)
    return json_response(_view(found, services).model_dump(mode="json"))


async def revision_of(session: AsyncSession, principal: Principal, revision_id: str) -> Revision:
    """The revision, if it lies in the caller's region."""
    found = await repository.find(session, _id("mrv", revision_id))
    if found is None or not principal.may_see_region(found.region):
        raise errors.RevisionNotFound
    return found


@router.put(
    "/{revision_id}",
    response_model=RevisionView,
    summary="Replace the text of a draft",
    **operation(
        scopes.METHODOLOGIES_WRITE,
        body=TextInput,
        examples=[_TEXT_EXAMPLE],
        errors=(*_STEP, errors.Immutable, errors.DoesNotHold),
    ),
)
async def edit(
    revision_id: RevisionId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """Kept even where it does not hold yet: `problems` says all that is wrong. From the approval on it is immutable."""
    known, etag = _id("mrv", revision_id), _etag(if_match)

    async def act(session: AsyncSession, body: TextInput, actor: drafts.Actor) -> Revision:
        return await drafts.edit(session, actor, known, etag, body.methodology)

    return await _write(request, principal, services, TextInput, act)


@router.post(
    "/{revision_id}/submission",
    response_model=RevisionView,
    summary="Submit a draft: it becomes a shadow",
    **operation(
        scopes.METHODOLOGIES_WRITE,
        body=StepInput,
        examples=[_REASON_EXAMPLE],
        errors=(*_STEP, errors.DoesNotHold),
    ),
)
async def submit(
    revision_id: RevisionId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """The text has to hold. A shadow credits nothing; it waits for a second operator."""
    known, etag = _id("mrv", revision_id), _etag(if_match)

    async def act(session: AsyncSession, body: StepInput, actor: drafts.Actor) -> Revision:
        return await drafts.submit(session, actor, known, etag, body.reason)

    return await _write(request, principal, services, StepInput, act)


@router.post(
    "/{revision_id}/approval",
    response_model=RevisionView,
    summary="Approve a shadow that others wrote",
    **operation(
        scopes.METHODOLOGIES_APPROVE,
        body=StepInput,
        examples=[_REASON_EXAMPLE],
        errors=(*_STEP, errors.ApproveOwn, errors.PeriodsOverlap),
    ),
)
async def approve(
    revision_id: RevisionId,
    request: Request,
    principal: Approver,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """By a client that wrote none of it. From here on the text never changes."""
    known, etag = _id("mrv", revision_id), _etag(if_match)

    async def act(session: AsyncSession, body: StepInput, actor: drafts.Actor) -> Revision:
        return await decisions.approve(session, _book(services), actor, known, etag, body.reason)

    return await _write(request, principal, services, StepInput, act)


@router.post(
    "/{revision_id}/activation",
    response_model=RevisionView,
    summary="Have an approved version count from a moment on",
    **operation(
        scopes.METHODOLOGIES_APPROVE,
        body=ActivationInput,
        examples=[{"activates_at": "2026-11-30T12:00:00+08:00", **_REASON_EXAMPLE}],
        errors=(
            *_STEP,
            errors.LeadTooShort,
            errors.NotActivatable,
            errors.PeriodsOverlap,
            errors.DaysCredited,
            errors.DaysInForce,
        ),
    ),
)
async def activate(
    revision_id: RevisionId,
    request: Request,
    principal: Approver,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """`closes` names versions without a last day that end on the day before this one begins."""
    known, etag = _id("mrv", revision_id), _etag(if_match)

    async def act(
        session: AsyncSession, body: ActivationInput, actor: drafts.Actor
    ) -> tuple[Revision, list[Closure]]:
        return await decisions.activate(
            session, _book(services), actor, known, etag, body.activates_at, body.reason
        )

    return await _write(request, principal, services, ActivationInput, act)


@router.post(
    "/{revision_id}/retirement",
    response_model=RevisionView,
    summary="Retire a version",
    **operation(
        scopes.METHODOLOGIES_APPROVE,
        body=RetirementInput,
        examples=[{"last_day": "2026-12-31", **_REASON_EXAMPLE}],
        errors=(*_STEP, errors.LeadTooShort),
    ),
)
async def retire(
    revision_id: RevisionId,
    request: Request,
    principal: Approver,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """`last_day` is today at the earliest. It goes on answering for the days before; nothing is deleted."""
    known, etag = _id("mrv", revision_id), _etag(if_match)

    async def act(session: AsyncSession, body: RetirementInput, actor: drafts.Actor) -> Revision:
        return await decisions.retire(
            session, _book(services), actor, known, etag, body.last_day, body.reason
        )

    return await _write(request, principal, services, RetirementInput, act)


Decided = Revision | Exclusion | tuple[Revision, list[Closure]]


async def _write(
    request: Request,
    principal: Principal,
    services: Services,
    kind: type[Model],
    act: Callable[[AsyncSession, Model, drafts.Actor], Awaitable[Decided]],
) -> Response:
    """Read the body, decide in one transaction, and have all processes look once it is committed."""
    raw = await _read(request)
    body = parse(TypeAdapter(kind), raw)

    async def decide(session: AsyncSession) -> Any:
        actor = drafts.Actor(principal, services.intake.clock(), address_of(request))
        decided = await act(session, body, actor)
        if isinstance(decided, Exclusion):
            return _exclusion(decided).model_dump(mode="json")
        revision, closures = decided if isinstance(decided, tuple) else (decided, [])
        return _view(revision, services, closures).model_dump(mode="json")

    answer = await idempotency.write(request, principal, services, raw, decide)
    await services.live.tell()
    return answer


async def _read(request: Request) -> bytes:
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    return await read_body(request, MAX_BYTES)


def _book(services: Services) -> decisions.Rulebook:
    return decisions.Rulebook(
        packs=services.catalogue,
        lead=services.live.lead,
        production=services.settings.production,
        clock=services.intake.clock,
    )


def _id(kind: str, text: str) -> UUID:
    found = parse_public_id(kind, text)
    if found is None:
        raise errors.RevisionNotFound
    return found


def _cursor(kind: str, cursor: str | None) -> UUID | None:
    before = None if cursor is None else parse_public_id(kind, cursor)
    if cursor is not None and before is None:
        raise RequestError("request.invalid", Fault("/cursor", "not a cursor of this list"))
    return before


def _etag(if_match: str | None) -> int:
    if if_match is None:
        raise errors.EtagMissing
    digits = if_match.strip().removeprefix("W/").strip('"')
    # What is no number of ours names no state that is still there.
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0  # noqa: PLR2004


def _problems(problems: list[Any]) -> list[TextProblem]:
    return [TextProblem(pointer=each.pointer, zh=each.message_zh, en=each.message_en) for each in problems]


def _summary(revision: Revision, services: Services) -> dict[str, Any]:
    return {
        "id": public_id("mrv", revision.id),
        "state": revision.state(services.intake.clock()),
        "in_force_from": revision.first_day,
        "in_force_to": revision.last_day,
        **revision.model_dump(
            include=set(RevisionSummary.model_fields) - {"id", "state", "in_force_from", "in_force_to"}
        ),
    }


def _view(revision: Revision, services: Services, closures: list[Closure] | None = None) -> RevisionView:
    text = orjson.loads(revision.content)
    problems = read(text)[1] if revision.submitted_at is None else []
    return RevisionView(
        **_summary(revision, services),
        methodology=text,
        problems=_problems(problems),
        closes=[
            ClosedVersion(code=each.code, version=each.version, last_day=each.last_day)
            for each in closures or ()
        ],
    )


def _exclusion(exclusion: Exclusion) -> ExclusionView:
    return ExclusionView(id=public_id("mex", exclusion.id), **exclusion.model_dump(exclude={"id"}))
