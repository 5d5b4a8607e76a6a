"""Group commit: items that wait at the same time are committed together, and each caller gets its own outcome.

One mechanism for reports, redemptions and claims. A few committers share all work; a group that PostgreSQL refuses is
halved until the item at fault stands alone.
"""

import asyncio
import contextlib
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from accounts.errors import DomainError
from app.crediting.errors import StorageUnavailable

if TYPE_CHECKING:
    from app.database import Chain, Database

log = structlog.get_logger(__name__)
RETRIES = 5

_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)
AWAY = (
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

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Done = TypeVar("Done")


async def transact(chain: "Chain", work: "Callable[[asyncpg.Connection], Awaitable[Done]]") -> Done:
    """Run work in a transaction; after a deadlock or the like again, some times, and then `StorageUnavailable`."""
    for attempt in range(RETRIES):
        try:
            async with chain.transaction() as driver:
                return await work(driver)
        except _AGAIN:
            if attempt == RETRIES - 1:
                raise StorageUnavailable from None
            await asyncio.sleep(0.01 * 2**attempt)
    raise StorageUnavailable


class Groups(Generic[Item, Answer]):
    """Queues items and commits them in groups by `attempt`, which answers each item of a group, in order.

    `refused` makes the error that answers an item which the database refuses by itself.
    """

    def __init__(
        self,
        database: "Database",
        attempt: "Callable[[Chain, Sequence[Item]], Awaitable[Sequence[Answer]]]",
        refused: Callable[[], DomainError],
        *,
        committers: int,
        group_max: int,
    ) -> None:
        self._database = database
        self._attempt = attempt
        self._refused = refused
        self._committers = committers
        self._slots = asyncio.Semaphore(committers)
        self._group_max = group_max
        self._queue: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._draining = 0
        self._under_way: dict[object, int] = {}
        self._idle: deque[asyncio.Future[None]] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def submit(self, item: Item) -> Answer:
        """Commit one item together with those that wait at the same time.

        Raises `refused` where the database refuses this very item, `StorageUnavailable` where it is away.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.append((item, future))
        if not self._worth_a_group():
            pass
        elif self._idle:
            self._wake()
        elif self._draining < self._committers:
            self._draining += 1
            task = asyncio.create_task(self._drain())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def submit_batch(self, batch: Sequence[Item]) -> list[Answer | DomainError]:
        """Commit a batch as a whole. Where the database refuses an item, that item alone is answered so.

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

    async def _batch(self, batch: Sequence[Item]) -> list[Answer | DomainError]:
        async with self._slots:
            return await self._commit(self._database.chain(), batch)

    def _worth_a_group(self) -> bool:
        # A group costs as much as some tens of items. One begins beside another when as many wait as that one took,
        # so that groups are few and even; what waits for less is taken by the other when it ends.
        return bool(self._queue) and len(self._queue) >= min(self._under_way.values(), default=0)

    async def _drain(self) -> None:
        me = object()
        chain = self._database.chain(lambda: self._pressed(beside=me))
        try:
            while self._pressed():
                if not self._worth_a_group():
                    await self._wait()
                    continue
                async with self._slots:
                    if group := self._take():
                        self._under_way[me] = len(group)
                        try:
                            await self._answer(chain, group)
                        finally:
                            del self._under_way[me]
        finally:
            # Before anything is waited for: between the last look at the queue and here nothing else runs.
            self._draining -= 1
            while self._idle:
                self._wake()
            with contextlib.suppress(*AWAY):
                await chain.close()

    def _pressed(self, beside: object = None) -> bool:
        return bool(self._queue or self._under_way.keys() - {beside})

    async def _wait(self) -> None:
        idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle.append(idle)
        await idle

    def _wake(self) -> None:
        idle = self._idle.popleft()
        if not idle.done():
            idle.set_result(None)

    def _take(self) -> "list[tuple[Item, asyncio.Future[Answer]]]":
        group: list[tuple[Item, asyncio.Future[Answer]]] = []
        while self._queue and len(group) < self._group_max:
            waiting = self._queue.popleft()
            if not waiting[1].cancelled():
                group.append(waiting)
        return group

    async def _answer(self, chain: "Chain", group: "list[tuple[Item, asyncio.Future[Answer]]]") -> None:
        error: Exception = StorageUnavailable()
        answers: Sequence[Answer | DomainError] = ()
        try:
            answers = await self._commit(chain, [item for item, _ in group])
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

    async def _commit(self, chain: "Chain", batch: Sequence[Item]) -> list[Answer | DomainError]:
        try:
            return list(await self._attempt(chain, batch))
        except (ValueError, OverflowError, struct.error) as refused:
            # While a value is encoded. The driver's DataError is both a ValueError and an InterfaceError.
            if len(batch) == 1:
                log.warning("item refused by the driver", error=type(refused).__name__)
                return [self._refused()]
        except AWAY as away:
            log.warning("database away", error=type(away).__name__)
            raise StorageUnavailable from away
        except asyncpg.PostgresError as refused:
            if len(batch) == 1:
                log.warning("item refused by the database", error=type(refused).__name__)
                return [self._refused()]
        half = len(batch) // 2
        return await self._commit(chain, batch[:half]) + await self._commit(chain, batch[half:])
