"""The doors of an enterprise to load shedding: what its lines can do, and plans."""

from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.enterprises.errors import (
    EnterpriseEditedMeanwhile,
    EnterpriseIfMatchMissing,
    LineNotFound,
    SiteNotFound,
)
from accounts.ids import public_id
from accounts.load_shedding import repository, service
from accounts.load_shedding.errors import (
    SheddingFeedsInvalid,
    SheddingNoLines,
    SheddingOptionUnknown,
    SheddingPeriodInvalid,
    SheddingPlanDecided,
    SheddingPlanNotFound,
)
from accounts.load_shedding.schemas import (
    SheddingChoice,
    SheddingLineInput,
    SheddingLineList,
    SheddingLineView,
    SheddingPlanList,
    SheddingPlanView,
    SheddingRequest,
    State,
)
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.carbon import read_json_raw
from app.api.enterprise_structure import Cursor, IfMatch, Limit, LineId, id_in_path, own_enterprise
from app.api.http import address_of, cursor_of, json_response, operation, stated_version
from app.auth import audit, scopes
from app.auth.principal import Principal
from app.database import driver_of

if TYPE_CHECKING:
    from app.wiring import Services

router = APIRouter(prefix="/v1/enterprises/load-shedding", tags=["enterprises"])
Reader = Annotated[Principal, Depends(caller(scopes.LOAD_SHEDDING_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.LOAD_SHEDDING_WRITE))]
PlanId = Annotated[str, Path(description="`lsp_…`", examples=["lsp_" + "0" * 32], max_length=40)]
REPEATED = ("request.idempotency_conflict",)
_LINE: TypeAdapter[SheddingLineInput] = TypeAdapter(SheddingLineInput)
_REQUEST: TypeAdapter[SheddingRequest] = TypeAdapter(SheddingRequest)
_CHOICE: TypeAdapter[SheddingChoice] = TypeAdapter(SheddingChoice)


def line_view(row: repository.Row) -> dict[str, Any]:
    """What counts of a line, as it is shown."""
    ids = {
        "line_id": public_id("lin", row["line_id"]),
        "feeds_line_id": None if row["feeds_line_id"] is None else public_id("lin", row["feeds_line_id"]),
    }
    return SheddingLineView(**dict(row) | ids).model_dump(mode="json")


def plan_view(row: repository.Row) -> dict[str, Any]:
    """A plan as it is shown."""
    told = {
        "plan_id": public_id("lsp", row["id"]),
        "site_id": None if row["site_id"] is None else public_id("sit", row["site_id"]),
        "options": orjson.loads(row["options"]),
        "skipped_line_ids": orjson.loads(row["skipped"]),
    }
    return SheddingPlanView(**dict(row) | told).model_dump(mode="json")


@router.get(
    "/lines",
    response_model=SheddingLineList,
    summary="What my lines can do when load is to be shed",
    **operation(scopes.LOAD_SHEDDING_READ, errors=("request.invalid",)),
)
async def list_shedding_lines(
    principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Lines that have data; the others are left alone."""
    after = cursor_of("lin", cursor)
    async with services.database.snapshot() as driver:
        rows = await repository.page_of_data(driver, own_enterprise(principal), after, limit + 1)
    return _page([line_view(row) for row in rows], "line_id", limit)


@router.put(
    "/lines/{line_id}",
    response_model=SheddingLineView,
    summary="Say what a line can do when load is to be shed",
    **operation(
        scopes.LOAD_SHEDDING_WRITE,
        body=SheddingLineInput,
        examples=[
            {
                "value_fen_per_kwh": 180,
                "can_stop": True,
                "load_w": 600_000,
                "least_w": 250_000,
                "least_off_minutes": 60,
                "ramp_w_per_minute": 50_000,
            }
        ],
        errors=(
            LineNotFound,
            SheddingFeedsInvalid,
            EnterpriseIfMatchMissing,
            EnterpriseEditedMeanwhile,
            *REPEATED,
        ),
    ),
)
async def enter_shedding_line(
    line_id: LineId, request: Request, principal: Writer, services: ServicesDep, if_match: IfMatch = None
) -> Response:
    """The next version; the first one names version 0. Earlier versions are kept, as are plans made from them."""
    raw, body = await read_json_raw(request, _LINE)
    version = stated_version(if_match, EnterpriseIfMatchMissing)
    holder_id, wanted = own_enterprise(principal), id_in_path("lin", line_id, LineNotFound)
    now = services.intake.clock()

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        before = await service.enter_data(driver, holder_id, wanted, version, body, now)
        found = await repository.data_of(driver, holder_id, wanted)
        if found is None:
            raise LineNotFound
        shown = line_view(found)
        await audit.append(
            session,
            principal,
            now,
            "load_shedding.line_entered",
            ("line", shown["line_id"]),
            region=principal.region,
            address=address_of(request),
            before=None if before is None else line_view(before),
            after=shown,
        )
        return shown

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/plans",
    response_model=SheddingPlanView,
    summary="Ask which lines to bring down",
    **operation(
        scopes.LOAD_SHEDDING_WRITE,
        body=SheddingRequest,
        examples=[
            {
                "cut_kw": 1000,
                "starts_at": "2026-11-21T14:00:00+08:00",
                "ends_at": "2026-11-21T16:00:00+08:00",
            }
        ],
        errors=(SheddingPeriodInvalid, SheddingNoLines, SiteNotFound, *REPEATED),
    ),
)
async def make_shedding_plan(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """The cheapest way and others, each with what it costs. What cannot be reached is told as `short_kw`."""
    raw, body = await read_json_raw(request, _REQUEST)
    holder_id, now = own_enterprise(principal), services.intake.clock()

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        made = await service.make_plan(driver, holder_id, body, now)
        found = await repository.find_plan(driver, holder_id, made)
        return None if found is None else plan_view(found)

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/plans",
    response_model=SheddingPlanList,
    summary="My plans, the newest first",
    **operation(scopes.LOAD_SHEDDING_READ, errors=("request.invalid",)),
)
async def list_shedding_plans(
    principal: Reader,
    services: ServicesDep,
    state: Annotated[State | None, Query(description="In this state only")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Proposed, accepted and dropped ones."""
    before = cursor_of("lsp", cursor)
    async with services.database.snapshot() as driver:
        rows = await repository.page_of_plans(driver, own_enterprise(principal), state, before, limit + 1)
    return _page([plan_view(row) for row in rows], "plan_id", limit)


@router.get(
    "/plans/{plan_id}",
    response_model=SheddingPlanView,
    summary="A plan of mine",
    **operation(scopes.LOAD_SHEDDING_READ, errors=(SheddingPlanNotFound,)),
)
async def read_shedding_plan(plan_id: PlanId, principal: Reader, services: ServicesDep) -> Response:
    """As it was computed, whatever became of its lines since."""
    wanted = id_in_path("lsp", plan_id, SheddingPlanNotFound)
    async with services.database.snapshot() as driver:
        found = await repository.find_plan(driver, own_enterprise(principal), wanted)
    if found is None:
        raise SheddingPlanNotFound
    return json_response(plan_view(found))


@router.post(
    "/plans/{plan_id}/acceptance",
    response_model=SheddingPlanView,
    summary="Accept an option of a plan",
    **operation(
        scopes.LOAD_SHEDDING_WRITE,
        body=SheddingChoice,
        examples=[{"option": 0}],
        errors=(
            SheddingPlanNotFound,
            SheddingPlanDecided,
            SheddingOptionUnknown,
            SheddingPeriodInvalid,
            *REPEATED,
        ),
    ),
)
async def accept_shedding_plan(
    plan_id: PlanId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """Once; what is switched, people switch."""
    raw, body = await read_json_raw(request, _CHOICE)
    return await _decide(request, principal, services, raw, plan_id, body)


@router.post(
    "/plans/{plan_id}/drop",
    response_model=SheddingPlanView,
    summary="Drop a plan",
    **operation(scopes.LOAD_SHEDDING_WRITE, errors=(SheddingPlanNotFound, SheddingPlanDecided, *REPEATED)),
)
async def drop_shedding_plan(
    plan_id: PlanId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """It stays in the list, and cannot be accepted any more."""
    return await _decide(request, principal, services, b"", plan_id, None)


async def _decide(
    request: Request,
    principal: Principal,
    services: "Services",
    raw: bytes,
    plan_id: str,
    choice: SheddingChoice | None,
) -> Response:
    wanted = id_in_path("lsp", plan_id, SheddingPlanNotFound)
    holder_id, now = own_enterprise(principal), services.intake.clock()

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        option = None if choice is None else choice.option
        before = await service.decide(driver, holder_id, wanted, option, now)
        found = await repository.find_plan(driver, holder_id, wanted)
        if found is None:
            raise SheddingPlanNotFound
        await audit.append(
            session,
            principal,
            now,
            f"load_shedding.plan_{found['state']}",
            ("load_shedding_plan", public_id("lsp", wanted)),
            region=principal.region,
            address=address_of(request),
            before={"state": before["state"]},
            after={"state": found["state"], "chosen": found["chosen"]},
        )
        return plan_view(found)

    return await idempotency.write(request, principal, services, raw, act)


def _page(items: list[dict[str, Any]], key: str, limit: int) -> Response:
    """A page of items, of which one more than `limit` was asked for."""
    following = items[limit - 1][key] if len(items) > limit else None
    return json_response({"items": items[:limit], "next_cursor": following})
