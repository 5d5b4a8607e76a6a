"""Readings over MQTT: `…/{enterprise_id}/readings` carries a reading or an array of them, as the door of batches."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from accounts.ids import parse_public_id
from accounts.metering.marks import Outcome
from accounts.metering.schemas import ReadingInput
from app import metrics
from app.api.batches import Items
from app.problems import RequestError
from integrations.mqtt.subscriber import Broker, Received, subscribe

if TYPE_CHECKING:
    from app.metering.door import Readings
    from app.settings import Settings

log = structlog.get_logger(__name__)
MOST: Final = 10_000
BY: Final = "mqtt"
"""Who sent a reading that replaces another."""
_ITEMS = Items(ReadingInput, "meter")
_PARTS: Final = 2


def broker_of(settings: "Settings") -> Broker | None:
    """The broker of the settings, where there is one."""
    if settings.mqtt_url is None:
        return None
    password = settings.mqtt_password
    return Broker(
        settings.mqtt_url,
        settings.mqtt_client_id,
        settings.mqtt_topic,
        settings.mqtt_username,
        None if password is None else password.get_secret_value(),
        settings.mqtt_ca_file,
    )


async def listen(broker: Broker, readings: "Readings") -> None:
    """Take readings in from a broker until it is cancelled; a message is acknowledged when its readings are stored."""

    async def handle(messages: Sequence[Received]) -> None:
        await take(readings, messages)

    def failed(error: Exception) -> None:
        metrics.MQTT_CONNECTIONS_LOST.inc()
        log.warning("no messages over MQTT", error=type(error).__name__)

    await subscribe(broker, handle, failed)


async def take(readings: "Readings", messages: Sequence[Received]) -> None:
    """Take the readings of messages in, those of an enterprise together; what cannot be read is counted, and dropped.

    Raises `StorageUnavailable` where nothing, or not all, is stored: the same messages again are known.
    """
    of_enterprises: dict[UUID, list[ReadingInput]] = {}
    for message in messages:
        holder_id = _enterprise(message.topic)
        items = None if holder_id is None else _read(message.payload)
        if holder_id is None or items is None:
            metrics.MQTT_MESSAGES.labels("malformed").inc()
            continue
        metrics.MQTT_MESSAGES.labels("read").inc()
        good = [item for item in items if isinstance(item, ReadingInput)]
        if bad := len(items) - len(good):
            metrics.READINGS.labels(Outcome.REFUSED.value).inc(bad)
        of_enterprises.setdefault(holder_id, []).extend(good)
    for holder_id, items in of_enterprises.items():
        for start in range(0, len(items), MOST):
            await readings.take(holder_id, BY, items[start : start + MOST])


def _enterprise(topic: str) -> UUID | None:
    parts = topic.split("/")
    if len(parts) < _PARTS or parts[-1] != "readings":
        return None
    return parse_public_id("hld", parts[-2])


def _read(payload: bytes) -> Sequence[object] | None:
    if payload.lstrip().startswith(b"{"):
        item = _ITEMS.item(payload, 0)
        return [item] if isinstance(item, ReadingInput) else None
    try:
        return _ITEMS.array(payload, MOST)
    except RequestError:
        return None
