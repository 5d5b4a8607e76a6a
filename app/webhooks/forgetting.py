"""Drops deliveries that nobody can ask for any more."""

import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import lowest_uuid7
from app.database import driver_of
from app.webhooks import repository

KEPT_DELIVERED = datetime.timedelta(days=7)
KEPT_OTHERS = datetime.timedelta(days=30)
"""Dead ones, and those that wait for an endpoint to be enabled again."""
ROUND = 20_000
MOST_ROUNDS = 50
"""The rest is for the next hour: the job's transaction must not grow without end."""


async def drop_deliveries(session: AsyncSession, now: datetime.datetime) -> None:
    """Drop delivered events after 7 days and all others after 30."""
    driver = await driver_of(session)
    delivered, others = lowest_uuid7(now - KEPT_DELIVERED), lowest_uuid7(now - KEPT_OTHERS)
    for _ in range(MOST_ROUNDS):
        if await repository.drop_old(driver, delivered, others, ROUND) < ROUND:
            return
