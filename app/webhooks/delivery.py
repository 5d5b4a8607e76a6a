"""Delivers the outbox: at least once, in order for each subject, by any number of processes.

Each process looks for endpoints with something due and gives each a task of its own, so that one that hangs holds
nobody back. Deliveries are leased; a process that dies leaves them to be taken again when the lease ends.
"""

import asyncio
import datetime
import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import orjson
import structlog
from cryptography.exceptions import InvalidTag
from sqlalchemy.exc import SQLAlchemyError

from accounts.ids import public_id
from app import metrics
from app.webhooks import repository
from app.webhooks.events import WEBHOOK_DISABLED
from app.webhooks.models import DeliveryState
from app.webhooks.outbox import Event, Listeners, tell_now
from app.webhooks.repository import Attempt
from app.webhooks.sending import Answer, client_for, send, tls
from app.webhooks.signing import SecretBox, sign
from app.webhooks.targets import Target, TargetRefused, Targets

if TYPE_CHECKING:
    from app.database import Database

log = structlog.get_logger(__name__)
LOOK_EVERY_S = 1.0
LISTENERS_EVERY_S = 5.0
COUNT_EVERY_S = 30.0
AT_ONCE = 8
"""Deliveries to one endpoint at a time; one where it fails."""
ENDPOINTS_AT_ONCE = 64
LEASE = 4
"""Times the longest attempt: nobody else takes a delivery that long."""
GROWTH = 3
LONGEST = datetime.timedelta(hours=24)
JITTER = 0.2
_GONE = 410


def pause_after(attempts: int, first_s: float) -> datetime.timedelta:
    """How long to wait after so many failed attempts: three times longer each time, at most a day, ± 20 %."""
    seconds = min(first_s * GROWTH ** (attempts - 1), LONGEST.total_seconds())
    return datetime.timedelta(seconds=seconds * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311


class Deliverer:
    """Looks for what is due and delivers it. `max_attempts` failed ones make a delivery dead."""

    def __init__(
        self,
        database: "Database",
        listeners: Listeners,
        targets: Targets,
        box: SecretBox,
        clock: Callable[[], datetime.datetime],
        *,
        max_attempts: int,
        retry_s: float,
        timeout_s: float,
        disable_after: datetime.timedelta,
    ) -> None:
        self.targets = targets
        self.box = box
        self._database = database
        self._listeners = listeners
        self._clock = clock
        self._max_attempts = max_attempts
        self._retry_s = retry_s
        self._timeout_s = timeout_s
        self._lease = datetime.timedelta(seconds=LEASE * timeout_s)
        self._disable_after = disable_after
        self._tls = tls()
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something is due now: look at once."""
        self._wake.set()

    async def refresh(self) -> None:
        """Learn who listens for what."""
        async with self._database.driver_transaction() as driver:
            self._listeners.replace(await repository.listeners(driver))

    async def run(self) -> None:
        """Deliver until cancelled."""
        loop = asyncio.get_running_loop()
        refreshed = counted = -COUNT_EVERY_S
        try:
            while True:
                try:
                    if loop.time() - refreshed >= LISTENERS_EVERY_S:
                        await self.refresh()
                        refreshed = loop.time()
                    if loop.time() - counted >= COUNT_EVERY_S:
                        await self._count()
                        counted = loop.time()
                    await self.look()
                except Exception as error:  # noqa: BLE001 - whatever it is, it has to look again
                    log.warning("webhooks not looked at", error=type(error).__name__)
                try:
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._wake.wait()
                except TimeoutError:
                    pass
                self._wake.clear()
        finally:
            tasks = list(self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def look(self) -> None:
        """Begin with every endpoint that has something due."""
        async with self._database.driver_transaction() as driver:
            found = await repository.due_endpoints(driver, self._clock(), list(self._running))
        for endpoint_id in found[: ENDPOINTS_AT_ONCE - len(self._running)]:
            task = asyncio.create_task(self._serve(endpoint_id))
            self._running[endpoint_id] = task
            task.add_done_callback(partial(self._done, endpoint_id))

    def _done(self, endpoint_id: UUID, task: "asyncio.Task[None]") -> None:
        self._running.pop(endpoint_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("webhook deliveries failed", error=type(error).__name__)

    async def settled(self) -> None:
        """Wait for the deliveries that are under way."""
        while self._running:
            await asyncio.gather(*self._running.values())

    async def _serve(self, endpoint_id: UUID) -> None:
        """Deliver to one endpoint until nothing is due."""
        try:
            async with client_for(self._tls, AT_ONCE) as client:
                while await self._round(endpoint_id, client):
                    pass
        except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            # What was leased is taken again when the lease ends.
            log.warning("webhook deliveries interrupted", error=type(error).__name__)

    async def _round(self, endpoint_id: UUID, client: Any) -> bool:
        now = self._clock()
        async with self._database.driver_transaction() as driver:
            endpoint = await repository.live_endpoint(driver, endpoint_id)
            if endpoint is None:
                return False
            most = AT_ONCE if endpoint["failing_since"] is None else 1
            taken = await repository.take(driver, endpoint_id, now, now + self._lease, most)
        if not taken:
            return False
        target, secrets, trouble = await self._prepare(endpoint, now)

        async def attempt(row: Any) -> Answer:
            if target is None:
                return Answer(None, trouble)
            event_id = public_id("evt", row["event_id"])
            body = body_of(event_id, row["type"], row["happened_at"], row["data"])
            sent_at = self._clock()
            stamp = int(sent_at.timestamp())
            headers = {
                "webhook-id": event_id,
                "webhook-timestamp": str(stamp),
                "webhook-signature": sign(secrets, event_id, stamp, body),
            }
            return await send(client, target, headers, body, sent_at, self._timeout_s)

        answers = await asyncio.gather(*(attempt(row) for row in taken))
        await self._settle(endpoint, list(zip(taken, answers, strict=True)))
        return True

    async def _prepare(
        self, endpoint: Any, now: datetime.datetime
    ) -> tuple[Target | None, list[bytes], str | None]:
        """The checked target and the secrets that sign, or why nothing can be sent."""
        try:
            secrets = [self.box.open(endpoint["id"], endpoint["secret"])]
            if endpoint["previous_secret"] is not None and endpoint["previous_until"] > now:
                secrets.append(self.box.open(endpoint["id"], endpoint["previous_secret"]))
        except InvalidTag:
            log.error("secret of a webhook cannot be opened", webhook=public_id("whk", endpoint["id"]))  # noqa: TRY400
            return None, [], "secret"
        try:
            return await self.targets.check(endpoint["url"]), secrets, None
        except TargetRefused:
            return None, [], "target_refused"

    async def _settle(self, endpoint: Any, done: list[tuple[Any, Answer]]) -> None:
        now = self._clock()
        attempts = [self._outcome(row, answer, now) for row, answer in done]
        accepted = any(answer.accepted for _, answer in done)
        gone = any(answer.status == _GONE for _, answer in done)
        async with self._database.driver_transaction() as driver:
            await repository.settle(driver, endpoint["id"], attempts, now)
            if accepted != (endpoint["failing_since"] is None) or not accepted:
                await repository.mark_failing(driver, endpoint["id"], failing=not accepted, now=now)
            if not accepted:
                before = None if gone else now - self._disable_after
                reason = "gone" if gone else "failing"
                if await repository.disable(driver, endpoint["id"], reason, now, before):
                    await self._notify(driver, endpoint, reason, now)
        for (row, answer), attempt in zip(done, attempts, strict=True):
            metrics.WEBHOOK_ATTEMPTS.labels("accepted" if answer.accepted else "failed").inc()
            if answer.accepted:
                metrics.WEBHOOK_SECONDS.observe(max(0.0, (now - row["happened_at"]).total_seconds()))
            elif attempt.state is DeliveryState.DEAD:
                log.warning(
                    "webhook delivery is dead",
                    webhook=public_id("whk", endpoint["id"]),
                    event_id=public_id("evt", row["event_id"]),
                    status=answer.status,
                    error=answer.error,
                )

    def _outcome(self, row: Any, answer: Answer, now: datetime.datetime) -> Attempt:
        state, due_at = DeliveryState.DELIVERED, now
        if not answer.accepted:
            state = DeliveryState.DEAD if row["attempts"] >= self._max_attempts else DeliveryState.PENDING
            wait = pause_after(row["attempts"], self._retry_s)
            due_at = now + max(wait, datetime.timedelta(seconds=answer.retry_after_s))
        return Attempt(
            row["event_id"], row["attempts"], state, due_at, answer.status, answer.error, answer.excerpt
        )

    async def _notify(
        self, driver: "asyncpg.Connection", endpoint: Any, reason: str, now: datetime.datetime
    ) -> None:
        """Tell the organisation's other endpoints, and the log."""
        webhook = public_id("whk", endpoint["id"])
        log.warning("webhook disabled", webhook=webhook, reason=reason)
        metrics.WEBHOOKS_DISABLED.labels(reason).inc()
        data = {"webhook_id": webhook, "reason": reason}
        await tell_now(driver, [Event(endpoint["organisation_id"], WEBHOOK_DISABLED, webhook, data)], now)

    async def _count(self) -> None:
        async with self._database.driver_transaction() as driver:
            pending, dead = await repository.counts(driver)
        metrics.WEBHOOKS_PENDING.set(pending)
        metrics.WEBHOOKS_DEAD.set(dead)


def body_of(event_id: str, event_type: str, happened_at: datetime.datetime, data: str) -> bytes:
    """What is sent; the same bytes at every attempt."""
    return orjson.dumps(
        {"id": event_id, "type": event_type, "time": happened_at.isoformat(), "data": orjson.Fragment(data)}
    )
