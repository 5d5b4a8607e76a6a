"""A load client: HTTP/1.1 over kept-alive connections, requests built before, answers looked at afterwards."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import orjson

from app.bench.registry import BenchError

_OK = range(200, 300)
_GRACE_S = 120
_SHOWN = 400


def request(path: str, token: str, body: bytes, headers: str = "") -> bytes:
    """One POST of JSON, ready to be written; `headers` are further lines."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    )
    return head.encode() + body


@dataclass
class Run:
    """What came of a load."""

    answered: int = 0
    seconds: float = 0.0
    bodies: list[bytes] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        """Requests answered in a second."""
        return self.answered / self.seconds

    def latency_ms(self, share: float) -> float:
        """The time within which this share of the requests was answered."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


class _Load:
    """Hands the requests to the connections and takes their answers."""

    def __init__(
        self, requests: Iterator[bytes], seconds: float | None, on_body: Callable[[bytes], None] | None
    ) -> None:
        self.run = Run()
        self.done = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._seconds = seconds
        self._on_body = on_body or self.run.bodies.append
        self._busy = 0
        self._began = time.perf_counter()

    def next(self) -> bytes | None:
        """The next request; None where time or requests are over."""
        if self.done.done():
            return None
        if self._seconds is None or time.perf_counter() - self._began < self._seconds:
            following = next(self._requests, None)
            if following is not None:
                self._busy += 1
                return following
        self._end()
        return None

    def answer(self, status: int, body: bytes, seconds: float) -> None:
        """Take an answer; one that is no success ends everything."""
        self._busy -= 1
        if status not in _OK:
            self.fail(f"the service answered {status}: {body[:_SHOWN].decode(errors='replace')}")
            return
        self.run.answered += 1
        self.run.latencies_s.append(seconds)
        self._on_body(body)

    def fail(self, text: str) -> None:
        """End with an error."""
        if not self.done.done():
            self.done.set_exception(BenchError(text))

    def _end(self) -> None:
        if not self._busy and not self.done.done():
            self.run.seconds = time.perf_counter() - self._began
            self.done.set_result(None)


class _Connection(asyncio.Protocol):
    """Sends one request after the other."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = bytearray()
        self._status = 0
        self._starts = 0
        self._ends = 0
        self._waiting = False
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._send()

    def _send(self) -> None:
        following = self._load.next()
        if following is None or self._transport is None:
            return
        self._waiting = True
        self._sent = time.perf_counter()
        self._transport.write(following)

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer."""
        buffer = self._buffer
        buffer += data
        if not self._ends:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(buffer[:end]).lower()
            _, _, length = head.partition(b"\r\ncontent-length:")
            self._status = int(head[9:12])
            self._starts = end + 4
            self._ends = self._starts + int(length.partition(b"\r\n")[0])
        if len(buffer) < self._ends:
            return
        body = bytes(buffer[self._starts : self._ends])
        del buffer[: self._ends]
        self._ends = 0
        self._waiting = False
        self._load.answer(self._status, body, time.perf_counter() - self._sent)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Without an answer that is waited for, everything ends."""
        if self._waiting:
            self._load.fail(f"the service closed a connection ({type(exc).__name__})")

    def close(self) -> None:
        """Give up the connection."""
        self._waiting = False
        if self._transport is not None:
            self._transport.close()


async def drive(
    url: str,
    requests: Iterator[bytes],
    *,
    connections: int,
    seconds: float | None = None,
    limit_s: float = 1800,
    on_body: Callable[[bytes], None] | None = None,
) -> Run:
    """Send until the requests or the seconds are over, and wait for what is under way.

    `on_body` takes each answer instead of `bodies`. Raises `BenchError` at the first answer that is no success.
    """
    place = urlsplit(url)
    loop = asyncio.get_running_loop()
    load = _Load(requests, seconds, on_body)
    opened: list[_Connection] = []
    try:
        async with asyncio.timeout(limit_s if seconds is None else seconds + _GRACE_S):
            for _ in range(connections):
                _, protocol = await loop.create_connection(
                    lambda: _Connection(load), place.hostname or "", place.port or 80
                )
                opened.append(protocol)
            await load.done
    except TimeoutError:
        raise BenchError("the service did not answer in time") from None
    finally:
        if load.done.done():
            load.done.exception()
        for connection in opened:
            connection.close()
    return load.run


def outcomes(bodies: list[bytes]) -> "Counter[str]":
    """How many items had which outcome, in answers to batches or single reports."""
    counted: Counter[str] = Counter()
    for body in bodies:
        answer = orjson.loads(body)
        counted.update(item["outcome"] for item in answer.get("items", (answer,)))
    return counted


def credited(counted: "Counter[str]") -> int:
    """How many were credited, in full or up to a cap."""
    return counted["credited"] + counted["capped"]
