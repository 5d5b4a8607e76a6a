"""The doors through which a city operates its methodologies: drafts, approval, activation, retirement."""

from collections.abc import Iterable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.fields import Region
from accounts.ids import public_id
from app.api.access import ServicesDep
from app.api.deciding import (
    PREFIX,
    REASON_EXAMPLE,
    Approver,
    Cursor,
    Limit,
    Reader,
    RevisionId,
    RevisionStep,
    Writer,
    book_of,
    id_of,
    read,
    write,
)
from app.api.http import cursor_of, json_response, operation, parse
from app.auth import scopes
from app.auth.principal import Principal
from app.crediting.schemas import SceneName
from app.versions import decisions, drafts, errors, repository
from app.versions.models import Closure, Revision, State
from app.versions.schemas import (
    ActivationInput,
    CheckAnswer,
    ClosedVersion,
    DraftInput,
    Gap,
    PackRetirementInput,
    ReopenedVersion,
    RetiredPackVersion,
    RetirementInput,
    RevisionList,
    RevisionSummary,
    RevisionView,
    StepInput,
    TextInput,
    TextProblem,
    Timeline,
)
from app.versions.text import read as read_text
from app.versions.timeline import timeline as timeline_of
from app.wiring import Services
from methodologies import Period

router = APIRouter(prefix=PREFIX, tags=["operator methodologies"])

_STEP = (
    errors.RevisionNotFound,
    errors.EtagMissing,
    errors.EditedMeanwhile,
    errors.WrongState,
    "request.idempotency_conflict",
)
_TEXT_EXAMPLE = {"methodology": {"region": "440300", "scene": "trip.metro"}}


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
    before = cursor_of("mrv", cursor)
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

    async def act(session: AsyncSession, body: DraftInput, actor: drafts.Actor) -> RevisionView:
        return _view(await drafts.create(session, services.rules_now().catalogue, actor, body), services)

    return await write(request, principal, services, DraftInput, act)


@router.post(
    "/check",
    response_model=CheckAnswer,
    summary="Check a text without keeping it",
    **operation(scopes.METHODOLOGIES_READ, body=TextInput, examples=[_TEXT_EXAMPLE]),
)
async def check(request: Request, principal: Reader, services: ServicesDep) -> Response:
    """Schema, units, formula and worked examples; each problem with its place, in Chinese and English."""
    body = parse(TypeAdapter(TextInput), await read(request))
    built, problems = read_text(body.methodology)
    problems += drafts.out_of_place(services.rules_now().catalogue, principal, body.methodology)
    answer = CheckAnswer(
        ok=not problems,
        problems=_problems(problems),
        content_hash=None if built is None or problems else built.content_hash,
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
        told = await timeline_of(session, services.catalogue, region, scene, services.intake.clock())
    return json_response(told.model_dump(mode="json"))


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
    found = await repository.find(session, id_of(revision_id))
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
async def edit(request: Request, principal: Writer, services: ServicesDep, step: RevisionStep) -> Response:
    """Kept even where it does not hold yet: `problems` says all that is wrong. From the approval on it is immutable."""

    async def act(session: AsyncSession, body: TextInput, actor: drafts.Actor) -> RevisionView:
        return _view(await drafts.edit(session, actor, *step, body), services)

    return await write(request, principal, services, TextInput, act)


@router.post(
    "/{revision_id}/submission",
    response_model=RevisionView,
    summary="Submit a draft: it becomes a shadow",
    **operation(
        scopes.METHODOLOGIES_WRITE,
        body=StepInput,
        examples=[REASON_EXAMPLE],
        errors=(*_STEP, errors.DoesNotHold),
    ),
)
async def submit(request: Request, principal: Writer, services: ServicesDep, step: RevisionStep) -> Response:
    """The text has to hold. A shadow credits nothing; it waits for a second operator."""

    async def act(session: AsyncSession, body: StepInput, actor: drafts.Actor) -> RevisionView:
        return _view(await drafts.submit(session, actor, *step, body.reason), services)

    return await write(request, principal, services, StepInput, act)


@router.post(
    "/{revision_id}/approval",
    response_model=RevisionView,
    summary="Approve a shadow that others wrote",
    **operation(
        scopes.METHODOLOGIES_APPROVE,
        body=StepInput,
        examples=[REASON_EXAMPLE],
        errors=(*_STEP, errors.ApproveOwn, errors.PeriodsOverlap),
    ),
)
async def approve(
    request: Request, principal: Approver, services: ServicesDep, step: RevisionStep
) -> Response:
    """By a client that wrote none of it. From here on the text never changes."""

    async def act(session: AsyncSession, body: StepInput, actor: drafts.Actor) -> RevisionView:
        return _view(await decisions.approve(session, book_of(services), actor, *step, body.reason), services)

    return await write(request, principal, services, StepInput, act)


@router.post(
    "/{revision_id}/activation",
    response_model=RevisionView,
    summary="Have an approved version count from a moment on",
    **operation(
        scopes.METHODOLOGIES_APPROVE,
        body=ActivationInput,
        examples=[{"activates_at": "2026-11-30T12:00:00+08:00", **REASON_EXAMPLE}],
        errors=(
            *_STEP,
            errors.LeadTooShort,
            errors.NotActivatable,
            errors.PeriodsOverlap,
            errors.DaysCredited,
            errors.DaysInForce,
            errors.LeavesGap,
        ),
    ),
)
async def activate(
    request: Request, principal: Approver, services: ServicesDep, step: RevisionStep
) -> Response:
    """`closes` names versions without a last day that end on the day before this one begins.

    Where this one has a last day and no other follows, days after it are left without a version: it is refused as
    `methodology.leaves_gap`, with these days, unless the body says `"leaves_gap": true`; then `leaves` has them.
    """

    async def act(session: AsyncSession, body: ActivationInput, actor: drafts.Actor) -> RevisionView:
        revision, closures, left = await decisions.activate(session, book_of(services), actor, *step, body)
        return _view(revision, services, closures, left=left)

    return await write(request, principal, services, ActivationInput, act)


@router.post(
    "/{revision_id}/retirement",
    response_model=RevisionView,
    summary="Retire a version",
    **operation(
        scopes.METHODOLOGIES_APPROVE,
        body=RetirementInput,
        examples=[{"last_day": "2026-12-31", **REASON_EXAMPLE}],
        errors=(*_STEP, errors.LeadTooShort),
    ),
)
async def retire(
    request: Request, principal: Approver, services: ServicesDep, step: RevisionStep
) -> Response:
    """`last_day` is today at the earliest. It goes on answering for the days before; nothing is deleted.

    Without a day, what does not count yet is cancelled; `reopens` names what gets its days back.
    """

    async def act(session: AsyncSession, body: RetirementInput, actor: drafts.Actor) -> RevisionView:
        revision, reopened = await decisions.retire(
            session, book_of(services), actor, *step, body.last_day, body.reason
        )
        return _view(revision, services, reopened=reopened)

    return await write(request, principal, services, RetirementInput, act)


@router.post(
    "/retirements",
    response_model=RetiredPackVersion,
    summary="Retire a version that a pack ships",
    **operation(
        scopes.METHODOLOGIES_APPROVE,
        body=PackRetirementInput,
        examples=[
            {
                "region": "440300",
                "code": "SZ-LOW-CARBON-TRANSIT.metro",
                "version": "2021",
                "last_day": "2026-12-31",
                **REASON_EXAMPLE,
            }
        ],
        errors=(
            errors.RevisionNotFound,
            errors.OutOfRegion,
            errors.WrongState,
            errors.LeadTooShort,
            "request.idempotency_conflict",
        ),
    ),
)
async def retire_pack_version(request: Request, principal: Approver, services: ServicesDep) -> Response:
    """`last_day` is today at the earliest. What it credited stays; it comes back only as a version drafted from it."""

    async def act(
        session: AsyncSession, body: PackRetirementInput, actor: drafts.Actor
    ) -> RetiredPackVersion:
        closure = await decisions.retire_pack_version(session, book_of(services), actor, body)
        return RetiredPackVersion(
            region=closure.region,
            scene=closure.scene,
            code=closure.code,
            version=closure.version,
            last_day=closure.last_day,
        )

    return await write(request, principal, services, PackRetirementInput, act)


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


def _view(
    revision: Revision,
    services: Services,
    closures: Iterable[Closure] = (),
    reopened: list[ReopenedVersion] | None = None,
    left: Iterable[Period] = (),
) -> RevisionView:
    text = orjson.loads(revision.content)
    problems = read_text(text)[1] if revision.submitted_at is None else []
    return RevisionView(
        **_summary(revision, services),
        methodology=text,
        problems=_problems(problems),
        closes=[
            ClosedVersion(code=each.code, version=each.version, last_day=each.last_day) for each in closures
        ],
        leaves=[Gap(first_day=each.first_day, last_day=each.last_day) for each in left],
        reopens=reopened or [],
    )
