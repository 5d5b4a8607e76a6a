"""The doors through which a region excludes a scene, or adopts the nation's rule: two operators decide."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import parse_public_id, public_id
from app.api.access import ServicesDep
from app.api.deciding import (
    PREFIX,
    REASON_EXAMPLE,
    Approver,
    Cursor,
    IfMatch,
    Limit,
    Reader,
    Writer,
    book_of,
    etag_of,
    write,
)
from app.api.http import cursor_of, json_response, operation
from app.auth import scopes
from app.crediting.schemas import SceneName
from app.versions import errors, repository, scene_days
from app.versions.drafts import Actor
from app.versions.models import SceneDays
from app.versions.scene_days import ADOPTION, EXCLUSION, Kind
from app.versions.schemas import (
    ProposedEnd,
    SceneDaysEndInput,
    SceneDaysInput,
    SceneDaysList,
    SceneDaysView,
    StepInput,
)
from app.wiring import Services
from dedup.periods import LOCAL


def doors(kind: Kind, means: str, example: Mapping[str, Any], checks: tuple[Any, ...] = ()) -> APIRouter:  # noqa: C901
    """The doors of one kind: list, propose, read, approve, propose an end, withdraw. `means` is what it does."""
    word = kind.word
    router = APIRouter(prefix=f"{PREFIX}/{word}s", tags=["operator methodologies"])
    one = f"/{{{word}_id}}"
    Id = Annotated[  # noqa: N806 - a type
        str,
        Path(
            alias=f"{word}_id",
            description=f"`{kind.id_prefix}_…`",
            examples=[f"{kind.id_prefix}_01a1fc693a86700e9ae525ac545ac6cd"],
        ),
    ]
    steps = (
        kind.not_found,
        errors.EtagMissing,
        errors.EditedMeanwhile,
        errors.WrongState,
        "request.idempotency_conflict",
    )

    def id_of(text: str) -> UUID:
        found = parse_public_id(kind.id_prefix, text)
        if found is None:
            raise kind.not_found
        return found

    def step_of(id_: Id, if_match: IfMatch = None) -> tuple[UUID, int]:
        return id_of(id_), etag_of(if_match)

    Step = Annotated[tuple[UUID, int], Depends(step_of)]  # noqa: N806 - a type

    @router.get(
        "",
        response_model=SceneDaysList,
        summary=f"{word.capitalize()}s of the region, the newest first",
        description="With the legal basis and the state of each; what is proposed and withdrawn is told as well.",
        **operation(scopes.METHODOLOGIES_READ, errors=("request.invalid",)),
    )
    async def list_days(
        principal: Reader,
        services: ServicesDep,
        limit: Limit = 50,
        cursor: Cursor = None,
        scene: SceneName | None = None,
    ) -> Response:
        before = cursor_of(kind.id_prefix, cursor)
        async with services.database.reading() as session:
            rows = await repository.days_page(
                session, kind.model, principal.region, before, limit + 1, scene=scene
            )
        items = [_view(row, kind, services).model_dump(mode="json") for row in rows[:limit]]
        more = len(rows) > limit
        return json_response({"items": items, "next_cursor": items[-1]["id"] if more else None})

    @router.post(
        "",
        response_model=SceneDaysView,
        summary=f"Propose an {word} of a scene from a coming day on",
        description=f"On its days {means}. It counts for nothing before another operator approves it.",
        **operation(
            scopes.METHODOLOGIES_WRITE,
            body=SceneDaysInput,
            examples=[{**example, **REASON_EXAMPLE}],
            errors=(errors.OutOfRegion, errors.LeadTooShort, *checks, "request.idempotency_conflict"),
        ),
    )
    async def propose_days(request: Request, principal: Writer, services: ServicesDep) -> Response:
        async def act(session: AsyncSession, body: SceneDaysInput, actor: Actor) -> SceneDaysView:
            found = await scene_days.propose(session, book_of(services), actor, kind, body)
            return _view(found, kind, services)

        return await write(request, principal, services, SceneDaysInput, act)

    @router.get(
        one,
        response_model=SceneDaysView,
        summary=f"An {word}",
        description="With its state, and the end that is proposed.",
        **operation(scopes.METHODOLOGIES_READ, errors=(kind.not_found,)),
    )
    async def read_days(id_: Id, principal: Reader, services: ServicesDep) -> Response:
        async with services.database.reading() as session:
            found = await repository.find_days(session, kind.model, id_of(id_))
        if found is None or not principal.may_see_region(found.region):
            raise kind.not_found
        return json_response(_view(found, kind, services).model_dump(mode="json"))

    @router.post(
        f"{one}/approval",
        response_model=SceneDaysView,
        summary=f"Approve an {word} that another operator proposed, or its end",
        description=f"From its first day on, which still lies ahead, {means}.",
        **operation(
            scopes.METHODOLOGIES_APPROVE,
            body=StepInput,
            examples=[REASON_EXAMPLE],
            errors=(*steps, errors.ApproveOwn, errors.LeadTooShort, *checks),
        ),
    )
    async def approve_days(
        request: Request, principal: Approver, services: ServicesDep, step: Step
    ) -> Response:
        async def act(session: AsyncSession, body: StepInput, actor: Actor) -> SceneDaysView:
            found = await scene_days.approve(session, book_of(services), actor, kind, *step, body.reason)
            return _view(found, kind, services)

        return await write(request, principal, services, StepInput, act)

    @router.post(
        f"{one}/end",
        response_model=SceneDaysView,
        summary=f"Propose the end of an {word}",
        description="On a day that is not over when another operator approves it; without a day, it is not to begin "
        "at all.",
        **operation(
            scopes.METHODOLOGIES_WRITE,
            body=SceneDaysEndInput,
            examples=[{"last_day": "2027-12-31", **REASON_EXAMPLE}],
            errors=(*steps, errors.LeadTooShort),
        ),
    )
    async def propose_end(request: Request, principal: Writer, services: ServicesDep, step: Step) -> Response:
        async def act(session: AsyncSession, body: SceneDaysEndInput, actor: Actor) -> SceneDaysView:
            found = await scene_days.propose_end(
                session, book_of(services), actor, kind, *step, body.last_day, body.reason
            )
            return _view(found, kind, services)

        return await write(request, principal, services, SceneDaysEndInput, act)

    @router.post(
        f"{one}/withdrawal",
        response_model=SceneDaysView,
        summary=f"Withdraw what is proposed: the {word}, or its end",
        description="By the proposer, or by another operator of the region who turns it down.",
        **operation(scopes.METHODOLOGIES_WRITE, body=StepInput, examples=[REASON_EXAMPLE], errors=steps),
    )
    async def withdraw_days(
        request: Request, principal: Writer, services: ServicesDep, step: Step
    ) -> Response:
        async def act(session: AsyncSession, body: StepInput, actor: Actor) -> SceneDaysView:
            found = await scene_days.withdraw(session, book_of(services), actor, kind, *step, body.reason)
            return _view(found, kind, services)

        return await write(request, principal, services, StepInput, act)

    return router


def _view(days: SceneDays, kind: Kind, services: Services) -> SceneDaysView:
    today = services.intake.clock().astimezone(LOCAL).date()
    told = set(SceneDaysView.model_fields) - {"id", "state", "proposed_end"}
    return SceneDaysView(
        id=public_id(kind.id_prefix, days.id),
        state=days.state(today),
        proposed_end=ProposedEnd(last_day=days.ending_day, proposed_by=days.ending_by)
        if days.is_ending and days.ending_by is not None
        else None,
        **days.model_dump(include=told),
    )


exclusions = doors(
    EXCLUSION,
    "the scene earns nothing in the region and below it: acts are rejected as `scene_excluded`",
    {
        "region": "440300",
        "scene": "charging.ev",
        "first_day": "2027-01-01",
        "legal_basis": "acts inside the emissions-trading boundary",
    },
)
adoptions = doors(
    ADOPTION,
    "the nation's rule counts in the region and below it, where neither they nor a region between has a rule in force",
    {
        "region": "440000",
        "scene": "trip.e_bike",
        "first_day": "2027-01-01",
        "legal_basis": "notice of the province's bureau 2026-118",
    },
    (errors.DaysInForce,),
)
router = APIRouter()
router.include_router(exclusions)
router.include_router(adoptions)
