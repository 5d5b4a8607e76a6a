"""The ASGI application."""

import time
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from accounts.errors import DomainError, Fault
from app import metrics
from app.api import (
    aggregation,
    audit,
    bank_grants,
    bank_loans,
    bank_monitors,
    bank_products,
    bank_queries,
    bank_quotes,
    bank_reports,
    bindings,
    carbon,
    certificate_office,
    certificates,
    children,
    claims,
    clocks,
    consents,
    corrections,
    disputes,
    enterprise_alerts,
    enterprise_budgets,
    enterprise_emissions,
    enterprise_evidence,
    enterprise_exports,
    enterprise_labels,
    enterprise_load_shedding,
    enterprise_members,
    enterprise_readings,
    enterprise_structure,
    event_footprints,
    event_pools,
    events,
    exchanges,
    factors,
    green_credit,
    issuances,
    label_figures,
    label_previews,
    label_rules,
    label_runs,
    ledger,
    mandates,
    market_accounts,
    market_auctions,
    market_listings,
    market_offsets,
    market_pledges,
    market_trades,
    market_transfers,
    me,
    merchant,
    merchant_redemptions,
    merchant_settlements,
    merchant_shops,
    methodologies,
    my_data,
    my_enterprises,
    neighbours,
    oauth,
    offer_review,
    offset_obligations,
    offset_rules,
    operator,
    operator_enterprises,
    operator_factors,
    operator_market,
    operator_neighbours,
    operator_registry,
    payments,
    platform_quality,
    platforms,
    preferred_platforms,
    programmes,
    projects,
    proofs,
    public,
    quotas,
    ranks,
    real_name,
    recalculations,
    redemptions,
    reference_prices,
    reviews,
    scene_days,
    score_channels,
    score_reviews,
    scores,
    settlements,
    shadow,
    sign_in,
    teams,
    tokens,
    trends,
    unit_uses,
    verifier,
    webhooks,
)
from app.api.http import pointer
from app.crediting.errors import StorageUnavailable
from app.openapi import document
from app.problems import RequestError, problem_response
from app.turns import Turns

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from app.wiring import Services

log = structlog.get_logger(__name__)
DOORS = (
    platforms,
    claims,
    enterprise_readings,
    oauth,
    me,
    proofs,
    redemptions,
    merchant_redemptions,
    trends,
    ranks,
    carbon,
    market_accounts,
    market_listings,
    market_auctions,
    market_trades,
    operator_market,
    reference_prices,
    market_pledges,
    market_transfers,
    operator_registry,
    teams,
    aggregation,
    operator,
    scene_days,
    methodologies,
    shadow,
    recalculations,
    programmes,
    audit,
    consents,
    mandates,
    bindings,
    bank_grants,
    bank_queries,
    bank_monitors,
    score_reviews,
    score_channels,
    my_data,
    corrections,
    disputes,
    enterprise_budgets,
    enterprise_emissions,
    enterprise_evidence,
    reviews,
    clocks,
    public,
    factors,
    event_footprints,
    ledger,
    event_pools,
    events,
    real_name,
    children,
    sign_in,
    merchant,
    merchant_shops,
    offer_review,
    webhooks,
    payments,
    merchant_settlements,
    settlements,
    issuances,
    verifier,
    tokens,
    quotas,
    platform_quality,
    preferred_platforms,
    neighbours,
    operator_neighbours,
    bank_products,
    bank_loans,
    bank_quotes,
    bank_reports,
    green_credit,
    enterprise_structure,
    enterprise_members,
    my_enterprises,
    enterprise_alerts,
    enterprise_load_shedding,
    operator_enterprises,
    enterprise_labels,
    enterprise_exports,
    label_figures,
    label_previews,
    label_rules,
    scores,
    operator_factors,
    label_runs,
    offset_rules,
    offset_obligations,
    market_offsets,
    certificates,
    certificate_office,
    exchanges,
    unit_uses,
    projects,
)
"""What is asked most stands first: routes are tried one after the other."""
HTTP_CODES = {404: "request.not_found", 405: "request.method", 413: "request.too_large"}
AWAY = (
    DBAPIError,
    PoolTimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    OSError,
)
"""What it looks like where the database cannot be reached, is ending, or has no connection left."""


class Observed:
    """Measures each request by its route, and answers 500 where something unexpected escaped."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app
        self._children: dict[tuple[str, str, int], Any] = {}

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0

        async def sending(message: "Message") -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            # The error's own text may quote what was sent: its kind and place are enough.
            log.error(  # noqa: TRY400
                "unexpected error", error=type(error).__name__, place=_place(error), path=_route(scope)
            )
            if status:
                raise
            status = 500
            await problem_response(DomainError(), scope["path"], Request(scope).headers)(scope, receive, send)
        finally:
            key = (scope["method"], _route(scope), status)
            child = self._children.get(key)
            if child is None:
                child = self._children[key] = metrics.REQUESTS.labels(*key)
            child.observe(time.perf_counter() - began)


def _route(scope: "Scope") -> str:
    route = scope.get("route")
    return getattr(route, "path", "unmatched")


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    place = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}"
        trace = trace.tb_next
    return place


async def _on_domain_error(request: Request, error: Exception) -> Response:
    extra = {}
    if (
        isinstance(error, DomainError)
        and error.code.startswith("auth.")
        and request.scope["path"] == "/oauth/token"
    ):
        # RFC 6749, section 5.2, wants its own word beside ours.
        extra["error"] = {
            "auth.client": "invalid_client",
            "auth.grant": "unsupported_grant_type",
            "auth.unknown_scope": "invalid_scope",
        }.get(error.code, "invalid_request")
    assert isinstance(error, DomainError)  # noqa: S101 - registered for nothing else
    return problem_response(error, request.scope["path"], request.headers, **extra)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    faults = [Fault(pointer(detail["loc"][1:]), detail["msg"]) for detail in error.errors()]
    return problem_response(RequestError("request.invalid", *faults), request.scope["path"], request.headers)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    refused = RequestError(HTTP_CODES.get(error.status_code, "request.malformed"))
    answer = problem_response(refused, request.scope["path"], request.headers)
    if allow := (error.headers or {}).get("Allow"):
        answer.headers["Allow"] = allow
    return answer


async def _on_storage_error(request: Request, error: Exception) -> Response:
    if isinstance(error, DBAPIError) and isinstance(error, (DataError, IntegrityError, ProgrammingError)):
        raise error
    log.warning("database away", error=type(error).__name__, path=_route(request.scope))
    return problem_response(StorageUnavailable(), request.scope["path"], request.headers)


def create_app(services: "Services | None" = None) -> FastAPI:
    """The application; without services it can only tell its document."""
    app = FastAPI(
        title="Tanpuhui 碳普惠", version="1", docs_url="/docs", redoc_url=None, redirect_slashes=False
    )
    app.state.services = services
    # Not `include_router`, which would keep a router of routers: a report would be matched twice.
    app.router.routes += [route for module in DOORS for route in module.router.routes]
    app.add_exception_handler(DomainError, _on_domain_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    for away in AWAY:
        app.add_exception_handler(away, _on_storage_error)
    app.add_middleware(Observed)
    if services is not None:
        app.add_middleware(
            Turns, pressed=lambda: services.intake.committing() or services.redemptions.committing()
        )
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return app
