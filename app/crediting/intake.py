"""The door of the crediting: batches at once, single reports committed together (group commit).

A few committers share all work: batches of a thousand out of a million holders share one holder on average, so
many committers would mostly wait for each other.
"""

import asyncio
import datetime
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from accounts import repository as ledger
from accounts.errors import DomainError
from app.crediting.errors import StorageUnavailable, Unprocessable
from app.crediting.service import Result, credit
from app.groups import Groups, transact

if TYPE_CHECKING:
    import asyncpg

    from app.crediting.prepare import Prepared, Preparer
    from app.database import Chain, Database
    from app.neighbours.asking import Elsewhere


class Intake:
    """Commits reports; every caller gets the outcome of its own."""

    def __init__(
        self,
        database: "Database",
        preparer: "Preparer",
        clock: Callable[[], datetime.datetime],
        *,
        committers: int,
        group_max: int,
        elsewhere: "Elsewhere | None" = None,
    ) -> None:
        self.preparer = preparer
        self.clock = clock
        self._database = database
        self._elsewhere = elsewhere
        self._locking = asyncio.Lock()
        self._groups: Groups[Prepared, Result] = Groups(
            database, self._attempt, Unprocessable, committers=committers, group_max=group_max
        )
        self.committing = self._groups.committing

    async def report(self, prepared: "Prepared") -> Result:
        """Commit one report together with those that wait at the same time.

        Raises `Unprocessable` where the database refuses this very report, `StorageUnavailable` where it is away.
        """
        if self._elsewhere is not None:
            await self._elsewhere.look([prepared])
        return await self._groups.submit(prepared)

    async def report_batch(self, batch: Sequence["Prepared"]) -> list[Result | DomainError]:
        """Commit a batch as a whole, but for reports of busy holders, which follow in a transaction of their own.

        Where the database refuses an item, that item alone is answered by `Unprocessable`.
        """
        if self._elsewhere is not None:
            await self._elsewhere.look(batch)
        return await self._groups.submit_batch(batch)

    async def close(self) -> None:
        """Wait for what is being committed."""
        await self._groups.close()

    async def _attempt(self, chain: "Chain", batch: Sequence["Prepared"]) -> list[Result]:
        rules = self.preparer.rules
        wanted = {key for p in batch if p.rule is not None for key in (p.asset_key, p.points_key)}
        if missing := rules.missing_assets(wanted):
            async with self._database.driver_transaction() as driver:
                known = await ledger.know_assets(driver, sorted(missing))
            rules.learn_assets(known)
        answers = await self._transact(chain, batch, self._locking)
        busy = [index for index, answer in enumerate(answers) if answer is None]
        if busy:
            waited = await self._transact(chain, [batch[index] for index in busy], None)
            for index, answer in zip(busy, waited, strict=True):
                answers[index] = answer
        if any(answer is None for answer in answers):
            raise StorageUnavailable
        return [answer for answer in answers if answer is not None]

    async def _transact(
        self, chain: "Chain", batch: Sequence["Prepared"], locking: asyncio.Lock | None
    ) -> list[Result | None]:
        async def work(driver: "asyncpg.Connection") -> list[Result | None]:
            return await credit(driver, self.preparer, batch, self.clock(), locking)

        return await transact(chain, work)
