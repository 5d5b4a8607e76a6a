"""The doors of operators to runs of labels: begun, looked at, published."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import public_id
from accounts.labels import errors, run_repository
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.http import address_of, json_response, operation
from app.auth import audit, scopes
from app.auth.principal import Principal, prefix
from app.database import driver_of
from app.labels import runs
from app.labels.schemas import (
    LabelPublicationInput,
    LabelRunInput,
    LabelRunList,
    LabelRunView,
    RunLabelList,
    RunLabelView,
    points_view,
    reasons_view,
    run_view,
)
from app.my_data import access

if TYPE_CHECKING:
    import asyncpg

router = APIRouter(prefix="/v1/operator/label-runs", tags=["operator labels"])
Reader = Annotated[Principal, Depends(caller(scopes.LABELS_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.LABELS_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.LABELS_APPROVE))]
RunId = Annotated[str, Path(description="`lbr_…`", examples=["lbr_" + "0" * 32], max_length=40)]
_RUN: TypeAdapter[LabelRunInput] = TypeAdapter(LabelRunInput)
_PUBLICATION: TypeAdapter[LabelPublicationInput] = TypeAdapter(LabelPublicationInput)


@router.post(
    "",
    response_model=LabelRunView,
    summary="Begin a run of a region and year by the rules of today",
    **operation(
        scopes.LABELS_WRITE,
        body=LabelRunInput,
        examples=[{"region": "330800", "year": 2025, "reason": "yearly assessment 2025"}],
        errors=(
            errors.NoRules,
            errors.YearNotOver,
            "request.idempotency_conflict",
        ),
    ),
)
async def begin_run(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """The job works at it; the yearly ones it begins by itself. Nobody sees the labels before their publication."""
    raw, body = await my.body(request, _RUN)
    if not principal.may_see_region(body.region):
        raise errors.NoRules

    async def act(session: AsyncSession) -> Any:
        driver, now = await driver_of(session), services.intake.clock()
        run = await runs.begin(
            driver, services.live.labels, body.region, body.year, principal.client_id, body.reason, now
        )
        shown = run_view(run, {})
        await audit.append(
            session,
            principal,
            now,
            "label_run.begun",
            ("label_run", shown["run_id"]),
            region=body.region,
            address=address_of(request),
            reason=body.reason,
            after=shown,
        )
        return shown

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "",
    response_model=LabelRunList,
    summary="Runs of the region, the newest first",
    **operation(scopes.LABELS_READ, errors=("request.invalid",)),
)
async def list_runs(
    principal: Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """With how many enterprises got which colour so far."""
    before = my.place("lbr", cursor)
    async with services.database.reading() as session:
        driver = await driver_of(session)
        rows = await run_repository.page_of_runs(driver, prefix(principal.region), before, limit + 1)
        colours = await run_repository.colours(driver, [row.id for row in rows])
    return my.listed(
        rows, limit, lambda row: run_view(row, colours.get(row.id, {})), lambda row: public_id("lbr", row.id)
    )


async def _run(
    driver: "asyncpg.Connection", principal: Principal, run_id: str, *, lock: bool = False
) -> run_repository.Run:
    known = my.id_of("lbr", run_id, errors.RunNotFound)
    found = await run_repository.find_run(driver, known, lock=lock)
    if found is None or not principal.may_see_region(found.region):
        raise errors.RunNotFound
    return found


@router.get(
    "/{run_id}",
    response_model=LabelRunView,
    summary="A run",
    **operation(scopes.LABELS_READ, errors=(errors.RunNotFound,)),
)
async def read_run(run_id: RunId, principal: Reader, services: ServicesDep) -> Response:
    """With how many enterprises got which colour so far."""
    async with services.database.reading() as session:
        driver = await driver_of(session)
        run = await _run(driver, principal, run_id)
        colours = await run_repository.colours(driver, [run.id])
    return json_response(run_view(run, colours.get(run.id, {})))


@router.get(
    "/{run_id}/labels",
    response_model=RunLabelList,
    summary="Labels of a run, published or not",
    **operation(scopes.LABELS_READ, errors=(errors.RunNotFound, "request.invalid")),
)
async def list_run_labels(
    run_id: RunId,
    principal: Reader,
    services: ServicesDep,
    limit: my.Limit = 50,
    cursor: my.Cursor = None,
) -> Response:
    """Those that are decided. The enterprises' access logs tell that they were read."""
    after = my.place("hld", cursor)
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        run = await _run(driver, principal, run_id)
        rows = await run_repository.decided_after(driver, run.id, after, limit + 1)
        read = [(row.holder_id, run_id) for row in rows[:limit]]
        await access.record(session, principal, "label", read, services.intake.clock())
    return my.listed(rows, limit, _run_label, lambda row: public_id("hld", row.holder_id))


def _run_label(row: run_repository.RunLabel) -> dict[str, Any]:
    return RunLabelView.model_validate(
        {
            "enterprise_id": public_id("hld", row.holder_id),
            "domain": row.domain,
            "industry": row.industry,
            "colour": row.colour,
            "points": points_view(row.points),
            "percentile": row.percentile,
            "reasons": reasons_view(row.reasons),
        }
    ).model_dump(mode="json")


@router.post(
    "/{run_id}/publication",
    response_model=LabelRunView,
    summary="Publish the labels of a run, once",
    **operation(
        scopes.LABELS_APPROVE,
        body=LabelPublicationInput,
        examples=[{"official": False, "reason": "trial of 2025"}],
        errors=(
            errors.RunNotFound,
            errors.RunUnfinished,
            errors.RunPublished,
            errors.RunStale,
            errors.NotOfficial,
            errors.PublishOwn,
            "request.idempotency_conflict",
        ),
    ),
)
async def publish_run(
    run_id: RunId, request: Request, principal: Approver, services: ServicesDep
) -> Response:
    """As official only by official rules, and by somebody else than who began the run. Falls are told to banks."""
    raw, body = await my.body(request, _PUBLICATION)

    async def act(session: AsyncSession) -> Any:
        driver, now = await driver_of(session), services.intake.clock()
        # One publication at a time: each compares with what counts when it comes.
        await run_repository.lock_publications(driver)
        run = await _run(driver, principal, run_id, lock=True)
        rules = services.live.labels.by_id(run.rules_id)
        fallen = await runs.publish(driver, run, rules, principal.client_id, now, official=body.official)
        colours = await run_repository.colours(driver, [run.id])
        published = await run_repository.find_run(driver, run.id)
        shown = run_view(published or run, colours.get(run.id, {}), fallen)
        await audit.append(
            session,
            principal,
            now,
            "label_run.published",
            ("label_run", run_id),
            region=run.region,
            address=address_of(request),
            reason=body.reason,
            after=shown,
        )
        return shown

    return await idempotency.write(request, principal, services, raw, act)
