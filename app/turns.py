"""Under pressure requests begin one by one, so that a crowd of them does not keep the database's answers waiting."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Turns:
    """While `pressed`, one request begins in each turn of the event loop, which looks after all sockets between two.

    Callers of a group commit are answered together and come back together. Without this, each statement of the group
    behind them waits until the whole crowd has been read: a third of the machine idles.
    """

    def __init__(self, app: "ASGIApp", pressed: Callable[[], bool]) -> None:
        self._app = app
        self._pressed = pressed
        self._taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass a request on when its turn comes."""
        if scope["type"] == "http" and self._pressed():
            loop = asyncio.get_running_loop()
            if self._taken:
                turn = loop.create_future()
                self._waiting.append(turn)
                await turn
            else:
                self._taken = True
                loop.call_soon(self._next)
        await self._app(scope, receive, send)

    def _next(self) -> None:
        self._taken = False
        while self._waiting and not self._taken:
            turn = self._waiting.popleft()
            if not turn.cancelled():
                turn.set_result(None)
                self._taken = True
                asyncio.get_running_loop().call_soon(self._next)
