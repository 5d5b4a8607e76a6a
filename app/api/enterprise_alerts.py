"""The doors of an enterprise to its alerts, and to what its meters are expected to use."""

import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.alerts import repository, service
from accounts.alerts.errors import AlertClosed, AlertNotFound
from accounts.alerts.schemas import AlertClosure, AlertList, AlertView, ExpectedUse
from accounts.enterprises import repository as enterprises
from accounts.enterprises.carriers import Carrier
from accounts.enterprises.errors import MeterNotFound
from accounts.ids import public_id
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.carbon import read_json_raw
from app.api.enterprise_structure import Cursor, Limit, MeterId, id_in_path, own_enterprise
from app.api.http import address_of, cursor_of, json_response, operation
from app.auth import audit, scopes
from app.auth.principal import Principal
from app.database import driver_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg

    from app.wiring import Services

router = APIRouter(prefix="/v1/enterprises", tags=["enterprises"])
Reader = Annotated[Principal, Depends(caller(scopes.ALERTS_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.ALERTS_WRITE))]
AlertId = Annotated[str, Path(description="`alt_…`", examples=["alt_" + "0" * 32], max_length=40)]
REPEATED = ("request.idempotency_conflict",)
_CLOSURE: TypeAdapter[AlertClosure] = TypeAdapter(AlertClosure)


def alert_view(row: repository.Row) -> dict[str, Any]:
    """An alert as it is shown."""
    state = "closed" if row["closed_at"] else "acknowledged" if row["acknowledged_at"] else "open"
    told = {
        "alert_id": public_id("alt", row["id"]),
        "meter_id": public_id("mtr", row["meter_id"]),
        "meter_number": row["number"],
        "line_id": None if row["line_id"] is None else public_id("lin", row["line_id"]),
        "state": state,
        "unit_field": Carrier(row["carrier"]).field,
    }
    return AlertView(**dict(row) | told).model_dump(mode="json")


@router.get(
    "/alerts",
    response_model=AlertList,
    summary="My alerts, the newest first",
    **operation(scopes.ALERTS_READ, errors=("request.invalid", MeterNotFound)),
)
async def list_alerts(
    principal: Reader,
    services: ServicesDep,
    state: Annotated[
        Literal["open", "acknowledged", "closed"] | None, Query(description="In this state only")
    ] = None,
    meter: Annotated[
        str | None, Query(alias="meter_id", max_length=40, description="Of one meter only")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """One for each episode of a meter: use beyond what its past lets one expect, a stuck meter, a gap."""
    before = cursor_of("alt", cursor)
    meter_id = None if meter is None else id_in_path("mtr", meter, MeterNotFound)
    async with services.database.snapshot() as driver:
        rows = await repository.page_of_alerts(
            driver, own_enterprise(principal), (meter_id, state), before, limit + 1
        )
    items = [alert_view(row) for row in rows]
    following = items[limit - 1]["alert_id"] if len(items) > limit else None
    return json_response({"items": items[:limit], "next_cursor": following})


@router.get(
    "/alerts/{alert_id}",
    response_model=AlertView,
    summary="An alert of mine",
    **operation(scopes.ALERTS_READ, errors=(AlertNotFound,)),
)
async def read_alert(alert_id: AlertId, principal: Reader, services: ServicesDep) -> Response:
    """Since when, how much, and what was expected; `ended_at` once it is over."""
    wanted = id_in_path("alt", alert_id, AlertNotFound)
    async with services.database.snapshot() as driver:
        found = await repository.find_alert(driver, own_enterprise(principal), wanted)
    if found is None:
        raise AlertNotFound
    return json_response(alert_view(found))


@router.post(
    "/alerts/{alert_id}/acknowledgement",
    response_model=AlertView,
    summary="Acknowledge an alert",
    **operation(scopes.ALERTS_WRITE, errors=(AlertNotFound, AlertClosed, *REPEATED)),
)
async def acknowledge_alert(
    alert_id: AlertId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """Say that somebody looks after it; again changes nothing."""
    wanted, now = id_in_path("alt", alert_id, AlertNotFound), services.intake.clock()
    holder_id = own_enterprise(principal)
    return await _write(
        request,
        principal,
        services,
        b"",
        (wanted, "alert.acknowledged"),
        lambda driver: service.acknowledge(driver, holder_id, wanted, now),
    )


@router.post(
    "/alerts/{alert_id}/closure",
    response_model=AlertView,
    summary="Close an alert",
    **operation(
        scopes.ALERTS_WRITE,
        body=AlertClosure,
        examples=[{"verdict": "fault", "note": "2号电机冷却阀卡住，已更换"}],
        errors=(AlertNotFound, AlertClosed, *REPEATED),
    ),
)
async def close_alert(
    alert_id: AlertId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """For good, with what it was. What was a fault teaches nothing about what to expect; the rest does."""
    raw, body = await read_json_raw(request, _CLOSURE)
    wanted, now = id_in_path("alt", alert_id, AlertNotFound), services.intake.clock()
    holder_id = own_enterprise(principal)
    return await _write(
        request,
        principal,
        services,
        raw,
        (wanted, "alert.closed"),
        lambda driver: service.close(driver, holder_id, wanted, body.verdict, body.note, now),
    )


@router.get(
    "/meters/{meter_id}/expected-use",
    response_model=ExpectedUse,
    summary="What a meter is expected to use on a day",
    **operation(scopes.ALERTS_READ, errors=(MeterNotFound, "request.invalid")),
)
async def read_expected_use(
    meter_id: MeterId,
    principal: Reader,
    services: ServicesDep,
    day: Annotated[datetime.date, Query(examples=["2026-11-21"], description="In Asia/Shanghai")],
) -> Response:
    """The median of comparable days, quarter-hour by quarter-hour; null where the past is too short to tell."""
    wanted = id_in_path("mtr", meter_id, MeterNotFound)
    async with services.database.snapshot() as driver:
        meter = await enterprises.find_meter(driver, own_enterprise(principal), wanted)
        kept = (await repository.profiles(driver, [wanted])).get(wanted)
    if meter is None:
        raise MeterNotFound
    profile = None if kept is None else service.read_profile(kept)
    working = None if profile is None else profile.working[day.weekday()]
    told = ExpectedUse(
        meter_id=public_id("mtr", wanted),
        day=day,
        unit_field=Carrier(meter["carrier"]).field,
        working_day=working,
        expected=None if profile is None or working is None else list(profile.expected[working]),
    )
    return json_response(told.model_dump(mode="json"))


async def _write(
    request: Request,
    principal: Principal,
    services: "Services",
    raw: bytes,
    what: tuple[UUID, str],
    step: "Callable[[asyncpg.Connection], Awaitable[repository.Row]]",
) -> Response:
    """Run a step on an alert, write it to the audit trail, and answer the alert as it is then."""
    alert_id, action = what

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        before = await step(driver)
        found = await repository.find_alert(driver, own_enterprise(principal), alert_id)
        if found is None:
            raise AlertNotFound
        shown = alert_view(found)
        await audit.append(
            session,
            principal,
            services.intake.clock(),
            action,
            ("alert", shown["alert_id"]),
            region=principal.region,
            address=address_of(request),
            before=alert_view(before),
            after=shown,
        )
        return shown

    return await idempotency.write(request, principal, services, raw, act)
