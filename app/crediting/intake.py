"""The door of the crediting: batches at once, single reports committed together (group commit).

A few committers share all work: batches of a thousand out of a million holders share one holder on average, so
many committers would mostly wait for each other.
"""

import asyncio
import datetime
import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from accounts import repository as ledger
from app.crediting.errors import StorageUnavailable, Unprocessable
from app.crediting.service import Result, credit

if TYPE_CHECKING:
    from app.crediting.prepare import Prepared, Preparer
    from app.database import Database

log = structlog.get_logger(__name__)
RETRIES = 5

_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)
_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalClientError,
    asyncpg.ReadOnlySQLTransactionError,
    DBAPIError,
    PoolTimeoutError,
    OSError,
)

Waiting = tuple["Prepared", "asyncio.Future[Result]"]


class Intake:
    """Commits reports; every caller gets the outcome of its own."""

    def __init__(
        self,
        database: "Database",
        preparer: "Preparer",
        clock: Callable[[], datetime.datetime],
        *,
        committers: int,
        group_max: int,
    ) -> None:
        self.preparer = preparer
        self.clock = clock
        self._database = database
        self._committers = committers
        self._slots = asyncio.Semaphore(committers)
        self._locking = asyncio.Lock()
        self._group_max = group_max
        self._queue: deque[Waiting] = deque()
        self._draining = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    async def report(self, prepared: "Prepared") -> Result:
        """Commit one report together with those that wait at the same time.

        Raises `Unprocessable` where the database refuses this very report, `StorageUnavailable` where it is away.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((prepared, future))
        if self._draining < self._committers:
            self._draining += 1
            task = asyncio.create_task(self._drain())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def report_batch(self, batch: Sequence["Prepared"]) -> list[Result | Unprocessable]:
        """Commit a batch as a whole, but for reports of busy holders, which follow in a transaction of their own.

        Where the database refuses an item, that item alone is answered so.

        Runs to its end even where the caller goes away: what was sent is either stored or not, never unknown.
        """
        task = asyncio.create_task(self._batch(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    def committing(self) -> bool:
        """Whether answers of the database are waited for."""
        return bool(self._tasks)

    async def close(self) -> None:
        """Wait for what is being committed."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _batch(self, batch: Sequence["Prepared"]) -> list[Result | Unprocessable]:
        async with self._slots:
            return await self._commit(batch)

    async def _drain(self) -> None:
        # Counted down here and not in a callback: between the last look at the queue and the end nothing else runs.
        try:
            while self._queue:
                async with self._slots:
                    group: list[Waiting] = []
                    while self._queue and len(group) < self._group_max:
                        waiting = self._queue.popleft()
                        if not waiting[1].cancelled():
                            group.append(waiting)
                    if group:
                        await self._answer(group)
        finally:
            self._draining -= 1

    async def _answer(self, group: list[Waiting]) -> None:
        error: Exception = StorageUnavailable()
        answers: Sequence[Result | Exception] = ()
        try:
            answers = await self._commit([prepared for prepared, _ in group])
        except StorageUnavailable as away:
            error = away
        except Exception as unexpected:
            log.exception("group commit failed", items=len(group))
            error = unexpected
        finally:
            for index, (_, future) in enumerate(group):
                if future.done():
                    continue
                answer = answers[index] if index < len(answers) else error
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    async def _commit(self, batch: Sequence["Prepared"]) -> list[Result | Unprocessable]:
        try:
            return list(await self._attempt(batch))
        except (ValueError, OverflowError, struct.error) as refused:
            # While a value is encoded. The driver's DataError is both a ValueError and an InterfaceError.
            if len(batch) == 1:
                log.warning("report refused by the driver", error=type(refused).__name__)
                return [Unprocessable()]
        except _AWAY as away:
            log.warning("database away", error=type(away).__name__)
            raise StorageUnavailable from away
        except asyncpg.PostgresError as refused:
            if len(batch) == 1:
                log.warning("report refused by the database", error=type(refused).__name__)
                return [Unprocessable()]
        half = len(batch) // 2
        return await self._commit(batch[:half]) + await self._commit(batch[half:])

    async def _attempt(self, batch: Sequence["Prepared"]) -> list[Result]:
        rules = self.preparer.rules
        wanted = {key for p in batch if p.rule is not None for key in (p.asset_key, p.points_key)}
        if missing := rules.missing_assets(wanted):
            async with self._database.driver_transaction() as driver:
                known = await ledger.know_assets(driver, sorted(missing))
            rules.learn_assets(known)
        answers = await self._transact(batch, self._locking)
        busy = [index for index, answer in enumerate(answers) if answer is None]
        if busy:
            waited = await self._transact([batch[index] for index in busy], None)
            for index, answer in zip(busy, waited, strict=True):
                answers[index] = answer
        if any(answer is None for answer in answers):
            raise StorageUnavailable
        return [answer for answer in answers if answer is not None]

    async def _transact(
        self, batch: Sequence["Prepared"], locking: asyncio.Lock | None
    ) -> list[Result | None]:
        for attempt in range(RETRIES):
            try:
                async with self._database.driver_transaction() as driver:
                    return await credit(driver, self.preparer, batch, self.clock(), locking)
            except _AGAIN:
                if attempt == RETRIES - 1:
                    raise StorageUnavailable from None
                await asyncio.sleep(0.01 * 2**attempt)
        raise StorageUnavailable
