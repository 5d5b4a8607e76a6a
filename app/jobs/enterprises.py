"""The jobs of enterprises' emissions and budgets: statements of closed months, and warnings."""

import datetime
import time
from typing import TYPE_CHECKING

from accounts.emissions import stating
from accounts.energy_budgets import repository, service
from accounts.ids import public_id
from app.webhooks.enterprises import Told, tell_enterprises
from app.webhooks.events import BUDGET_WARNED
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from uuid import UUID

    from accounts.energy_budgets.service import Standing
    from app.database import Database

SLICE = 10
"""Enterprises of one transaction."""
BUDGET_S = 20
"""How long one run works; its lease waits meanwhile, and is lost after a minute. The next run goes on."""


async def keep_statements(database: "Database", now: datetime.datetime) -> None:
    """State every enterprise that was not stated today, or since a factor was put in force."""
    until = time.monotonic() + BUDGET_S
    while time.monotonic() < until:
        async with database.driver_transaction() as driver:
            if not await stating.state_due(driver, now, SLICE):
                return


async def warn_of_budgets(database: "Database", now: datetime.datetime) -> None:
    """Look at the quotas of today, enterprise by enterprise, and keep the warnings that they call for."""
    today = now.astimezone(LOCAL).date()
    after: UUID | None = None
    while True:
        async with database.driver_transaction() as driver:
            found = await repository.holders_with_quotas(driver, today, after, SLICE)
            for holder_id in found:
                made = await service.warn(driver, holder_id, now)
                told = [_told(holder_id, standing, kind) for standing, kind in made]
                await tell_enterprises(driver, told, now)
        if len(found) < SLICE:
            return
        after = found[-1]


def _told(holder_id: "UUID", standing: "Standing", kind: str) -> Told:
    quota = standing.quota
    quota_id = public_id("quo", quota["id"])
    return Told(
        holder_id,
        BUDGET_WARNED,
        quota_id,
        {
            "quota_id": quota_id,
            "kind": kind,
            "measure": quota["measure"],
            "unit": service.unit_of(quota["measure"]),
            "first_day": quota["first_day"].isoformat(),
            "last_day": quota["last_day"].isoformat(),
            "amount": quota["amount"],
            "used": standing.used,
            "expected": standing.expected,
        },
    )
