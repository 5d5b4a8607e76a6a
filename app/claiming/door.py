"""The door of claims: batches counted, committed a few at a time, tried again where they met."""

import datetime
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from accounts.errors import DomainError
from app.claiming import queries
from app.claiming.errors import ClaimUnprocessable
from app.claiming.prepare import PreparedAct, prepare
from app.claiming.service import Result, claim
from app.crediting.errors import StorageUnavailable
from app.groups import Groups, transact
from app.quotas.models import QuotaKind

if TYPE_CHECKING:
    from app.claiming.schemas import ActInput, ClaimInput
    from app.crediting.prepare import Preparer
    from app.database import Chain, Database
    from app.quotas.service import Quotas
    from dedup.tokens import TokenMaker

RETRIES = 5
Answer = tuple[PreparedAct, Result | DomainError]


class Claims:
    """Claims and answers for platforms."""

    def __init__(
        self,
        database: "Database",
        preparer: "Preparer",
        tokens: "TokenMaker",
        quotas: "Quotas",
        clock: Callable[[], datetime.datetime],
        *,
        committers: int,
        group_max: int,
    ) -> None:
        self._database = database
        self._preparer = preparer
        self._tokens = tokens
        self._quotas = quotas
        self._clock = clock
        self._groups: Groups[PreparedAct, Result] = Groups(
            database, self._attempt, ClaimUnprocessable, committers=committers, group_max=group_max
        )

    async def claim(
        self, organisation_id: UUID, claims: "Sequence[ClaimInput]"
    ) -> list[Result | DomainError]:
        """Answer a batch, in order; where the database refuses an item, that item alone by `ClaimUnprocessable`.

        Raises `QuotaExhausted`, `MethodologiesStale` or `StorageUnavailable` before anything is claimed.
        """
        if not claims:
            return []
        now = self._clock()
        acts = [
            prepare(self._preparer, self._tokens, each, organisation_id, now, each.claim_id)
            for each in claims
        ]
        await self._quotas.take(QuotaKind.CLAIMS, organisation_id, len(acts))
        return await self._groups.submit_batch(acts)

    async def query(
        self, organisation_id: UUID, acts: "Sequence[ActInput]"
    ) -> list[tuple[PreparedAct, tuple[str, UUID] | None, bool]]:
        """(act, reason and owner, whether the owner is the caller's own) for each; raises as `claim` does."""
        if not acts:
            return []
        now = self._clock()
        prepared = [prepare(self._preparer, self._tokens, each, organisation_id, now) for each in acts]
        await self._quotas.take(QuotaKind.QUERIES, organisation_id, len(prepared))
        # Each statement by itself: a month may be archived in between, which the last one would notice.
        async with self._database.driver_transaction() as driver:
            found = await queries.holders_of(driver, prepared, self._preparer.rules.clocks)
            owners = {each[1] for each in found if each is not None}
            platforms = await queries.organisations_of(driver, owners) if owners else {}
        return [
            (act, each, each is not None and platforms.get(each[1]) == organisation_id)
            for act, each in zip(prepared, found, strict=True)
        ]

    async def winners(self, organisation_id: UUID, owners: set[UUID]) -> dict[UUID, dict[str, str]]:
        """Owner → its platform, of those that may be told to this one."""
        if not owners:
            return {}
        async with self._database.snapshot() as driver:
            return await queries.disclosed(driver, organisation_id, owners)

    async def close(self) -> None:
        """Wait for what is being committed."""
        await self._groups.close()

    async def _attempt(self, chain: "Chain", batch: Sequence[PreparedAct]) -> list[Result]:
        async def work(driver: asyncpg.Connection) -> list[Result]:
            clocks = self._preparer.rules.clocks
            return await claim(driver, batch[0].source_id, batch, self._clock(), clocks)

        for _ in range(RETRIES):
            try:
                return await transact(chain, work)
            except asyncpg.UniqueViolationError:
                continue  # the same claim was sent twice at once: now it is known
        raise StorageUnavailable
