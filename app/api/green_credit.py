"""What operators see of the green credit that banks granted in their region."""

import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from accounts.errors import Fault
from accounts.ids import public_id
from app.api.access import ServicesDep, caller
from app.api.http import cursor_of, json_response, operation
from app.api.redeeming import Cursor, Limit
from app.auth import scopes
from app.auth.principal import Principal, prefix
from app.database import driver_of
from app.lending import exchange_repository, statistics
from app.lending.schemas import BankDifferenceList, BankDifferenceView, GreenCreditView
from app.problems import RequestError
from dedup.periods import LOCAL

router = APIRouter(prefix="/v1/operator/green-credit", tags=["operator green credit"])
Reader = Annotated[Principal, Depends(caller(scopes.GREEN_CREDIT_READ))]
Month = Annotated[
    str | None,
    Query(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", examples=["2026-11"], description="Local month"),
]
Place = Annotated[str | None, Query(max_length=128, description="`next_cursor` of the page before")]


@router.get(
    "",
    response_model=GreenCreditView,
    summary="Green credit of the region, by month, product and level",
    **operation(scopes.GREEN_CREDIT_READ, errors=("request.invalid",)),
)
async def read_green_credit(
    principal: Reader,
    services: ServicesDep,
    from_month: Month = None,
    to_month: Month = None,
    limit: Limit = 50,
    cursor: Place = None,
) -> Response:
    """As banks reported it, in its latest version; the last twelve months where none is named."""
    today = services.intake.clock().astimezone(LOCAL).date()
    last = _first_day(to_month) if to_month else today.replace(day=1)
    first = _first_day(from_month) if from_month else _months_on(last, -11)
    if not first <= last < _months_on(first, statistics.MOST_MONTHS):
        raise RequestError("request.invalid", Fault("/from_month", "at most 36 months, in their order"))
    days = (first, _months_on(last, 1))
    async with services.database.reading() as session:
        driver = await driver_of(session)
        rows = await statistics.groups(driver, principal.region, days, cursor, limit + 1)
        total = await statistics.total(driver, principal.region, days)
    view = GreenCreditView(
        region=principal.region,
        from_month=f"{first:%Y-%m}",
        to_month=f"{last:%Y-%m}",
        smallest_group=statistics.SMALLEST_GROUP,
        total=total,
        items=[statistics.group_view(row) for row in rows[:limit]],
        next_cursor=rows[limit - 1]["place"] if len(rows) > limit else None,
    )
    return json_response(view.model_dump(mode="json"))


@router.get(
    "/differences",
    response_model=BankDifferenceList,
    summary="What banks' daily files say otherwise than what they reported",
    **operation(scopes.GREEN_CREDIT_READ, errors=("request.invalid",)),
)
async def list_differences(
    principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The latest first. The bank mends it by a report or a correction; what was found stays."""
    before = cursor_of("bdf", cursor)
    async with services.database.reading() as session:
        rows = await exchange_repository.page_of_differences(
            await driver_of(session), prefix(principal.region), before, limit + 1
        )
    items = [
        BankDifferenceView(
            difference_id=public_id("bdf", row["id"]),
            **{name: value for name, value in row.items() if name != "id"},
        )
        for row in rows[:limit]
    ]
    following = items[-1].difference_id if len(rows) > limit else None
    return json_response(BankDifferenceList(items=items, next_cursor=following).model_dump(mode="json"))


def _first_day(month: str) -> datetime.date:
    return datetime.date.fromisoformat(month + "-01")


def _months_on(day: datetime.date, months: int) -> datetime.date:
    place = day.year * 12 + day.month - 1 + months
    return datetime.date(place // 12, place % 12 + 1, 1)
