"""The meters that an enterprise has, as this process knows them: asked anew after seconds, or for an unknown one."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from uuid import UUID

from accounts.enterprises.carriers import Carrier
from accounts.ids import public_id
from accounts.metering.quarters import first_after, last_before
from accounts.metering.service import KnownMeter

if TYPE_CHECKING:
    from app.database import Database

FRESH_S: Final = 5.0
"""So long may a meter that was removed, or another register, stay unknown to another process."""
ENTERPRISES: Final = 512
"""Whose meters are kept; those that asked last."""
Meters = dict[str, KnownMeter]


class Directory:
    """Number, or `mtr_…`, to meter, for each enterprise."""

    def __init__(self, database: "Database", monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._known: OrderedDict[UUID, tuple[float, Meters]] = OrderedDict()

    async def meters(self, holder_id: UUID) -> Meters:
        """The meters of an enterprise."""
        known = self._known.get(holder_id)
        if known is None or self._monotonic() - known[0] > FRESH_S:
            return await self.anew(holder_id)
        self._known.move_to_end(holder_id)
        return known[1]

    async def anew(self, holder_id: UUID) -> Meters:
        """The same, asked anew."""
        began = self._monotonic()
        async with self._database.statement() as driver:
            rows = await driver.fetch(
                "SELECT id, number, carrier, reading, register_max, installed_at, removed_at FROM meters"
                " WHERE holder_id = $1",
                holder_id,
            )
        meters: Meters = {}
        for row in rows:
            meter = KnownMeter(
                row["id"],
                row["number"],
                Carrier(row["carrier"]).field,
                row["reading"] == "cumulative",
                row["register_max"],
                first_after(row["installed_at"]),
                None if row["removed_at"] is None else last_before(row["removed_at"]),
            )
            meters[meter.number] = meters[public_id("mtr", meter.id)] = meter
        self._known[holder_id] = began, meters
        self._known.move_to_end(holder_id)
        while len(self._known) > ENTERPRISES:
            self._known.popitem(last=False)
        return meters
