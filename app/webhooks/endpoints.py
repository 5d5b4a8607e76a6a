"""Registering endpoints, changing them, rotating their secrets, and having deliveries made again."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accounts.errors import Fault
from accounts.ids import lowest_uuid7, parse_public_id, public_id, uuid7
from app.auth import audit
from app.auth.models import Organisation, OrganisationKind
from app.database import driver_of
from app.problems import RequestError
from app.webhooks import repository
from app.webhooks.errors import DeliveryNotFound, EditedMeanwhile, TooMany, WebhookNotFound
from app.webhooks.events import WEBHOOK_TESTED, heard_by
from app.webhooks.models import WebhookEndpoint
from app.webhooks.outbox import Event, tell_one
from app.webhooks.schemas import WebhookView
from app.webhooks.signing import SecretBox, new_secret, shown
from app.webhooks.targets import TargetRefused, Targets

if TYPE_CHECKING:
    from uuid import UUID

    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.auth.principal import Principal
    from app.webhooks.schemas import ReplayInput, WebhookChange, WebhookInput

MOST_ENDPOINTS = 20
MOST_REPLAYED = 10_000
BY_CALLER = "by_caller"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who acts, from where, and when."""

    principal: "Principal"
    address: str
    now: datetime.datetime


async def check_target(targets: Targets, url: str) -> None:
    """Refuse a URL that webhooks do not go to. Asks the resolver, so it holds no transaction."""
    try:
        await targets.check(url)
    except TargetRefused as refused:
        raise RequestError(
            "webhook.target_refused", Fault("/url", refused.reason, refused.reason_zh)
        ) from None


async def register(
    session: "AsyncSession", box: SecretBox, caller: Caller, body: "WebhookInput"
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint with its secret, which nobody is shown again."""
    organisation_id = caller.principal.organisation_id
    await _check_types(session, organisation_id, body.event_types)
    await repository.one_at_a_time(await driver_of(session), organisation_id)
    if len(await repository.endpoints_of(session, organisation_id, None, MOST_ENDPOINTS)) >= MOST_ENDPOINTS:
        raise TooMany
    endpoint_id, secret = uuid7(caller.now), new_secret()
    endpoint = WebhookEndpoint(
        id=endpoint_id,
        organisation_id=organisation_id,
        url=body.url,
        description=body.description,
        event_types=sorted(set(body.event_types)),
        version=1,
        secret=box.seal(endpoint_id, secret),
        created_at=caller.now,
    )
    session.add(endpoint)
    await _write_down(session, caller, endpoint, "webhook.registered")
    return endpoint, shown(secret)


async def change(
    session: "AsyncSession", caller: Caller, webhook_id: str, version: int, body: "WebhookChange"
) -> WebhookEndpoint:
    """Replace what can be edited; enabled again, it gets what waits for it."""
    endpoint = await own(session, caller.principal, webhook_id, lock=True)
    if endpoint.version != version:
        raise EditedMeanwhile
    await _check_types(session, endpoint.organisation_id, body.event_types)
    before = _told(endpoint)
    endpoint.url, endpoint.description = body.url, body.description
    endpoint.event_types = sorted(set(body.event_types))
    if not body.enabled and endpoint.disabled_at is None:
        endpoint.disabled_at, endpoint.disabled_reason = caller.now, BY_CALLER
    elif body.enabled and endpoint.disabled_at is not None:
        endpoint.disabled_at = endpoint.disabled_reason = endpoint.failing_since = None
    endpoint.version += 1
    session.add(endpoint)
    await _write_down(session, caller, endpoint, "webhook.changed", before)
    return endpoint


async def rotate(
    session: "AsyncSession", box: SecretBox, caller: Caller, webhook_id: str, overlap: datetime.timedelta
) -> tuple[WebhookEndpoint, str]:
    """A new secret; the one before signs beside it for the overlap."""
    endpoint = await own(session, caller.principal, webhook_id, lock=True)
    secret = new_secret()
    endpoint.previous_secret = endpoint.secret if overlap else None
    endpoint.previous_until = caller.now + overlap if overlap else None
    endpoint.secret = box.seal(endpoint.id, secret)
    endpoint.version += 1
    session.add(endpoint)
    await _write_down(session, caller, endpoint, "webhook.secret_rotated")
    return endpoint, shown(secret)


async def test(session: "AsyncSession", caller: Caller, webhook_id: str) -> None:
    """Have `webhook.tested` delivered to this endpoint."""
    endpoint = await own(session, caller.principal, webhook_id)
    subject = public_id("whk", endpoint.id)
    event = Event(endpoint.organisation_id, WEBHOOK_TESTED, subject, {"webhook_id": subject})
    await tell_one(await driver_of(session), endpoint.id, event, caller.now)


async def replay(session: "AsyncSession", caller: Caller, webhook_id: str, event_id: str) -> None:
    """Have one delivery made again."""
    endpoint = await own(session, caller.principal, webhook_id)
    event = parse_public_id("evt", event_id)
    driver = await driver_of(session)
    if event is None or not await repository.replay_one(driver, endpoint.id, caller.now, event):
        raise DeliveryNotFound


async def replay_range(session: "AsyncSession", caller: Caller, webhook_id: str, body: "ReplayInput") -> int:
    """Have deliveries of a time range made again, the earliest first; answers how many."""
    endpoint = await own(session, caller.principal, webhook_id)
    return await repository.replay_range(
        await driver_of(session),
        endpoint.id,
        caller.now,
        lowest_uuid7(body.since),
        lowest_uuid7(body.until),
        body.states,
        MOST_REPLAYED,
    )


async def own(
    session: "AsyncSession", principal: "Principal", webhook_id: str, *, lock: bool = False
) -> WebhookEndpoint:
    """An endpoint of the caller's organisation."""
    value = parse_public_id("whk", webhook_id)
    found = (
        await repository.endpoint(session, principal.organisation_id, value, lock=lock)
        if value is not None
        else None
    )
    if found is None:
        raise WebhookNotFound
    return found


def view(endpoint: WebhookEndpoint) -> WebhookView:
    """What the API shows of an endpoint."""
    return WebhookView(
        webhook_id=public_id("whk", endpoint.id),
        url=endpoint.url,
        description=endpoint.description,
        event_types=endpoint.event_types,
        enabled=endpoint.disabled_at is None,
        version=endpoint.version,
        created_at=endpoint.created_at,
        previous_secret_until=endpoint.previous_until,
        failing_since=endpoint.failing_since,
        disabled_at=endpoint.disabled_at,
        disabled_reason=endpoint.disabled_reason,
    )


async def _check_types(session: "AsyncSession", organisation_id: "UUID", wanted: list[str]) -> None:
    organisation = await session.get(Organisation, organisation_id)
    known = heard_by(OrganisationKind(organisation.kind)) if organisation is not None else []
    faults = [
        Fault(f"/event_types/{index}", "no event that your organisation is told", "没有这种事件或无权订阅")
        for index, name in enumerate(wanted)
        if name not in known
    ]
    if faults:
        raise RequestError("request.invalid", *faults)


def _told(endpoint: WebhookEndpoint) -> dict[str, object]:
    return {
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "disabled_reason": endpoint.disabled_reason,
    }


async def _write_down(
    session: "AsyncSession",
    caller: Caller,
    endpoint: WebhookEndpoint,
    action: str,
    before: dict[str, object] | None = None,
) -> None:
    await audit.append(
        session,
        caller.principal,
        caller.now,
        action,
        ("webhook", public_id("whk", endpoint.id)),
        region=caller.principal.region,
        address=caller.address,
        before=before,
        after=_told(endpoint),
    )
