"""Daily quotas of organisations: taken before the work, in a transaction of its own, and never given back."""

import asyncio
import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from app import metrics
from app.crediting.errors import StorageUnavailable
from app.groups import AWAY, transact
from app.quotas import repository
from app.quotas.errors import QuotaExhausted
from app.quotas.models import ALL_TOGETHER, QuotaKind
from dedup.periods import DAY_S, LOCAL

if TYPE_CHECKING:
    from app.database import Database


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one organisation may use on a local day, and all together where that is limited too."""

    each: int
    together: int | None = None


class Quotas:
    """Where the database is away nothing is granted: `StorageUnavailable`."""

    def __init__(
        self,
        database: "Database",
        allowances: Mapping[QuotaKind, Allowance],
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self._database = database
        self._allowances = allowances
        self._clock = clock

    async def take(self, kind: QuotaKind, organisation_id: UUID, amount: int) -> None:
        """Take an amount of the day's quota, or else of a grant; `QuotaExhausted` where neither has enough.

        Committed when it returns: what is done afterwards is counted, whatever becomes of it.
        """
        if amount < 1:
            return
        now = self._clock()

        async def work(driver: asyncpg.Connection) -> bool:
            return await self._take(driver, kind, organisation_id, amount, now)

        task = asyncio.create_task(transact(self._database.chain(), work))
        try:
            taken = await asyncio.shield(task)
        except AWAY as away:
            raise StorageUnavailable from away
        if not taken:
            metrics.QUOTAS_EXHAUSTED.labels(kind).inc()
            raise QuotaExhausted(retry_after_s=_until_tomorrow_s(now))

    async def _take(
        self,
        driver: asyncpg.Connection,
        kind: QuotaKind,
        organisation_id: UUID,
        amount: int,
        now: datetime.datetime,
    ) -> bool:
        savepoint = driver.transaction()
        await savepoint.start()
        if await self._take_of_day(driver, kind, organisation_id, amount, now.astimezone(LOCAL).date()):
            await savepoint.commit()
            return True
        await savepoint.rollback()
        return await repository.take_of_grants(driver, organisation_id, kind, amount, now)

    async def _take_of_day(
        self,
        driver: asyncpg.Connection,
        kind: QuotaKind,
        organisation_id: UUID,
        amount: int,
        day: datetime.date,
    ) -> bool:
        """Of the organisation first: its own row keeps its crowd from the row that all share."""
        allowance = self._allowances[kind]
        taken = await repository.take_of_day(driver, organisation_id, kind, day, amount, allowance.each)
        if not taken or allowance.together is None:
            return taken
        return await repository.take_of_day(driver, ALL_TOGETHER, kind, day, amount, allowance.together)


def _until_tomorrow_s(now: datetime.datetime) -> int:
    local = now.astimezone(LOCAL)
    return DAY_S - (local.hour * 3600 + local.minute * 60 + local.second)
