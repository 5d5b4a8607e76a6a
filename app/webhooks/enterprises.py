"""Events of enterprises, which are holders: told to the organisation whose clients speak for them."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from app.webhooks.outbox import Event, tell_now

if TYPE_CHECKING:
    import asyncpg


@dataclass(frozen=True, slots=True)
class Told:
    """Something that an enterprise may want to hear of."""

    holder_id: UUID
    type: str
    subject: str
    data: Mapping[str, Any]


async def tell_enterprises(
    driver: "asyncpg.Connection", told: Sequence[Told], now: datetime.datetime
) -> None:
    """Write the deliveries in the caller's transaction, where there is anything to tell."""
    if not told:
        return
    rows = await driver.fetch(
        "SELECT holder_id, id FROM organisations WHERE holder_id = ANY($1)",
        list({each.holder_id for each in told}),
    )
    organisations = {row["holder_id"]: row["id"] for row in rows}
    events = [
        Event(organisations[each.holder_id], each.type, each.subject, each.data)
        for each in told
        if each.holder_id in organisations
    ]
    await tell_now(driver, events, now)
