"""Emissions as the enterprises' carbon accounts have them now."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.emissions.computing import OUTSIDE
from accounts.emissions.service import emissions_of
from app.labels.facts import Emission, Emitted

if TYPE_CHECKING:
    import asyncpg


def emitted_at(now: datetime.datetime) -> Emitted:
    """By the readings and the factors that are known at a moment."""

    async def emitted(
        driver: "asyncpg.Connection", holder_id: UUID, since: datetime.date, until: datetime.date
    ) -> Emission:
        found = await emissions_of(driver, holder_id, since, until, now)
        known = found.known
        return Emission(
            found.total_mg,
            known.measured,
            known.estimated,
            known.missing,
            processes=bool(found.processes),
            factors=all(gap.reason == OUTSIDE for gap in found.computed.gaps),
        )

    return emitted
