"""What is sold for carbon-neutral events: operators open and close pools, everybody sees them; coverage of a region."""

import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter

from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.carbon import read_json_raw
from app.api.enterprise_structure import id_in_path
from app.api.http import cursor_of, json_response, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.events import repository, service
from app.events.errors import PoolNotFound, PoolOutOfRegion
from app.events.schemas import CoverageView, PoolInput, PoolList, PoolView, coverage_view, pool_view

router = APIRouter(tags=["event pools"])
Seller = Annotated[Principal, Depends(caller(scopes.EVENT_POOLS_WRITE))]
Reader = Annotated[Principal, Depends(caller(scopes.EVENT_COVERAGE_READ))]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
PoolId = Annotated[str, Path(description="`evp_…`", examples=["evp_" + "0" * 32], max_length=40)]
_POOL: TypeAdapter[PoolInput] = TypeAdapter(PoolInput)
_EXAMPLE = {
    "region": "360000",
    "title_zh": "江西林业碳汇",
    "title_en": "Forest sinks of Jiangxi",
    "price_fen_per_t": 5000,
}
REPEATED = ("request.idempotency_conflict", "storage.unavailable")


@router.post(
    "/v1/operator/event-pools",
    response_model=PoolView,
    summary="Sell units of one's own registry account for events",
    **operation(
        scopes.EVENT_POOLS_WRITE,
        body=PoolInput,
        examples=[_EXAMPLE],
        errors=(PoolOutOfRegion, PoolNotFound, *REPEATED),
    ),
)
async def open_pool(request: Request, principal: Seller, services: ServicesDep) -> Response:
    """At one price, which stays; another price is another pool."""
    raw, body = await read_json_raw(request, _POOL)
    if not principal.may_see_region(body.region):
        raise PoolOutOfRegion
    origin = None if body.origin_id is None else id_in_path("uor", body.origin_id, PoolNotFound)
    now = services.intake.clock()

    async def act(session: Any) -> Any:
        driver = await driver_of(session)
        said = (body.region, body.title_zh, body.title_en, body.price_fen_per_t)
        made = await service.open_pool(driver, principal.organisation_id, origin, said, now)
        return pool_view(await repository.stocked(driver, made))

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/v1/operator/event-pools/{pool_id}/closure",
    response_model=PoolView,
    summary="Sell no more from a pool",
    **operation(scopes.EVENT_POOLS_WRITE, errors=(PoolNotFound, *REPEATED)),
)
async def close_pool(pool_id: PoolId, request: Request, principal: Seller, services: ServicesDep) -> Response:
    """What is ordered stays so, and can be paid."""
    known, now = id_in_path("evp", pool_id, PoolNotFound), services.intake.clock()

    async def act(session: Any) -> Any:
        driver = await driver_of(session)
        if not await repository.close_pool(driver, principal.organisation_id, known, now):
            raise PoolNotFound
        return pool_view(await repository.stocked(driver, known))

    return await idempotency.write(request, principal, services, b"", act)


@router.get(
    "/v1/public/event-pools",
    response_model=PoolList,
    summary="What is sold for carbon-neutral events, with stock and price",
    **operation(errors=("request.invalid",)),
)
async def list_pools(
    services: ServicesDep,
    region: Annotated[str | None, Query(pattern=r"^[1-9][0-9]{5}$")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The stock is what is free now; an order locks what it takes."""
    before = cursor_of("evp", cursor)
    async with services.database.snapshot() as driver:
        rows = await repository.pools(driver, region, before, limit + 1)
    items = [pool_view(row) for row in rows[:limit]]
    more = len(rows) > limit
    return json_response({"items": items, "next_cursor": items[-1]["pool_id"] if more else None})


@router.get(
    "/v1/operator/event-coverage",
    response_model=CoverageView,
    summary="How far departments of the region cover what their events emit",
    **operation(scopes.EVENT_COVERAGE_READ, errors=("request.invalid",)),
)
async def read_coverage(
    principal: Reader,
    services: ServicesDep,
    first_day: Annotated[datetime.date, Query(alias="from")],
    last_day: Annotated[datetime.date, Query(alias="to")],
) -> Response:
    """Enterprises' events, by the department that they report; by the day of the event, both days included."""
    async with services.database.snapshot() as driver:
        rows = await repository.coverage(driver, principal.region, None, first_day, last_day)
    return json_response(coverage_view(rows))
