"""The doors of operators to figures of enterprises, as authorities have them."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.enterprises.errors import EnterpriseNotFound
from accounts.ids import epoch_ms, parse_public_id, public_id, uuid7_batch
from accounts.labels import repository
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.http import address_of, operation, parse, read_body
from app.auth import audit, scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.labels.schemas import (
    FigureList,
    FigureOutcomes,
    OperatorFigureBatch,
    figure_of,
    figure_view,
)
from app.my_data import access

router = APIRouter(prefix="/v1/operator", tags=["operator labels"])
Reader = Annotated[Principal, Depends(caller(scopes.LABELS_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.LABELS_WRITE))]
EnterpriseId = Annotated[str, Path(description="`hld_…`", examples=["hld_" + "0" * 32], max_length=40)]
MAX_BYTES = 1_048_576
_BATCH: TypeAdapter[OperatorFigureBatch] = TypeAdapter(OperatorFigureBatch)
_FIGURE = {
    "enterprise_id": "hld_01a1fc693a86700e9ae525ac545ac6cd",
    "authority": "国家税务总局衢州市税务局",
    "year": 2025,
    "measure": "tax",
    "amount": 86000000,
    "unit": "fen",
    "document": {"title": "2025年度纳税证明", "number": "税证-2026-0331", "issued_on": "2026-03-31"},
}


@router.post(
    "/label-figures/batch",
    response_model=FigureOutcomes,
    summary="Record figures of enterprises as an authority has them",
    **operation(
        scopes.LABELS_WRITE,
        body=OperatorFigureBatch,
        examples=[{"figures": [_FIGURE]}],
        errors=("request.idempotency_conflict",),
    ),
)
async def record_figures(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """They outrank what enterprises report themselves. One answer per figure, in order."""
    raw = await read_body(request, MAX_BYTES)
    body = parse(_BATCH, raw)
    wanted = [parse_public_id("hld", each.enterprise_id) for each in body.figures]

    async def act(session: AsyncSession) -> Any:
        driver, now = await driver_of(session), services.intake.clock()
        known = await repository.enterprises(driver, [each for each in wanted if each is not None])
        ids = uuid7_batch(epoch_ms(now), len(body.figures))
        rows, items, recorded = [], [], []
        for each, holder_id, figure_id in zip(body.figures, wanted, ids, strict=True):
            found = None if holder_id is None else known.get(holder_id)
            if found is None or not principal.may_see_region(found.region):
                items.append({"figure_id": None, "error": EnterpriseNotFound.code})
                continue
            row = figure_of(each, figure_id, found.holder_id, each.authority, principal.client_id, now)
            rows.append(row)
            items.append({"figure_id": public_id("fig", figure_id), "error": None})
            recorded.append({"enterprise_id": each.enterprise_id, "figure_id": items[-1]["figure_id"]})
        if rows:
            await repository.add_figures(driver, rows)
            await audit.append(
                session,
                principal,
                now,
                "label_figures.recorded",
                ("label_figures", recorded[0]["figure_id"] or ""),
                region=principal.region,
                address=address_of(request),
                after={"figures": recorded},
            )
        return {"items": items}

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/enterprises/{enterprise_id}/figures",
    response_model=FigureList,
    summary="Figures of an enterprise, the newest first",
    **operation(scopes.LABELS_READ, errors=(EnterpriseNotFound, "request.invalid")),
)
async def list_enterprise_figures(
    enterprise_id: EnterpriseId,
    principal: Reader,
    services: ServicesDep,
    limit: my.Limit = 50,
    cursor: my.Cursor = None,
) -> Response:
    """The enterprise's access log tells that they were read."""
    holder_id = my.id_of("hld", enterprise_id, EnterpriseNotFound)
    before = my.place("fig", cursor)
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        found = (await repository.enterprises(driver, [holder_id])).get(holder_id)
        if found is None or not principal.may_see_region(found.region):
            raise EnterpriseNotFound
        rows = await repository.page_of_figures(driver, holder_id, None, before, limit + 1)
        read = [(holder_id, enterprise_id)]
        await access.record(session, principal, "figures", read, services.intake.clock())
    return my.listed(
        rows, limit, lambda row: figure_view(row[0], counts=row[1]), lambda row: public_id("fig", row[0].id)
    )
