"""The public calculator of what an event emits: nothing is kept, and nobody signs in."""

import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter

from accounts.event_footprints.computing import compute
from accounts.event_footprints.errors import NothingEmitted, UnknownFactor
from accounts.event_footprints.items import catalogue, published
from accounts.event_footprints.schemas import (
    EventFootprintInput,
    EventFootprintView,
    EventItemList,
    EventItemView,
    PublishedFactor,
    footprint_view,
)
from accounts.offsetting.factors import Factor
from app.api.access import ServicesDep
from app.api.http import address_of, json_response, operation, read_json
from dedup.periods import LOCAL

router = APIRouter(prefix="/v1/public/event-footprints", tags=["event footprints"])
MAX_BYTES = 64 * 1024
_INPUT: TypeAdapter[EventFootprintInput] = TypeAdapter(EventFootprintInput)
EXAMPLE = {
    "kind": "meeting",
    "region": "360100",
    "day": "2026-11-20",
    "lines": [{"item": "combined.jiangxi_car_and_paper", "quantity": 1, "unit": "set"}],
}


def _shown(factor: Factor | None) -> PublishedFactor | None:
    if factor is None:
        return None
    return PublishedFactor(
        value=factor.value, unit=factor.unit, source=factor.source, confidence=factor.confidence
    )


@router.get(
    "/items",
    response_model=EventItemList,
    summary="What can be entered for an event, and the factors in force",
    **operation(errors=("request.invalid",)),
)
async def list_event_items(
    services: ServicesDep,
    region: Annotated[str, Query(pattern=r"^[1-9][0-9]{5}$")] = "100000",
    day: Annotated[datetime.date | None, Query(description="Today where absent")] = None,
) -> Response:
    """Where no factor is published, `missing` says why."""
    when = day or services.intake.clock().astimezone(LOCAL).date()
    known = catalogue()
    items = []
    for item in known.items.values():
        domestic = published(item.factors, region, when)
        other = None if domestic is not None else published(item.abroad, region, when)
        items.append(
            EventItemView(
                item=item.id,
                category=item.category,
                title=item.title,
                units=list(item.units),
                factor=_shown(None if domestic is None else domestic[1]),
                missing=item.missing if domestic is None else None,
                abroad=_shown(None if other is None else other[1]),
                country=None if other is None else other[0].country,
            )
        )
    found = EventItemList(kinds=list(known.kinds), categories=list(known.categories), items=items)
    return json_response(found.model_dump())


@router.post(
    "",
    response_model=EventFootprintView,
    summary="Compute what an event emits",
    **operation(
        body=EventFootprintInput,
        examples=[EXAMPLE],
        errors=(UnknownFactor, NothingEmitted, "request.rate_limited"),
    ),
)
async def compute_event_footprint(request: Request, services: ServicesDep) -> Response:
    """Each line by a dated factor with its source; an unknown factor is refused, never invented. Nothing is kept."""
    await services.resident_limiter.check(f"public:{address_of(request)}")
    body = await read_json(request, _INPUT, MAX_BYTES)
    found = compute(body.entered(), body.region, body.day, accept_abroad=body.accept_abroad)
    return json_response(footprint_view(found).model_dump())
