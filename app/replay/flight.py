"""A few requests under way at a time."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self


class Flight:
    """Keeps at most so many tasks under way; leaving the block waits for all of them.

    The first failure is raised where it is noticed, and then, as on cancellation, the others are cancelled
    and awaited: nothing goes on behind the caller's back.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self._until(0)
        finally:
            left, self._tasks = self._tasks, set()
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start one more, as soon as there is room."""
        try:
            await self._until(self._most - 1)
        except BaseException:
            work.close()
            raise
        self._tasks.add(asyncio.create_task(work))

    async def _until(self, most: int) -> None:
        while len(self._tasks) > most:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                self._tasks.discard(task)
                task.result()
