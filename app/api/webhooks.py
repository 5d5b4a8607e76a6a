"""The doors of webhooks: an organisation registers where it wants to be told, and sees what became of it."""

import datetime
from dataclasses import replace
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter

from accounts.enterprises.errors import EnterpriseNotFound
from accounts.ids import public_id
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import (
    JSON,
    address_of,
    cursor_of,
    json_response,
    media_type,
    operation,
    parse,
    read_body,
    stated_version,
)
from app.auth import scopes
from app.auth.principal import Principal
from app.auth.repository import organisation_of
from app.problems import RequestError
from app.webhooks import endpoints, repository
from app.webhooks.endpoints import Caller
from app.webhooks.errors import DeliveryNotFound, EditedMeanwhile, TooMany, VersionMissing, WebhookNotFound
from app.webhooks.models import DeliveryState, WebhookDelivery
from app.webhooks.schemas import (
    DeliveryList,
    DeliveryView,
    ReplayAnswer,
    ReplayInput,
    RotationInput,
    WebhookChange,
    WebhookInput,
    WebhookList,
    WebhookView,
    WebhookWithSecret,
)

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
SCOPES = (
    scopes.PLATFORM_WEBHOOKS,
    scopes.MERCHANT_WEBHOOKS,
    scopes.BANK_WEBHOOKS,
    scopes.ENTERPRISE_WEBHOOKS,
)


async def _owner(
    principal: Annotated[Principal, Depends(caller(*SCOPES))], services: ServicesDep
) -> Principal:
    """Endpoints are the organisation's, whoever speaks for it: a member of an enterprise too."""
    if principal.holder_id is None:
        return principal
    async with services.database.reading() as session:
        organisation = await organisation_of(session, principal.holder_id)
    if organisation is None:
        raise EnterpriseNotFound
    return replace(principal, organisation_id=organisation.id)


Owner = Annotated[Principal, Depends(_owner)]
WebhookId = Annotated[str, Path(description="`whk_…`", examples=["whk_01a1fc693a86700e9ae525ac545ac6cd"])]
EventId = Annotated[str, Path(description="`evt_…`", examples=["evt_01a1fc693a86700e9ae525ac545ac6cd"])]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]

_INPUT = TypeAdapter(WebhookInput)
_CHANGE = TypeAdapter(WebhookChange)
_ROTATION = TypeAdapter(RotationInput)
_REPLAY = TypeAdapter(ReplayInput)
MAX_BODY_BYTES = 16_384
_EXAMPLE = {"url": "https://shop.example/webhooks", "event_types": ["activity.credited"]}
_CONFLICT = "request.idempotency_conflict"


async def _raw(request: Request) -> bytes:
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    return await read_body(request, MAX_BODY_BYTES)


def _caller(request: Request, principal: Principal, services: Any) -> Caller:
    return Caller(principal, address_of(request), services.intake.clock())


def _with_secret(answer: Response, secret: list[str]) -> Response:
    """The secret is shown once and not kept: an answer that is repeated has none."""
    if not secret:
        return answer
    content = orjson.loads(answer.body) | {"secret": secret[0]}
    return json_response(content, headers={"Cache-Control": "no-store"})


@router.post(
    "",
    response_model=WebhookWithSecret,
    summary="Register an endpoint; its secret is shown this once",
    **operation(
        *SCOPES,
        body=WebhookInput,
        examples=[_EXAMPLE],
        errors=("webhook.target_refused", TooMany, _CONFLICT),
    ),
)
async def register_webhook(request: Request, principal: Owner, services: ServicesDep) -> Response:
    """Told of what is booked within seconds from now on; https on the public internet only."""
    raw = await _raw(request)
    body = parse(_INPUT, raw)
    await endpoints.check_target(services.webhooks.targets, body.url)
    secret: list[str] = []

    async def act(session: Any) -> Any:
        made, shown = await endpoints.register(
            session, services.webhooks.box, _caller(request, principal, services), body
        )
        secret.append(shown)
        return endpoints.view(made).model_dump(mode="json") | {"secret": None}

    answer = await idempotency.write(request, principal, services, raw, act)
    await services.webhooks.refresh()
    return _with_secret(answer, secret)


@router.get(
    "",
    response_model=WebhookList,
    summary="One's own endpoints",
    **operation(*SCOPES, errors=("request.invalid",)),
)
async def list_webhooks(
    principal: Owner, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The oldest first, without secrets."""
    after = cursor_of("whk", cursor)
    async with services.database.reading() as session:
        found = await repository.endpoints_of(session, principal.organisation_id, after, limit + 1)
    items = [endpoints.view(each).model_dump(mode="json") for each in found[:limit]]
    more = len(found) > limit
    return json_response({"items": items, "next_cursor": items[-1]["webhook_id"] if more else None})


@router.get(
    "/{webhook_id}",
    response_model=WebhookView,
    summary="An endpoint",
    **operation(*SCOPES, errors=(WebhookNotFound,)),
)
async def read_webhook(webhook_id: WebhookId, principal: Owner, services: ServicesDep) -> Response:
    """Also why and when it was disabled."""
    async with services.database.reading() as session:
        found = await endpoints.own(session, principal, webhook_id)
    return json_response(endpoints.view(found).model_dump(mode="json"))


@router.put(
    "/{webhook_id}",
    response_model=WebhookView,
    summary="Change, disable or enable an endpoint",
    **operation(
        *SCOPES,
        body=WebhookChange,
        examples=[_EXAMPLE | {"enabled": False}],
        errors=(WebhookNotFound, EditedMeanwhile, VersionMissing, "webhook.target_refused", _CONFLICT),
    ),
)
async def change_webhook(
    webhook_id: WebhookId, request: Request, principal: Owner, services: ServicesDep
) -> Response:
    """Disabled, it gets nothing new; what waited is delivered when it is enabled again, for up to 30 days."""
    raw = await _raw(request)
    body = parse(_CHANGE, raw)
    version = stated_version(request.headers.get("if-match"), VersionMissing)
    await endpoints.check_target(services.webhooks.targets, body.url)

    async def act(session: Any) -> Any:
        who = _caller(request, principal, services)
        return endpoints.view(await endpoints.change(session, who, webhook_id, version, body)).model_dump(
            mode="json"
        )

    answer = await idempotency.write(request, principal, services, raw, act)
    await services.webhooks.refresh()
    services.webhooks.wake()
    return answer


@router.post(
    "/{webhook_id}/secret",
    response_model=WebhookWithSecret,
    summary="Rotate the secret; both sign during the overlap",
    **operation(
        *SCOPES,
        body=RotationInput,
        examples=[{"overlap_hours": 24}],
        errors=(WebhookNotFound, _CONFLICT),
    ),
)
async def rotate_secret(
    webhook_id: WebhookId, request: Request, principal: Owner, services: ServicesDep
) -> Response:
    """Zero hours where the old secret leaked."""
    raw = await _raw(request)
    body = parse(_ROTATION, raw)
    secret: list[str] = []

    async def act(session: Any) -> Any:
        overlap = datetime.timedelta(hours=body.overlap_hours)
        who = _caller(request, principal, services)
        changed, shown = await endpoints.rotate(session, services.webhooks.box, who, webhook_id, overlap)
        secret.append(shown)
        return endpoints.view(changed).model_dump(mode="json") | {"secret": None}

    return _with_secret(await idempotency.write(request, principal, services, raw, act), secret)


@router.post(
    "/{webhook_id}/test",
    response_model=ReplayAnswer,
    summary="Have `webhook.tested` delivered",
    **operation(*SCOPES, errors=(WebhookNotFound, _CONFLICT)),
)
async def test_webhook(
    webhook_id: WebhookId, request: Request, principal: Owner, services: ServicesDep
) -> Response:
    """To this endpoint, whatever it subscribes to."""

    async def act(session: Any) -> Any:
        await endpoints.test(session, _caller(request, principal, services), webhook_id)
        return {"deliveries": 1}

    answer = await idempotency.write(request, principal, services, b"", act)
    services.webhooks.wake()
    return answer


@router.get(
    "/{webhook_id}/deliveries",
    response_model=DeliveryList,
    summary="What was told, what waits and what is dead",
    **operation(*SCOPES, errors=(WebhookNotFound, "request.invalid")),
)
async def list_deliveries(
    webhook_id: WebhookId,
    principal: Owner,
    services: ServicesDep,
    state: DeliveryState | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The latest event first; delivered ones are kept for 7 days, all others for 30."""
    before = cursor_of("evt", cursor)
    async with services.database.reading() as session:
        endpoint = await endpoints.own(session, principal, webhook_id)
        found = await repository.deliveries(session, endpoint.id, state, before, limit + 1)
    items = [_delivery(each).model_dump(mode="json") for each in found[:limit]]
    more = len(found) > limit
    return json_response({"items": items, "next_cursor": items[-1]["event_id"] if more else None})


def _delivery(row: WebhookDelivery) -> DeliveryView:
    return DeliveryView(
        event_id=public_id("evt", row.event_id),
        type=row.type,
        subject=row.subject,
        time=row.happened_at,
        state=row.state,
        attempts=row.attempts,
        next_attempt_at=row.due_at if row.state == DeliveryState.PENDING else None,
        settled_at=row.settled_at,
        last_status=row.last_status,
        last_error=row.last_error,
        last_answer=row.last_answer,
    )


@router.post(
    "/{webhook_id}/deliveries/{event_id}/replay",
    response_model=ReplayAnswer,
    summary="Deliver one event again",
    **operation(*SCOPES, errors=(WebhookNotFound, DeliveryNotFound, _CONFLICT)),
)
async def replay_delivery(
    webhook_id: WebhookId, event_id: EventId, request: Request, principal: Owner, services: ServicesDep
) -> Response:
    """With all its attempts anew, under the same `webhook-id`."""

    async def act(session: Any) -> Any:
        await endpoints.replay(session, _caller(request, principal, services), webhook_id, event_id)
        return {"deliveries": 1}

    answer = await idempotency.write(request, principal, services, b"", act)
    services.webhooks.wake()
    return answer


@router.post(
    "/{webhook_id}/replay",
    response_model=ReplayAnswer,
    summary="Deliver the events of a time range again",
    **operation(
        *SCOPES,
        body=ReplayInput,
        examples=[{"since": "2026-11-20T00:00:00+08:00", "until": "2026-11-21T00:00:00+08:00"}],
        errors=(WebhookNotFound, _CONFLICT),
    ),
)
async def replay_deliveries(
    webhook_id: WebhookId, request: Request, principal: Owner, services: ServicesDep
) -> Response:
    """At most 10,000 at once, the earliest first; ask again for the rest."""
    raw = await _raw(request)
    body = parse(_REPLAY, raw)

    async def act(session: Any) -> Any:
        who = _caller(request, principal, services)
        return {"deliveries": await endpoints.replay_range(session, who, webhook_id, body)}

    answer = await idempotency.write(request, principal, services, raw, act)
    services.webhooks.wake()
    return answer
