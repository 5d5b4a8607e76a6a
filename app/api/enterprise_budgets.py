"""An enterprise's energy budget: quotas, how they stand, warnings."""

import calendar
import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import TypeAdapter

from accounts.energy_budgets import repository
from accounts.energy_budgets.schemas import (
    BudgetList,
    BudgetView,
    BudgetWarningList,
    BudgetWarningView,
    ForecastView,
    QuotaInput,
    QuotaList,
    QuotaView,
)
from accounts.energy_budgets.service import Standing, standings, unit_of
from accounts.enterprises.errors import EnterpriseNotFound
from accounts.ids import public_id, uuid7
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.carbon import read_json_raw
from app.api.enterprise_evidence import who_enters
from app.api.enterprise_structure import own_enterprise
from app.api.http import cursor_of, json_response, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

router = APIRouter(prefix="/v1/enterprises", tags=["enterprise budgets"])
Reader = Annotated[Principal, Depends(caller(scopes.REPORT_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.BUDGETS_WRITE))]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
_QUOTA: TypeAdapter[QuotaInput] = TypeAdapter(QuotaInput)
_EXAMPLE = {
    "measure": "electricity",
    "period": "2026",
    "amount": 1_200_000_000,
    "document_reference": "用能预算核定书 2026-03",
}
_YEAR_LENGTH = 4
DECEMBER = 12


def days_of(period: str) -> tuple[datetime.date, datetime.date]:
    """The first and the last day of `2026` or `2026-06`."""
    year = int(period[:_YEAR_LENGTH])
    if len(period) == _YEAR_LENGTH:
        return datetime.date(year, 1, 1), datetime.date(year, DECEMBER, 31)
    month = int(period[_YEAR_LENGTH + 1 :])
    return datetime.date(year, month, 1), datetime.date(year, month, calendar.monthrange(year, month)[1])


def period_of(first: datetime.date, last: datetime.date) -> str:
    """A period as it is written."""
    return f"{first:%Y}" if (first.month, last.month) == (1, DECEMBER) else f"{first:%Y-%m}"


def quota_view(row: repository.Row) -> dict[str, Any]:
    """A quota."""
    return QuotaView(
        quota_id=public_id("quo", row["id"]),
        measure=row["measure"],
        period=period_of(row["first_day"], row["last_day"]),
        amount=row["amount"],
        unit=unit_of(row["measure"]),
        document_reference=row["document_reference"],
        entered_by=row["entered_by"],
        created_at=row["created_at"],
    ).model_dump(mode="json")


def budget_view(standing: Standing) -> dict[str, Any]:
    """How a quota stands."""
    ahead = standing.ahead
    found = None
    if ahead is not None:
        found = ForecastView(
            expected=standing.used + ahead.expected,
            lower=standing.used + ahead.lower,
            upper=standing.used + ahead.upper,
            weeks=ahead.weeks,
            tests=ahead.tests,
            tested_days=ahead.tested_days,
        )
    return BudgetView(
        quota=QuotaView.model_validate(quota_view(standing.quota)),
        used=standing.used,
        left_days=standing.left_days,
        quarters_missing=standing.known.missing,
        without=list(standing.without),
        forecast=found,
        overrun=standing.overrun.value,
        surplus=standing.surplus,
    ).model_dump(mode="json")


@router.post(
    "/energy-quotas",
    response_model=QuotaView,
    summary="Enter an energy quota of a year or a month",
    **operation(
        scopes.BUDGETS_WRITE, body=QuotaInput, examples=[_EXAMPLE], errors=("request.idempotency_conflict",)
    ),
)
async def enter_quota(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """A later one for the same measure and period counts in its place; the former stays readable."""
    raw, body = await read_json_raw(request, _QUOTA)
    who = who_enters(principal, services)
    first, last = days_of(body.period)

    async def act(session: "AsyncSession") -> Any:
        row = await repository.add_quota(
            await driver_of(session),
            (
                who.holder_id,
                uuid7(who.now),
                body.measure,
                first,
                last,
                body.amount,
                body.document_reference,
                who.by,
                who.now,
            ),
        )
        return quota_view(row)

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/energy-quotas",
    response_model=QuotaList,
    summary="Energy quotas that were entered, the newest first",
    **operation(scopes.REPORT_READ, errors=("request.invalid",)),
)
async def list_quotas(
    principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Replaced ones too."""
    before = cursor_of("quo", cursor)
    async with services.database.snapshot() as driver:
        rows = await repository.page_of_quotas(driver, own_enterprise(principal), before, limit + 1)
    items = [quota_view(row) for row in rows[:limit]]
    return json_response(
        {"items": items, "next_cursor": items[-1]["quota_id"] if len(rows) > limit else None}
    )


@router.get(
    "/energy-budgets",
    response_model=BudgetList,
    summary="How my energy quotas of a year stand",
    **operation(scopes.REPORT_READ, errors=(EnterpriseNotFound, "request.invalid")),
)
async def read_budgets(
    principal: Reader,
    services: ServicesDep,
    year: Annotated[int | None, Query(ge=2000, le=2099, description="This year where absent")] = None,
) -> Response:
    """Use, forecast to the last day with its interval, whether it will be overrun, and what could be offered."""
    holder_id, now = own_enterprise(principal), services.intake.clock()
    asked = year or now.astimezone(LOCAL).year
    since, until = datetime.date(asked, 1, 1), datetime.date(asked + 1, 1, 1)
    async with services.database.snapshot() as driver:
        rows = await repository.quotas(driver, holder_id, since, until)
        found = await standings(driver, holder_id, rows, now)
    return json_response({"year": asked, "items": [budget_view(each) for each in found]})


@router.get(
    "/energy-budgets/warnings",
    response_model=BudgetWarningList,
    summary="Warnings that a quota will be overrun or is, the newest first",
    **operation(scopes.REPORT_READ, errors=("request.invalid",)),
)
async def list_budget_warnings(
    principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Each is given once for a quota, by a job that looks every day."""
    before = cursor_of("wrn", cursor)
    async with services.database.snapshot() as driver:
        rows = await repository.page_of_warnings(driver, own_enterprise(principal), before, limit + 1)
    items = [
        BudgetWarningView(
            warning_id=public_id("wrn", row["id"]),
            quota_id=public_id("quo", row["quota_id"]),
            measure=row["measure"],
            period=period_of(row["first_day"], row["last_day"]),
            amount=row["amount"],
            kind=row["kind"],
            used=row["used"],
            expected=row["expected"],
            upper=row["upper"],
            warned_at=row["warned_at"],
        ).model_dump(mode="json")
        for row in rows[:limit]
    ]
    return json_response(
        {"items": items, "next_cursor": items[-1]["warning_id"] if len(rows) > limit else None}
    )
