"""The outbox: what is to be told is written in the transaction that makes it true, and delivered afterwards."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from accounts.ids import epoch_ms, public_id, uuid7, uuid7_batch
from accounts.quantities import grams
from app.crediting.models import Outcome
from app.webhooks.events import ACTIVITY_CREDITED
from dedup.writes import Writes, columns

if TYPE_CHECKING:
    import asyncpg

    from app.crediting.decision import Candidate


@dataclass(frozen=True, slots=True)
class Event:
    """Something that an organisation may want to hear of. Events of one subject are told in their order.

    `data` holds no identifier of a person.
    """

    organisation_id: UUID
    type: str
    subject: str
    data: Mapping[str, Any]


class Listeners:
    """Who listens for what, as this process knew it at its last look."""

    def __init__(self) -> None:
        self._of: dict[str, frozenset[UUID]] = {}

    def replace(self, found: Iterable[tuple[UUID, str]]) -> None:
        """Know (organisation, event type) of every live endpoint."""
        gathered: dict[str, set[UUID]] = {}
        for organisation_id, event_type in found:
            gathered.setdefault(event_type, set()).add(organisation_id)
        self._of = {event_type: frozenset(organisations) for event_type, organisations in gathered.items()}

    def of(self, event_type: str) -> frozenset[UUID]:
        """Organisations with a live endpoint for this type."""
        return self._of.get(event_type, frozenset())


def credited(listeners: Listeners, candidates: Sequence["Candidate"]) -> list[Event]:
    """What to tell of a decided batch; nothing, at no cost, where nobody listens."""
    listening = listeners.of(ACTIVITY_CREDITED)
    if not listening:
        return []
    return [
        activity_event(
            ACTIVITY_CREDITED,
            each.prepared.source_id,
            each.activity_id,
            each.outcome,
            each.co2e_mg,
            each.points,
        )
        for each in candidates
        if each.prepared.source_id in listening and each.outcome in (Outcome.CREDITED, Outcome.CAPPED)
    ]


def activity_event(
    event_type: str, source_id: UUID, activity_id: UUID, outcome: str, co2e_mg: int, points: int
) -> Event:
    """An event about an activity, for the platform that reported it."""
    subject = public_id("act", activity_id)
    data = {"activity_id": subject, "outcome": outcome, "co2e_g": grams(co2e_mg), "points": points}
    return Event(source_id, event_type, subject, data)


def tell(writes: Writes, events: Sequence[Event], now: datetime.datetime) -> None:
    """Write a delivery for each live endpoint of the organisation that subscribes to the type."""
    if not events:
        return
    ids = uuid7_batch(epoch_ms(now), len(events))
    rows = [
        (each.organisation_id, event_id, each.type, each.subject, orjson.dumps(dict(each.data)).decode())
        for each, event_id in zip(events, ids, strict=True)
    ]
    writes.add(
        """
        INSERT INTO webhook_deliveries
            (endpoint_id, event_id, type, subject, data, happened_at, state, attempts, due_at)
        SELECT p.id, e.event_id, e.type, e.subject, e.data, $6::timestamptz, 'pending', 0, $6::timestamptz
        FROM unnest($1::uuid[], $2::uuid[], $3::varchar[], $4::varchar[], $5::varchar[])
            WITH ORDINALITY AS e (organisation_id, event_id, type, subject, data, place)
        JOIN webhook_endpoints p
            ON p.organisation_id = e.organisation_id AND p.disabled_at IS NULL AND e.type = ANY(p.event_types)
        ORDER BY e.place
        """,
        *columns(rows),
        now,
    )


async def tell_now(driver: "asyncpg.Connection", events: Sequence[Event], now: datetime.datetime) -> None:
    """The same as a statement of its own, in the caller's transaction."""
    writes = Writes()
    tell(writes, events, now)
    await writes.execute(driver)


async def tell_one(
    driver: "asyncpg.Connection", endpoint_id: UUID, event: Event, now: datetime.datetime
) -> None:
    """Write a delivery for one endpoint, whatever it subscribes to."""
    await driver.execute(
        """
        INSERT INTO webhook_deliveries
            (endpoint_id, event_id, type, subject, data, happened_at, state, attempts, due_at)
        VALUES ($1, $2, $3, $4, $5, $6, 'pending', 0, $6)
        """,
        endpoint_id,
        uuid7(now),
        event.type,
        event.subject,
        orjson.dumps(dict(event.data)).decode(),
        now,
    )
