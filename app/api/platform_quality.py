"""The quality of platforms' reports: each platform sees its own figures, operators those of their region."""

import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from accounts.errors import Fault
from accounts.ids import parse_public_id
from app.api import my
from app.api.access import ServicesDep, caller
from app.api.http import json_response, operation
from app.auth import scopes
from app.auth.principal import NATION, Principal
from app.crediting.corroboration_quality import PlatformFiguresList, figures_of
from app.problems import RequestError
from app.wiring import Services
from dedup.periods import LOCAL

router = APIRouter(tags=["platform quality"])
MOST_DAYS = 31
LEAST_YEAR, MOST_YEAR = 2000, 9000
Day = Annotated[
    datetime.date | None,
    Query(description="Day of booking in Asia/Shanghai", examples=["2026-11-01"]),
]
FirstDay = Annotated[
    datetime.date | None,
    Query(
        description="First day of booking in Asia/Shanghai; the month's first where absent",
        examples=["2026-11-01"],
    ),
]


@router.get(
    "/v1/platform-quality",
    response_model=PlatformFiguresList,
    summary="How good my platform's reports are",
    **operation(scopes.ACTIVITIES_READ, errors=("request.invalid",)),
)
async def own_quality(
    principal: Annotated[Principal, Depends(caller(scopes.ACTIVITIES_READ))],
    services: ServicesDep,
    first_day: FirstDay = None,
    last_day: Day = None,
) -> Response:
    """Of what was booked in a period of at most 31 days."""
    days = _days(services, first_day, last_day)
    return await _answer(services, days, (NATION, principal.organisation_id), None, 1)


@router.get(
    "/v1/operator/platform-quality",
    response_model=PlatformFiguresList,
    summary="How good the reports of platforms are",
    **operation(scopes.OPERATOR_ACTIVITIES_READ, errors=("request.invalid",)),
)
async def quality_in_region(
    principal: Annotated[Principal, Depends(caller(scopes.OPERATOR_ACTIVITIES_READ))],
    services: ServicesDep,
    first_day: FirstDay = None,
    last_day: Day = None,
    source_id: Annotated[str | None, Query(description="`org_…`: of this platform only")] = None,
    limit: my.Limit = 50,
    cursor: my.Cursor = None,
) -> Response:
    """By platform, of acts in the operator's region and below it that were booked in at most 31 days."""
    source = None if source_id is None else parse_public_id("org", source_id)
    if source_id is not None and source is None:
        raise RequestError("request.invalid", Fault("/source_id", "not an organisation's id", "不是机构编号"))
    days = _days(services, first_day, last_day)
    return await _answer(services, days, (principal.region, source), my.place("org", cursor), limit)


def _days(
    services: Services, first: datetime.date | None, last: datetime.date | None
) -> tuple[datetime.date, datetime.date]:
    """The period that is asked for: what is missing is of this month, or of the month of what is there."""
    today = services.intake.clock().astimezone(LOCAL).date()
    for name, day in (("first_day", first), ("last_day", last)):
        if day is not None and not LEAST_YEAR <= day.year <= MOST_YEAR:
            raise RequestError("request.invalid", Fault(f"/{name}", "no day of booking", "不是记账日"))
    first = first or (last or today).replace(day=1)
    last = last or min(first + datetime.timedelta(days=MOST_DAYS - 1), max(first, today))
    if not 0 <= (last - first).days < MOST_DAYS:
        fault = Fault("/last_day", "within 31 days of the first", "应在首日起 31 天之内")
        raise RequestError("request.invalid", fault)
    return first, last


async def _answer(
    services: Services,
    days: tuple[datetime.date, datetime.date],
    within: tuple[str, UUID | None],
    after: UUID | None,
    limit: int,
) -> Response:
    async with services.database.snapshot() as driver:
        page = await figures_of(driver, days, *within, after, limit)
    return json_response(page.model_dump(mode="json"))
