"""A subscriber that acknowledges a message when it is dealt with, and comes back after each failure.

aiomqtt acknowledges as it receives; here paho, which it stands on, leaves that to us. The session is persistent, so
the broker keeps what comes while nobody is connected, and delivers again what was not acknowledged.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import aiomqtt

MOST_AT_ONCE: Final = 1_000
"""Messages that are dealt with together: those that have come meanwhile."""
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 30.0
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
QOS: Final = 1


class Received(NamedTuple):
    """A message."""

    topic: str
    payload: bytes


@dataclass(frozen=True)
class Broker:
    """Where messages come from, and as whom they are asked for; `mqtts://` is checked against `ca_file`, if given."""

    url: str
    client_id: str
    topic: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None


class _Client(aiomqtt.Client):
    """Acknowledges by hand."""

    def acknowledge_by_hand(self) -> None:
        self._client.manual_ack_set(on=True)

    def acknowledge(self, message: aiomqtt.Message) -> None:
        self._client.ack(message.mid, message.qos)

    def waiting(self) -> list[aiomqtt.Message]:
        """What has come meanwhile, without waiting."""
        found: list[aiomqtt.Message] = []
        while not self._queue.empty() and len(found) < MOST_AT_ONCE - 1:
            found.append(self._queue.get_nowait())
        return found


Handle = Callable[[Sequence[Received]], Awaitable[None]]
"""Deals with messages for good; where it raises, it gets them again."""
Failed = Callable[[Exception], None]


async def subscribe(
    broker: Broker,
    handle: Handle,
    failed: Failed,
    *,
    subscribed: Callable[[], None] = lambda: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Hand over messages until it is cancelled; tries again after each failure, of which `failed` is told.

    What could not be dealt with stays unacknowledged meanwhile, and the connection up; where that is lost, or the
    process ends, the broker delivers again.
    """
    wait_s = _FIRST_WAIT_S
    while True:
        try:
            async with _client_of(broker) as client:
                client.acknowledge_by_hand()
                await client.subscribe(broker.topic, qos=QOS)
                subscribed()
                async for message in client.messages:
                    batch = [message, *client.waiting()]
                    wait_s = _FIRST_WAIT_S
                    await _deal_with(batch, handle, failed, sleep)
                    for each in batch:
                        client.acknowledge(each)
        except Exception as error:  # noqa: BLE001 - whatever it was: what was not acknowledged comes again
            failed(error)
        await sleep(wait_s)
        wait_s = min(wait_s * 2, _LONGEST_WAIT_S)


async def _deal_with(
    batch: Sequence[aiomqtt.Message],
    handle: Handle,
    failed: Failed,
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    messages = [Received(str(each.topic), bytes(each.payload)) for each in batch]
    wait_s = _FIRST_WAIT_S
    while True:
        try:
            await handle(messages)
        except Exception as error:  # noqa: BLE001 - what is not stored is not acknowledged, whatever it was
            failed(error)
        else:
            return
        await sleep(wait_s)
        wait_s = min(wait_s * 2, _LONGEST_WAIT_S)


def _client_of(broker: Broker) -> _Client:
    address = urlsplit(broker.url)
    context: ssl.SSLContext | None = None
    if address.scheme == "mqtts":
        context = ssl.create_default_context(cafile=broker.ca_file)
    return _Client(
        address.hostname or "",
        address.port or _PORTS[address.scheme],
        username=broker.username,
        password=broker.password,
        identifier=broker.client_id,
        clean_session=False,
        tls_context=context,
    )
