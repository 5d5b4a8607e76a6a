"""Readings over MQTT, at a real broker: acknowledged when stored, and not before."""

import asyncio
import contextlib
import datetime as dt
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import aiomqtt
import orjson
import pytest_asyncio
from amqtt.broker import Broker as Amqtt
from enterprises.plant import Plant, made_plant
from helpers import City
from prometheus_client import REGISTRY

from accounts.ids import parse_public_id
from accounts.metering import queries
from accounts.metering.quarters import first_of
from app.crediting.errors import StorageUnavailable
from app.metering import mqtt
from app.wiring import Services
from integrations.mqtt.subscriber import Broker, Received, subscribe

LIMIT_S = 20


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Served:
    """A broker that runs."""

    port: int
    broker: Amqtt

    def unacknowledged(self, client_id: str) -> int:
        """How many messages were delivered to a client that it has not acknowledged."""
        session, _ = self.broker._sessions[client_id]
        return int(session.inflight_out_count)


@contextlib.asynccontextmanager
async def broker_on(port: int) -> AsyncIterator[Served]:
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = Amqtt(config)
    await broker.start()
    try:
        yield Served(port, broker)
    finally:
        await broker.shutdown()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served() -> AsyncIterator[Served]:
    async with broker_on(free_port()) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plant(city: City) -> Plant:
    return await made_plant(city, meters=({"number": "E-1", "carrier": "electricity", "flow": "use"},))


async def publish(port: int, *messages: tuple[str, Any]) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        for topic, payload in messages:
            body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
            await client.publish(topic, body, qos=1)


def topic_of(enterprise_id: str) -> str:
    return f"tanpuhui/enterprises/{enterprise_id}/readings"


def reading(place: int, energy_wh: int) -> dict[str, Any]:
    return {
        "meter": "E-1",
        "at": f"2026-03-01T{place // 4:02}:{place % 4 * 15:02}:00+08:00",
        "energy_wh": energy_wh,
    }


async def stored(service: Services, plant: Plant) -> dict[int, int]:
    """Place in the day → amount."""
    meter_id = parse_public_id("mtr", plant.meters["E-1"])
    assert meter_id is not None
    first = first_of(dt.date(2026, 3, 1))
    async with service.database.snapshot() as driver:
        found = await queries.readings(driver, meter_id, first, first + 96, 96)
    return {each.quarter - first: each.value for each in found}


async def until(done: Any) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not await done():  # noqa: ASYNC110 - it is the database that is watched
            await asyncio.sleep(0.02)


async def short_pause(_: float) -> None:
    await asyncio.sleep(0.05)


async def test_readings_are_stored_and_what_cannot_be_read_is_counted(
    service: Services, plant: Plant, served: Served
) -> None:
    def malformed() -> float:
        return REGISTRY.get_sample_value("tanpuhui_mqtt_messages_total", {"result": "malformed"}) or 0

    before = malformed()
    broker = Broker(f"mqtt://127.0.0.1:{served.port}", "one", "tanpuhui/enterprises/+/readings")
    listening = asyncio.create_task(mqtt.listen(broker, service.readings))
    topic = topic_of(plant.enterprise_id)
    try:
        # Until it has subscribed nothing is kept for it.
        async def first() -> bool:
            await publish(served.port, (topic, reading(1, 10)))
            return bool(await stored(service, plant))

        await until(first)
        await publish(
            served.port,
            (topic, b"no json"),
            (topic, b"{}"),
            (topic, b'[{"meter": 1}]'),
            (topic_of("nobody"), reading(5, 1)),
            (topic_of("hld_" + "0" * 32), reading(5, 1)),
            (topic, [reading(2, 20), {"meter": "E-1"}, reading(3, 30)]),
            (topic, reading(2, 20)),
            (topic, reading(3, 33) | {"revision": 2}),
        )

        async def all_there() -> bool:
            return await stored(service, plant) == {0: 10, 1: 20, 2: 33}

        await until(all_there)
    finally:
        listening.cancel()
    assert malformed() - before == 3


async def test_what_is_not_stored_is_not_acknowledged(
    service: Services, plant: Plant, served: Served
) -> None:
    """The database is away at first: the broker keeps what it delivered, until all of it is stored."""
    failures: list[Exception] = []
    ready, back = asyncio.Event(), asyncio.Event()
    wanted = {place - 1: 7 for place in range(20, 23)}

    async def handle(messages: Sequence[Received]) -> None:
        if not back.is_set():
            raise StorageUnavailable
        await mqtt.take(service.readings, messages)

    broker = Broker(f"mqtt://127.0.0.1:{served.port}", "two", "tanpuhui/enterprises/+/readings")
    listening = asyncio.create_task(
        subscribe(broker, handle, failures.append, subscribed=ready.set, sleep=short_pause)
    )
    topic = topic_of(plant.enterprise_id)
    try:
        await asyncio.wait_for(ready.wait(), LIMIT_S)
        publishing = asyncio.create_task(
            publish(served.port, *((topic, reading(place + 1, 7)) for place in wanted))
        )

        async def failed() -> bool:
            return len(failures) >= 2

        await until(failed)
        assert served.unacknowledged("two") >= 1
        assert not wanted.keys() & (await stored(service, plant)).keys()
        back.set()

        async def all_there() -> bool:
            return wanted.items() <= (await stored(service, plant)).items()

        await until(all_there)

        async def acknowledged() -> bool:
            return served.unacknowledged("two") == 0

        await until(acknowledged)
        await publishing
    finally:
        listening.cancel()
    assert {type(each) for each in failures} == {StorageUnavailable}


async def test_it_comes_back_when_the_broker_does(service: Services, plant: Plant) -> None:
    own = free_port()
    failures: list[Exception] = []
    ready = asyncio.Event()

    async def handle(messages: Sequence[Received]) -> None:
        await mqtt.take(service.readings, messages)

    broker = Broker(f"mqtt://127.0.0.1:{own}", "three", "tanpuhui/enterprises/+/readings")
    listening = asyncio.create_task(
        subscribe(broker, handle, failures.append, subscribed=ready.set, sleep=short_pause)
    )
    try:
        for place in (40, 41):
            async with broker_on(own):
                await asyncio.wait_for(ready.wait(), LIMIT_S)
                await publish(own, (topic_of(plant.enterprise_id), reading(place, 9)))

                async def there(place: int = place) -> bool:
                    return (await stored(service, plant)).get(place - 1) == 9

                await until(there)
            ready.clear()
    finally:
        listening.cancel()
    assert failures
