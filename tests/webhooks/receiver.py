"""A merchant's server for these tests: keeps what it was sent and answers as it is told."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks.webhooks import Webhook


@dataclass
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)

    def verified(self, secret: str) -> dict[str, Any]:
        """The event, as the official library verifies it."""
        return Webhook(secret).verify(self.body, self.headers)


Answering = Callable[[Received], int | bytes | None]


@dataclass
class Receiver:
    """`answer` says the status, or the whole raw answer; None hangs."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answer: Answering = lambda _: 204
    open: int = 0
    most_open: int = 0

    def of(self, subject: str) -> list[dict[str, Any]]:
        return [each.event for each in self.received if subject in each.body.decode()]

    async def until(self, count: int, seconds: float = 15) -> list[Received]:
        async with asyncio.timeout(seconds):
            while len(self.received) < count:  # noqa: ASYNC110 - bounded above
                await asyncio.sleep(0.02)
        return self.received

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = head.split("\r\n")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in lines[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                got = Received(lines[0].split(" ")[1], headers, body)
                self.received.append(got)
                said = self.answer(got)
                if said is None:
                    await asyncio.sleep(3600)
                elif isinstance(said, bytes):
                    writer.write(said)
                    await writer.drain()
                    return
                else:
                    writer.write(f"HTTP/1.1 {said} X\r\nContent-Length: 0\r\n\r\n".encode())
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@contextlib.asynccontextmanager
async def receiving(answer: Answering = lambda _: 204) -> AsyncIterator[Receiver]:
    receiver = Receiver(answer=answer)
    tasks: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await receiver.handle(reader, writer)
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
