"""Under pressure a few requests begin at a time, so that a crowd does not keep the database's answers waiting."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

AT_ONCE: Final = 4
"""One by one costs a look at all sockets for each request; all together costs a third of the machine in waiting."""


class Turns:
    """While `pressed`, only so many requests begin before the event loop looks after all sockets again.

    Callers of a group commit are answered together and come back together. Without this, each statement of the group
    behind them waits until the whole crowd has been read.
    """

    def __init__(self, app: "ASGIApp", pressed: Callable[[], bool]) -> None:
        self._app = app
        self._pressed = pressed
        self._begun = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass a request on when its turn comes."""
        if scope["type"] == "http" and self._pressed():
            loop = asyncio.get_running_loop()
            if self._begun >= AT_ONCE:
                turn = loop.create_future()
                self._waiting.append(turn)
                await turn
            else:
                if not self._begun:
                    loop.call_soon(self._next)
                self._begun += 1
        await self._app(scope, receive, send)

    def _next(self) -> None:
        self._begun = 0
        while self._waiting and self._begun < AT_ONCE:
            turn = self._waiting.popleft()
            if not turn.cancelled():
                turn.set_result(None)
                self._begun += 1
        if self._begun:
            asyncio.get_running_loop().call_soon(self._next)
