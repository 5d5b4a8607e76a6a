"""What platforms have aggregated: each platform sees its own, operators those of their region."""

import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from accounts.errors import Fault
from accounts.ids import parse_public_id
from app.api.access import ServicesDep, caller
from app.api.http import json_response, operation
from app.auth import scopes
from app.auth.principal import NATION, Principal
from app.crediting.aggregation import AggregationList, page_of_aggregates, place_of
from app.problems import RequestError
from app.wiring import Services
from dedup.periods import LOCAL

router = APIRouter(tags=["aggregation"])
Month = Annotated[
    str | None,
    Query(
        pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$",
        description="Month of booking, `YYYY-MM` in Asia/Shanghai; this month where absent",
        examples=["2026-11"],
    ),
]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before")]


@router.get(
    "/v1/aggregation",
    response_model=AggregationList,
    summary="What my platform has aggregated in a month",
    **operation(scopes.ACTIVITIES_READ, errors=("request.invalid",)),
)
async def own_aggregation(
    principal: Annotated[Principal, Depends(caller(scopes.ACTIVITIES_READ))],
    services: ServicesDep,
    month: Month = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """By scene, methodology version and vintage; acts that were reversed since are not in it."""
    return await _answer(services, month, limit, cursor, (NATION, principal.organisation_id))


@router.get(
    "/v1/operator/aggregation",
    response_model=AggregationList,
    summary="What platforms have aggregated in the region in a month",
    **operation(scopes.OPERATOR_ACTIVITIES_READ, errors=("request.invalid",)),
)
async def aggregation_of_region(
    principal: Annotated[Principal, Depends(caller(scopes.OPERATOR_ACTIVITIES_READ))],
    services: ServicesDep,
    month: Month = None,
    source_id: Annotated[str | None, Query(description="`org_…`: of this platform only")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """By platform, scene, methodology version and vintage, of acts in the operator's region and below it."""
    source = None if source_id is None else parse_public_id("org", source_id)
    if source_id is not None and source is None:
        raise RequestError("request.invalid", Fault("/source_id", "not an organisation's id"))
    return await _answer(services, month, limit, cursor, (principal.region, source))


async def _answer(
    services: Services, month: str | None, limit: int, cursor: str | None, within: tuple[str, UUID | None]
) -> Response:
    after = place_of(cursor)
    if after is None:
        raise RequestError("request.invalid", Fault("/cursor", "not a cursor of this list"))
    today = services.intake.clock().astimezone(LOCAL).date()
    first = today.replace(day=1) if month is None else datetime.date.fromisoformat(f"{month}-01")
    async with services.database.snapshot() as driver:
        page = await page_of_aggregates(driver, first, *within, after, limit)
    return json_response(page.model_dump())
