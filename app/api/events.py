"""Carbon-neutral events of residents and of enterprises, at doors of the same shape; orders, shares, payments."""

import datetime
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field, TypeAdapter

from accounts.errors import DomainError, HolderNotFound
from accounts.event_footprints.computing import EventLine, compute
from accounts.event_footprints.errors import NothingEmitted, UnknownFactor
from accounts.ids import parse_public_id
from app.api import idempotency
from app.api.access import ServicesDep, admit, caller, services_of
from app.api.carbon import own, read_json_raw
from app.api.enterprise_structure import id_in_path
from app.api.event_footprints import EXAMPLE as FOOTPRINT
from app.api.http import cursor_of, json_response, operation, read_json
from app.api.payments import MAX_INPUT_BYTES, PaymentInput, PaymentParameters
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.events import repository, service
from app.events.errors import (
    EventCovered,
    EventFull,
    EventNotFound,
    EventOrderNotFound,
    OrderOver,
    PoolNotFound,
    ShareNotFound,
    ShareOrdered,
    StockTooSmall,
)
from app.events.schemas import (
    CoverageView,
    EventInput,
    EventList,
    EventOrderInput,
    EventOrderView,
    EventView,
    ShareInput,
    ShareList,
    ShareOrderInput,
    ShareView,
    coverage_view,
    event_summary,
    event_view,
    order_view,
    share_view,
)
from points.payments.errors import NotPayable, PaymentRefused, PaymentsAway, PaymentsNotOffered
from points.payments.models import Subject

if TYPE_CHECKING:
    import asyncpg

    from app.wiring import Services

router = APIRouter(tags=["events"])
ME, ENTERPRISES = "/v1/me", "/v1/enterprises"
REPEATED = ("request.idempotency_conflict", "storage.unavailable")
ORDERING = (EventNotFound, PoolNotFound, EventCovered, ShareNotFound, ShareOrdered, StockTooSmall)
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
EventId = Annotated[str, Path(description="`nev_…`", examples=["nev_" + "0" * 32], max_length=40)]
OrderId = Annotated[str, Path(description="`nvo_…`", examples=["nvo_" + "0" * 32], max_length=40)]
ShareId = Annotated[str, Path(description="`shr_…`", examples=["shr_" + "0" * 32], max_length=40)]
Owner = Annotated[Principal, Depends(caller(scopes.EVENTS_READ))]
_EVENT: TypeAdapter[EventInput] = TypeAdapter(EventInput)
_ORDER: TypeAdapter[EventOrderInput] = TypeAdapter(EventOrderInput)
_SHARE: TypeAdapter[ShareInput] = TypeAdapter(ShareInput)
_OWN_SHARE: TypeAdapter[ShareOrderInput] = TypeAdapter(ShareOrderInput)
_PAYMENT: TypeAdapter[PaymentInput] = TypeAdapter(PaymentInput)
_POOL = {"pool_id": "evp_" + "0" * 32}


class EventPaymentBegun(BaseModel):
    """A payment that the provider knows of."""

    order_id: str
    amount_fen: int
    expires_at: datetime.datetime
    wechat_pay: PaymentParameters = Field(description="For `wx.requestPayment`, as it is")


def _speaks(me: str, enterprise: str) -> Callable[..., Awaitable[Principal]]:
    """Lets in a resident at the resident's doors, and an enterprise at its own."""

    async def dependency(request: Request) -> Principal:
        scope = me if request.scope["path"].startswith(ME + "/") else enterprise
        return await admit(request, services_of(request), frozenset({scope}))

    return dependency


Reading = Annotated[Principal, Depends(_speaks(scopes.ME_READ, scopes.EVENTS_READ))]
Writing = Annotated[Principal, Depends(_speaks(scopes.ME_WRITE, scopes.EVENTS_WRITE))]
Door = Callable[..., Awaitable[Response]]


def doors(
    method: str,
    path: str,
    answers: type[BaseModel],
    summary: str,
    *,
    body: type[BaseModel] | None = None,
    example: Any = None,
    errors: tuple[type[DomainError] | str, ...] = (),
) -> Callable[[Door], Door]:
    """The same operation for residents and for enterprises."""
    pairs = (
        {ME: scopes.ME_READ, ENTERPRISES: scopes.EVENTS_READ}
        if method == "GET"
        else {ME: scopes.ME_WRITE, ENTERPRISES: scopes.EVENTS_WRITE}
    )

    def add(function: Door) -> Door:
        for start, scope in pairs.items():
            router.add_api_route(
                start + path,
                function,
                methods=[method],
                response_model=answers,
                summary=summary,
                **operation(scope, body=body, examples=None if example is None else [example], errors=errors),
            )
        return function

    return add


async def _full(driver: "asyncpg.Connection", row: repository.Row) -> dict[str, Any]:
    lines = [EventLine.model_validate(each) for each in orjson.loads(row["lines_json"])]
    orders = await repository.orders_of_event(driver, row["id"])
    ids = [row["id"], *(each["id"] for each in orders)]
    return event_view(row, lines, orders, await repository.certificate_numbers(driver, ids))


async def _write(
    request: Request,
    principal: Principal,
    services: "Services",
    raw: bytes,
    step: "Callable[[asyncpg.Connection], Awaitable[Any]]",
) -> Response:
    async def act(session: Any) -> Any:
        return await step(await driver_of(session))

    return await idempotency.write(request, principal, services, raw, act)


@doors(
    "POST",
    "/events",
    EventView,
    "Enter an event and what it emits",
    body=EventInput,
    example=FOOTPRINT | {"title": "年度供应商大会", "participants": 20},
    errors=(UnknownFactor, NothingEmitted, HolderNotFound, *REPEATED),
)
async def enter_event(request: Request, principal: Writing, services: ServicesDep) -> Response:
    """Computed as `POST /v1/public/event-footprints` does, and kept. The code is for participants."""
    raw, body = await read_json_raw(request, _EVENT)
    organiser, now = own(principal), services.intake.clock()
    found = compute(body.entered(), body.region, body.day, accept_abroad=body.accept_abroad)

    async def step(driver: "asyncpg.Connection") -> Any:
        row = await service.create(driver, organiser, body, found, now, of_enterprise=principal.is_enterprise)
        return await _full(driver, row)

    return await _write(request, principal, services, raw, step)


@doors("GET", "/events", EventList, "My events", errors=("request.invalid",))
async def list_events(
    principal: Reading, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The newest first."""
    before = cursor_of("nev", cursor)
    async with services.database.snapshot() as driver:
        rows = await repository.events_of(driver, own(principal), before, limit + 1)
    items = [event_summary(row) for row in rows[:limit]]
    more = len(rows) > limit
    return json_response({"items": items, "next_cursor": items[-1]["event_id"] if more else None})


@doors("GET", "/events/{event_id}", EventView, "An event of mine", errors=(EventNotFound,))
async def read_event(event_id: EventId, principal: Reading, services: ServicesDep) -> Response:
    """With what it emits, line by line, and its orders."""
    known = id_in_path("nev", event_id, EventNotFound)
    async with services.database.snapshot() as driver:
        row = await service.own_event(driver, own(principal), known)
        return json_response(await _full(driver, row))


@doors(
    "GET",
    "/events/{event_id}/shares",
    ShareList,
    "The shares that participants of my event took",
    errors=(EventNotFound, "request.invalid"),
)
async def list_shares_of_event(
    event_id: EventId, principal: Reading, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Who took them is not told."""
    known, before = id_in_path("nev", event_id, EventNotFound), cursor_of("shr", cursor)
    async with services.database.snapshot() as driver:
        await service.own_event(driver, own(principal), known)
        rows = await repository.shares_of_event(driver, known, before, limit + 1)
    return _shares(rows, limit)


def _shares(rows: Any, limit: int) -> Response:
    items = [share_view(row) for row in rows[:limit]]
    more = len(rows) > limit
    return json_response({"items": items, "next_cursor": items[-1]["share_id"] if more else None})


def _named(prefix: str, text: str, missing: type[DomainError]) -> UUID:
    found = parse_public_id(prefix, text)
    if found is None:
        raise missing
    return found


@doors(
    "POST",
    "/events/{event_id}/orders",
    EventOrderView,
    "Order units for my event",
    body=EventOrderInput,
    example=_POOL,
    errors=(*ORDERING, *REPEATED),
)
async def order_for_event(
    event_id: EventId, request: Request, principal: Writing, services: ServicesDep
) -> Response:
    """All that is left of it, so many kg, or what the named shares need. Units are locked for half an hour."""
    raw, body = await read_json_raw(request, _ORDER)
    known, now = id_in_path("nev", event_id, EventNotFound), services.intake.clock()
    pool = _named("evp", body.pool_id, PoolNotFound)
    shares = [_named("shr", each, ShareNotFound) for each in body.share_ids]

    async def step(driver: "asyncpg.Connection") -> Any:
        await service.own_event(driver, own(principal), known)
        return order_view(await service.order(driver, known, own(principal), pool, body.kg, shares, now))

    return await _write(request, principal, services, raw, step)


@doors("GET", "/event-orders/{order_id}", EventOrderView, "An order of mine", errors=(EventOrderNotFound,))
async def read_order(order_id: OrderId, principal: Reading, services: ServicesDep) -> Response:
    """Paid, its units are retired."""
    known = id_in_path("nvo", order_id, EventOrderNotFound)
    async with services.database.snapshot() as driver:
        found = await service.own_order(driver, own(principal), known)
        numbers = await repository.certificate_numbers(driver, [known])
    return json_response(order_view(found, numbers.get(known)))


@doors(
    "POST",
    "/event-orders/{order_id}/cancellation",
    EventOrderView,
    "Cancel an order that is not paid",
    errors=(EventOrderNotFound, OrderOver, *REPEATED),
)
async def cancel_order(
    order_id: OrderId, request: Request, principal: Writing, services: ServicesDep
) -> Response:
    """Its units are free again. What is paid all the same goes back."""
    known, now = id_in_path("nvo", order_id, EventOrderNotFound), services.intake.clock()

    async def step(driver: "asyncpg.Connection") -> Any:
        return order_view(await service.cancel(driver, own(principal), known, now))

    return await _write(request, principal, services, b"", step)


@doors(
    "POST",
    "/event-orders/{order_id}/payment",
    EventPaymentBegun,
    "Pay for an order",
    body=PaymentInput,
    example={"payer_openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
    errors=(EventOrderNotFound, NotPayable, PaymentsNotOffered, PaymentRefused, PaymentsAway),
)
async def pay_order(
    order_id: OrderId, request: Request, principal: Writing, services: ServicesDep
) -> Response:
    """One order has one payment: asked again, it is the same one, with parameters signed anew."""
    if services.payments is None:
        raise PaymentsNotOffered
    body = await read_json(request, _PAYMENT, MAX_INPUT_BYTES)
    known = id_in_path("nvo", order_id, EventOrderNotFound)
    payable, parameters = await services.payments.begin(
        Subject.EVENT, own(principal), known, body.payer_openid
    )
    told = {
        "order_id": order_id,
        "amount_fen": payable.amount_fen,
        "expires_at": payable.expires_at,
        "wechat_pay": parameters,
    }
    return json_response(told, headers={"Cache-Control": "no-store"})


@doors(
    "POST",
    "/event-shares",
    ShareView,
    "Take my share of an event",
    body=ShareInput,
    example={"code": "7K3M9PQ2TX"},
    errors=(EventNotFound, EventFull, "auth.unavailable", *REPEATED),
)
async def take_share(request: Request, principal: Writing, services: ServicesDep) -> Response:
    """An equal part of what the event emits, once. Codes cannot be tried out: attempts are limited."""
    raw, body = await read_json_raw(request, _SHARE)
    holder, now = own(principal), services.intake.clock()
    await services.limiter.check_secret(f"event:{holder.hex}")

    async def step(driver: "asyncpg.Connection") -> Any:
        taken = await service.take_share(driver, holder, body.code, now)
        return share_view(await repository.shown_share(driver, taken["id"]))

    return await _write(request, principal, services, raw, step)


@doors("GET", "/event-shares", ShareList, "The shares that I took", errors=("request.invalid",))
async def list_my_shares(
    principal: Reading, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The latest first."""
    before = cursor_of("shr", cursor)
    async with services.database.snapshot() as driver:
        rows = await repository.shares_of(driver, own(principal), before, limit + 1)
    return _shares(rows, limit)


@doors(
    "POST",
    "/event-shares/{share_id}/orders",
    EventOrderView,
    "Order units for my share",
    body=ShareOrderInput,
    example=_POOL,
    errors=(*ORDERING, *REPEATED),
)
async def order_for_share(
    share_id: ShareId, request: Request, principal: Writing, services: ServicesDep
) -> Response:
    """Whole kg that cover it, as far as the event is not covered by others already."""
    raw, body = await read_json_raw(request, _OWN_SHARE)
    known, now = id_in_path("shr", share_id, ShareNotFound), services.intake.clock()
    pool = _named("evp", body.pool_id, PoolNotFound)

    async def step(driver: "asyncpg.Connection") -> Any:
        share = await repository.share(driver, known)
        if share is None or share["holder_id"] != own(principal):
            raise ShareNotFound
        return order_view(
            await service.order(driver, share["event_id"], own(principal), pool, None, [known], now)
        )

    return await _write(request, principal, services, raw, step)


@router.get(
    ENTERPRISES + "/event-coverage",
    response_model=CoverageView,
    summary="How far my departments cover what their events emit",
    **operation(scopes.EVENTS_READ, errors=("request.invalid",)),
)
async def read_own_coverage(
    principal: Owner,
    services: ServicesDep,
    first_day: Annotated[datetime.date, Query(alias="from")],
    last_day: Annotated[datetime.date, Query(alias="to")],
) -> Response:
    """By the day of the event, both days included."""
    async with services.database.snapshot() as driver:
        rows = await repository.coverage(driver, None, own(principal), first_day, last_day)
    return json_response(coverage_view(rows))
