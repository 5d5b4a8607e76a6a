"""The door of sources' clocks, for operators."""

import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from accounts.errors import Fault
from accounts.ids import parse_public_id, public_id
from app.api.access import ServicesDep, caller
from app.api.http import json_response, operation
from app.auth import scopes
from app.auth.models import Organisation
from app.auth.principal import Principal
from app.clocks.models import SourceClock
from app.clocks.repository import page_of_clocks
from app.clocks.schemas import ClockList, ClockView
from app.problems import RequestError

router = APIRouter(prefix="/v1/operator/clocks", tags=["operator review"])
Reader = Annotated[Principal, Depends(caller(scopes.REVIEW_READ))]
Limit = Annotated[int, Query(ge=1, le=200)]


@router.get(
    "",
    response_model=ClockList,
    summary="How far platforms' clocks are apart",
    **operation(scopes.REVIEW_READ, errors=("request.invalid",)),
)
async def list_clocks(
    principal: Reader,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Annotated[
        str | None, Query(max_length=80, description="`next_cursor` of the page before")
    ] = None,
) -> Response:
    """Pairs of which one is of the region. Measured hourly from the acts of the last seven days."""
    after = None if cursor is None else _place(cursor)
    async with services.database.reading() as session:
        found = await page_of_clocks(session, principal.region, after, limit + 1)
    items = [_view(*each) for each in found[:limit]]
    following = None
    if len(found) > limit:
        following = f"{items[-1]['organisation_id']}.{items[-1]['other_organisation_id']}"
    return json_response({"items": items, "next_cursor": following})


def _place(cursor: str) -> tuple[UUID, UUID]:
    left, _, right = cursor.partition(".")
    places = parse_public_id("org", left), parse_public_id("org", right)
    if places[0] is None or places[1] is None:
        raise RequestError("request.invalid", Fault("/cursor", "not a cursor of this list"))
    return places[0], places[1]


def _view(clock: SourceClock, left: Organisation, right: Organisation) -> dict[str, Any]:
    return ClockView(
        organisation_id=public_id("org", left.id),
        organisation_name=left.name,
        other_organisation_id=public_id("org", right.id),
        other_organisation_name=right.name,
        ahead_s=clock.ahead_s,
        tolerance_s=clock.tolerance_s,
        differences=clock.differences,
        measured_at=clock.measured_at.astimezone(datetime.UTC).isoformat(),
    ).model_dump()
