"""Emissions as the enterprises' carbon accounts have them now."""

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.emissions.computing import OUTSIDE
from accounts.emissions.service import load_many, report_of
from app.labels.facts import Emission, Emitted

if TYPE_CHECKING:
    import asyncpg


def emitted_at(now: datetime.datetime) -> Emitted:
    """By the readings and the factors that are known at a moment."""

    async def emitted(
        driver: "asyncpg.Connection", holder_ids: Sequence[UUID], since: datetime.date, until: datetime.date
    ) -> Mapping[UUID, Emission]:
        inputs = await load_many(driver, holder_ids, since, until, now)
        found = {}
        for holder_id, each in inputs.items():
            report = report_of(each, since, until)
            known = report.known
            found[holder_id] = Emission(
                report.total_mg,
                known.measured,
                known.estimated,
                known.missing,
                processes=bool(report.processes),
                factors=all(gap.reason == OUTSIDE for gap in report.computed.gaps),
            )
        return found

    return emitted
