"""What an enterprise emitted: figures, the month's report, and the statements that keep them."""

import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.emissions import repository, stating, telling
from accounts.emissions.activity import next_month
from accounts.emissions.correcting import day_of
from accounts.emissions.errors import StatementNotFound
from accounts.emissions.schemas import Emissions, MonthReport, StatementList, StatementMade, StatementView
from accounts.emissions.service import EmissionReport, emissions_of
from accounts.enterprises.errors import EnterpriseNotFound
from accounts.errors import Fault
from accounts.fields import Moment
from accounts.ids import public_id
from accounts.quantities import grams
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.enterprise_structure import own_enterprise
from app.api.http import cursor_of, json_response, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.problems import RequestError

if TYPE_CHECKING:
    import asyncpg

router = APIRouter(prefix="/v1/enterprises", tags=["enterprise emissions"])
Reader = Annotated[Principal, Depends(caller(scopes.REPORT_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.EVIDENCE_WRITE))]
By = Literal["month", "carrier", "site", "line"]
MonthPath = Annotated[
    str, Path(description="`YYYY-MM`", pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", examples=["2026-06"])
]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
AsOf = Annotated[
    Moment | None, Query(description="The statement that stood at this moment; computed now where absent")
]
DAY = datetime.timedelta(days=1)
EARLIEST = datetime.date(2000, 1, 1)
MAX_DAYS = 1100


@router.get(
    "/emissions",
    response_model=Emissions,
    summary="What my enterprise emitted, by month, carrier, site or line",
    **operation(scopes.REPORT_READ, errors=(EnterpriseNotFound, "request.invalid")),
)
async def read_emissions(
    principal: Reader,
    services: ServicesDep,
    first: Annotated[datetime.date, Query(alias="from", description="First local day")],
    last: Annotated[datetime.date, Query(alias="to", description="Last local day")],
    by: By = "month",
) -> Response:
    """At most 1,100 days. Each figure is rounded once, from its own exact sum; so is the total."""
    if not EARLIEST <= first <= last or (last - first).days >= MAX_DAYS or last.year >= datetime.MAXYEAR:
        raise RequestError(
            "request.invalid",
            Fault("/from", f"must be at most {MAX_DAYS} days, in order", f"须按先后，至多 {MAX_DAYS} 天"),
        )
    holder_id, now = own_enterprise(principal), services.intake.clock()
    async with services.database.snapshot() as driver:
        report = await emissions_of(driver, holder_id, first, last + DAY, now)
    told = telling.content(report)
    return json_response(
        {
            "by": by,
            "items": _figures(report, told, by),
            **{name: told[name] for name in Emissions.model_fields if name in told},
        }
    )


def _figures(report: EmissionReport, told: dict[str, Any], by: By) -> list[dict[str, Any]]:
    if by == "month":
        return [{"key": key, "name": None, "co2e_g": mg} for key, mg in told["by_month"].items()]
    if by == "carrier":
        return [{"key": key, "name": None, "co2e_g": mg} for key, mg in told["by_carrier"].items()]
    found = telling.sites(report) if by == "site" else telling.lines(report)
    return [{"key": each[f"{by}_id"], "name": each["name"], "co2e_g": each["co2e_g"]} for each in found]


@router.get(
    "/reports/{month}",
    response_model=MonthReport,
    summary="My report of a month",
    **operation(scopes.REPORT_READ, errors=(EnterpriseNotFound, StatementNotFound, "request.invalid")),
)
async def read_report(
    month: MonthPath, principal: Reader, services: ServicesDep, as_of: AsOf = None
) -> Response:
    """Energy, emissions, boundary, method and data quality, computed from what is known now, or as it once was."""
    holder_id, now, first = own_enterprise(principal), services.intake.clock(), day_of(month)
    async with services.database.snapshot() as driver:
        if as_of is None:
            report = await emissions_of(driver, holder_id, first, next_month(first), now)
            return json_response(
                {"month": month, "statement_id": None, "computed_at": now, **telling.content(report)}
            )
        row = await repository.statement_at(driver, holder_id, first, as_of)
    if row is None:
        raise StatementNotFound
    return json_response(
        {
            "month": month,
            "statement_id": public_id("emi", row["id"]),
            "computed_at": row["computed_at"],
            **orjson.loads(row["content"]),
        }
    )


@router.get(
    "/reports/{month}/statements",
    response_model=StatementList,
    summary="Statements of a month, the newest first",
    **operation(scopes.REPORT_READ, errors=(EnterpriseNotFound, "request.invalid")),
)
async def list_statements(
    month: MonthPath, principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Each time that a figure changed, what was computed then, and what had changed."""
    before = cursor_of("emi", cursor)
    async with services.database.snapshot() as driver:
        if await repository.structure(driver, own_enterprise(principal)) is None:
            raise EnterpriseNotFound
        rows = await repository.statements(
            driver, own_enterprise(principal), day_of(month), before, limit + 1
        )
    items = [statement_view(row) for row in rows[:limit]]
    more = len(rows) > limit
    return json_response({"items": items, "next_cursor": items[-1]["statement_id"] if more else None})


@router.post(
    "/reports/{month}/statements",
    response_model=StatementMade,
    summary="Keep a statement of a month as it is computed now",
    **operation(
        scopes.EVIDENCE_WRITE,
        errors=(EnterpriseNotFound, StatementNotFound, "request.idempotency_conflict"),
    ),
)
async def make_statement(
    month: MonthPath, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """A job does so every day for closed months. Where nothing changed, the last statement counts on."""
    holder_id, first, now = own_enterprise(principal), day_of(month), services.intake.clock()

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        return await _state(driver, holder_id, first, now)

    return await idempotency.write(request, principal, services, b"", act)


async def _state(
    driver: "asyncpg.Connection", holder_id: Any, first: datetime.date, now: datetime.datetime
) -> dict[str, Any]:
    if not await repository.lock_enterprise(driver, holder_id):
        raise EnterpriseNotFound
    made = await stating.state(driver, holder_id, first, next_month(first), now)
    rows = await repository.statements(driver, holder_id, first, None, 1)
    if not rows:
        raise StatementNotFound
    return {"made": bool(made), "statement": statement_view(rows[0])}


def statement_view(row: repository.Row) -> dict[str, Any]:
    """A statement in a few words."""
    return StatementView(
        statement_id=public_id("emi", row["id"]),
        month=f"{row['month']:%Y-%m}",
        computed_at=row["computed_at"],
        co2e_g=grams(row["total_mg"]),
        changed=row["changed"],
        sha256=row["content_hash"].hex(),
    ).model_dump(mode="json")
