"""The doors of enterprises to their labels: figures with documents, the label and its history, what would change it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.enterprises.errors import EnterpriseNotFound
from accounts.ids import epoch_ms, public_id, uuid7_batch
from accounts.labels import errors, repository
from accounts.labels.queries import current_label, label_history
from accounts.labels.reasons import unit_of
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.http import json_response, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.labels import preview
from app.labels.facts import cell_of
from app.labels.schemas import (
    BenchmarkList,
    FigureList,
    FiguresInput,
    FiguresTaken,
    LabelHistory,
    LabelView,
    benchmark_view,
    figure_of,
    figure_view,
    label_view,
)

router = APIRouter(prefix="/v1/enterprises", tags=["enterprise labels"])
Reader = Annotated[Principal, Depends(caller(scopes.LABEL_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.FIGURES_WRITE))]
OfYear = Annotated[int | None, Query(ge=2000, le=2199)]
_FIGURES: TypeAdapter[FiguresInput] = TypeAdapter(FiguresInput)
_FIGURE = {
    "year": 2025,
    "measure": "value_added",
    "amount": 1250000000,
    "unit": "fen",
    "document": {"title": "2025年度财务报表", "number": "QJ-2025-117", "issued_on": "2026-03-20"},
}


@router.post(
    "/figures",
    response_model=FiguresTaken,
    summary="Report figures of a year, each with its document",
    **operation(
        scopes.FIGURES_WRITE,
        body=FiguresInput,
        examples=[{"figures": [_FIGURE]}],
        errors=(EnterpriseNotFound, "request.idempotency_conflict"),
    ),
)
async def report_figures(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """Nothing is overwritten: the latest counts, unless an operator recorded one, which outranks it."""
    holder_id = my.own(principal)
    raw, body = await my.body(request, _FIGURES)

    async def act(session: AsyncSession) -> Any:
        driver, now = await driver_of(session), services.intake.clock()
        if not await repository.enterprises(driver, [holder_id]):
            raise EnterpriseNotFound
        ids = uuid7_batch(epoch_ms(now), len(body.figures))
        rows = [
            figure_of(each, figure_id, holder_id, "", principal.client_id, now)
            for each, figure_id in zip(body.figures, ids, strict=True)
        ]
        await repository.add_figures(driver, rows)
        counting = await repository.counting(driver, holder_id, sorted({row.year for row in rows}))
        return {"items": [figure_view(row, counts=row.id in counting) for row in rows]}

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/figures",
    response_model=FigureList,
    summary="Figures that were reported or recorded, the newest first",
    **operation(scopes.LABEL_READ, errors=("request.invalid",)),
)
async def list_figures(
    principal: Reader,
    services: ServicesDep,
    limit: my.Limit = 50,
    cursor: my.Cursor = None,
    year: OfYear = None,
) -> Response:
    """With who reported each, and whether it counts."""
    before = my.place("fig", cursor)
    async with services.database.reading() as session:
        rows = await repository.page_of_figures(
            await driver_of(session), my.own(principal), year, before, limit + 1
        )
    return my.listed(
        rows, limit, lambda row: figure_view(row[0], counts=row[1]), lambda row: public_id("fig", row[0].id)
    )


@router.get(
    "/label",
    response_model=LabelView,
    summary="The label that counts, with its reasons",
    **operation(scopes.LABEL_READ, errors=(errors.NoLabel,)),
)
async def read_label(principal: Reader, services: ServicesDep) -> Response:
    """An official one before a trial one, then the latest year's."""
    async with services.database.reading() as session:
        found = await current_label(await driver_of(session), my.own(principal))
    if found is None:
        raise errors.NoLabel
    return json_response(label_view(found))


@router.get(
    "/label/history",
    response_model=LabelHistory,
    summary="All labels that were published",
    **operation(scopes.LABEL_READ),
)
async def read_history(principal: Reader, services: ServicesDep) -> Response:
    """The latest year first; of one year, the last published first. At most 200."""
    async with services.database.reading() as session:
        found = await label_history(await driver_of(session), my.own(principal))
    return json_response({"items": [label_view(each) for each in found]})


@router.get(
    "/label/benchmark",
    response_model=BenchmarkList,
    summary="What is told of the industry's distribution",
    **operation(scopes.LABEL_READ, errors=(EnterpriseNotFound, errors.NoScale, "request.invalid")),
)
async def read_benchmark(
    principal: Reader,
    services: ServicesDep,
    year: Annotated[int | None, Query(ge=2000, le=2199, description="The latest without it")] = None,
) -> Response:
    """Coarse percentiles of at least so many enterprises as the rules say; each enterprise is in one a year."""
    async with services.database.reading() as session:
        scale, found = await preview.benchmarks(
            await driver_of(session),
            services.live.labels,
            my.own(principal),
            year,
            services.intake.clock(),
        )
    items = [benchmark_view(each, unit_of(each.indicator, scale)) for each in found]
    return json_response(BenchmarkList(cell=cell_of(scale), items=items).model_dump(mode="json"))
