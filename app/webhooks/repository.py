"""SQL of webhooks."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlmodel import col, select

from app.webhooks.models import DeliveryState, WebhookDelivery, WebhookEndpoint

if TYPE_CHECKING:
    import asyncpg
    from sqlmodel.ext.asyncio.session import AsyncSession


async def listeners(driver: "asyncpg.Connection") -> list[tuple[UUID, str]]:
    """(organisation, event type) of every live endpoint."""
    rows = await driver.fetch(
        "SELECT DISTINCT organisation_id, unnest(event_types) FROM webhook_endpoints WHERE disabled_at IS NULL"
    )
    return [(row[0], row[1]) for row in rows]


async def one_at_a_time(driver: "asyncpg.Connection", organisation_id: UUID) -> None:
    """Have registrations of an organisation wait for each other, until the transaction ends."""
    key = int.from_bytes(organisation_id.bytes[-8:], "big", signed=True)
    await driver.execute("SELECT pg_advisory_xact_lock($1)", key)


async def endpoints_of(
    session: "AsyncSession", organisation_id: UUID, after: UUID | None, limit: int
) -> list[WebhookEndpoint]:
    """Endpoints of an organisation, the oldest first."""
    query = select(WebhookEndpoint).where(col(WebhookEndpoint.organisation_id) == organisation_id)
    if after is not None:
        query = query.where(col(WebhookEndpoint.id) > after)
    return list((await session.exec(query.order_by(col(WebhookEndpoint.id)).limit(limit))).all())


async def endpoint(
    session: "AsyncSession", organisation_id: UUID, endpoint_id: UUID, *, lock: bool = False
) -> WebhookEndpoint | None:
    """An endpoint, if it is the organisation's."""
    query = select(WebhookEndpoint).where(
        col(WebhookEndpoint.id) == endpoint_id, col(WebhookEndpoint.organisation_id) == organisation_id
    )
    if lock:
        query = query.with_for_update()
    return (await session.exec(query)).first()


async def deliveries(
    session: "AsyncSession",
    endpoint_id: UUID,
    state: DeliveryState | None,
    before: UUID | None,
    limit: int,
) -> list[WebhookDelivery]:
    """Deliveries of an endpoint, the latest event first."""
    query = select(WebhookDelivery).where(col(WebhookDelivery.endpoint_id) == endpoint_id)
    if state is not None:
        query = query.where(col(WebhookDelivery.state) == state.value)
    if before is not None:
        query = query.where(col(WebhookDelivery.event_id) < before)
    return list((await session.exec(query.order_by(col(WebhookDelivery.event_id).desc()).limit(limit))).all())


_AGAIN = "state = 'pending', attempts = 0, due_at = $2, settled_at = NULL"


async def replay_one(
    driver: "asyncpg.Connection", endpoint_id: UUID, now: datetime.datetime, event_id: UUID
) -> bool:
    """Have a delivery made again at once, also one that waits for its next attempt; False where there is none."""
    done = await driver.execute(
        f"UPDATE webhook_deliveries SET {_AGAIN} WHERE endpoint_id = $1 AND event_id = $3",
        endpoint_id,
        now,
        event_id,
    )
    return bool(done == "UPDATE 1")


async def replay_range(
    driver: "asyncpg.Connection",
    endpoint_id: UUID,
    now: datetime.datetime,
    since: UUID,
    until: UUID,
    states: Sequence[str],
    limit: int,
) -> int:
    """Have settled deliveries of events between two ids made again, the earliest first; answers how many."""
    done = await driver.execute(
        f"""
        UPDATE webhook_deliveries SET {_AGAIN} WHERE endpoint_id = $1 AND event_id = ANY(ARRAY(
            SELECT event_id FROM webhook_deliveries
            WHERE endpoint_id = $1 AND event_id >= $3 AND event_id < $4 AND state = ANY($5::varchar[])
            ORDER BY event_id LIMIT $6))
        """,
        endpoint_id,
        now,
        since,
        until,
        list(states),
        limit,
    )
    return int(done.rpartition(" ")[2])


# What the runner does


async def due_endpoints(
    driver: "asyncpg.Connection", now: datetime.datetime, busy: Sequence[UUID]
) -> list[UUID]:
    """Live endpoints that have something due, but for those that this process is busy with."""
    rows = await driver.fetch(
        """
        SELECT p.id FROM webhook_endpoints p
        WHERE p.disabled_at IS NULL AND p.id <> ALL($2::uuid[]) AND EXISTS (
            SELECT FROM webhook_deliveries d
            WHERE d.endpoint_id = p.id AND d.state = 'pending' AND d.due_at <= $1)
        """,
        now,
        list(busy),
    )
    return [row[0] for row in rows]


async def live_endpoint(driver: "asyncpg.Connection", endpoint_id: UUID) -> Any:
    """What a delivery needs of its endpoint, unless it is disabled."""
    return await driver.fetchrow(
        """
        SELECT id, organisation_id, url, secret, previous_secret, previous_until, failing_since
        FROM webhook_endpoints WHERE id = $1 AND disabled_at IS NULL
        """,
        endpoint_id,
    )


async def take(
    driver: "asyncpg.Connection",
    endpoint_id: UUID,
    now: datetime.datetime,
    until: datetime.datetime,
    limit: int,
) -> "list[asyncpg.Record]":
    """Lease due deliveries until a moment: of each subject its first that is pending, and none that others hold."""
    rows: list[asyncpg.Record] = await driver.fetch(
        """
        UPDATE webhook_deliveries t SET attempts = t.attempts + 1, due_at = $3
        FROM (
            SELECT d.event_id FROM webhook_deliveries d
            WHERE d.endpoint_id = $1 AND d.state = 'pending' AND d.due_at <= $2
                AND NOT EXISTS (
                    SELECT FROM webhook_deliveries e
                    WHERE e.endpoint_id = d.endpoint_id AND e.subject = d.subject AND e.state = 'pending'
                        AND e.seq < d.seq)
            ORDER BY d.due_at, d.seq LIMIT $4 FOR UPDATE SKIP LOCKED
        ) f
        WHERE t.endpoint_id = $1 AND t.event_id = f.event_id
        RETURNING t.event_id, t.type, t.data, t.happened_at, t.attempts
        """,
        endpoint_id,
        now,
        until,
        limit,
    )
    return rows


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an attempt at a delivery ended, and what follows."""

    event_id: UUID
    attempts: int
    state: DeliveryState
    due_at: datetime.datetime
    status: int | None
    error: str | None
    answer: str | None


async def settle(
    driver: "asyncpg.Connection", endpoint_id: UUID, attempts: Sequence[Attempt], now: datetime.datetime
) -> None:
    """Keep how attempts ended; one whose lease was lost, or that was replayed meanwhile, changes nothing."""
    await driver.executemany(
        """
        UPDATE webhook_deliveries SET state = $4::varchar, due_at = $5,
            last_status = $6, last_error = $7, last_answer = $8,
            settled_at = CASE WHEN $4::varchar = 'pending' THEN NULL ELSE $9::timestamptz END
        WHERE endpoint_id = $1 AND event_id = $2 AND state = 'pending' AND attempts = $3
        """,
        [
            (
                endpoint_id,
                each.event_id,
                each.attempts,
                each.state.value,
                each.due_at,
                each.status,
                each.error,
                each.answer,
                now,
            )
            for each in attempts
        ],
    )


async def mark_failing(
    driver: "asyncpg.Connection", endpoint_id: UUID, *, failing: bool, now: datetime.datetime
) -> None:
    """Remember since when every delivery to an endpoint has failed."""
    await driver.execute(
        """
        UPDATE webhook_endpoints
        SET failing_since = CASE WHEN $2::bool THEN coalesce(failing_since, $3::timestamptz) END
        WHERE id = $1 AND (failing_since IS NULL) = $2::bool
        """,
        endpoint_id,
        failing,
        now,
    )


async def disable(
    driver: "asyncpg.Connection",
    endpoint_id: UUID,
    reason: str,
    now: datetime.datetime,
    failing_before: datetime.datetime | None,
) -> bool:
    """Disable a live endpoint; where a moment is given, only if it has failed since before it."""
    done = await driver.execute(
        """
        UPDATE webhook_endpoints SET disabled_at = $3::timestamptz, disabled_reason = $2::varchar, version = version + 1
        WHERE id = $1 AND disabled_at IS NULL AND ($4::timestamptz IS NULL OR failing_since <= $4)
        """,
        endpoint_id,
        reason,
        now,
        failing_before,
    )
    return bool(done == "UPDATE 1")


async def counts(driver: "asyncpg.Connection") -> tuple[int, int]:
    """How many deliveries to live endpoints are pending, and how many are dead."""
    row = await driver.fetchrow(
        """
        SELECT
            (SELECT count(*) FROM webhook_deliveries d JOIN webhook_endpoints p ON p.id = d.endpoint_id
                WHERE d.state = 'pending' AND p.disabled_at IS NULL),
            (SELECT count(*) FROM webhook_deliveries WHERE state = 'dead')
        """
    )
    return (row[0], row[1])


async def drop_old(driver: "asyncpg.Connection", delivered_before: UUID, any_before: UUID, limit: int) -> int:
    """Drop deliveries of old events: delivered ones, and much older ones whatever became of them."""
    done = await driver.execute(
        """
        DELETE FROM webhook_deliveries t USING (
            SELECT d.endpoint_id, d.event_id FROM webhook_endpoints p, LATERAL (
                SELECT x.endpoint_id, x.event_id FROM webhook_deliveries x
                WHERE x.endpoint_id = p.id AND x.event_id < $1 AND (x.state = 'delivered' OR x.event_id < $2)
                LIMIT $3) d
            LIMIT $3) f
        WHERE t.endpoint_id = f.endpoint_id AND t.event_id = f.event_id
        """,
        delivered_before,
        any_before,
        limit,
    )
    return int(done.rpartition(" ")[2])
