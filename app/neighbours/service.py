"""The exchange with all neighbours: pulled, compared, and reversed where it is agreed; by the job or a command."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from app.neighbours import repository
from app.neighbours.errors import Unreachable
from app.neighbours.pulling import Pulled, Puller
from app.neighbours.reconciling import reconcile, reverse_automatically

if TYPE_CHECKING:
    from app.crediting.rules import Rules
    from app.database import Database
    from app.neighbours.asking import Elsewhere
    from app.neighbours.directory import Directory
    from app.neighbours.federation import Federation
    from app.neighbours.ledger import Ledger

log = structlog.get_logger(__name__)
BUDGET_S = 20.0
"""How long one run of the job works; its lease waits meanwhile. The next run goes on."""


@dataclass(frozen=True)
class Settled:
    """What one exchange with a neighbour came to."""

    pulled: Pulled
    doubles: int
    reversed: int


@dataclass(slots=True)
class Neighbours:
    """What a process needs for its neighbours; the last three are None without a federation."""

    database: "Database"
    directory: "Directory"
    puller: Puller
    clock: Callable[[], datetime.datetime]
    rules: "Callable[[], Rules]"
    federation: "Federation | None" = None
    ledger: "Ledger | None" = None
    elsewhere: "Elsewhere | None" = None

    async def exchange(self, neighbour_id: UUID, budget_s: float = BUDGET_S) -> Settled:
        """Pull, compare and reverse. Raises `Unreachable`."""
        pulled = await self.puller.pull(neighbour_id, budget_s)
        rules = self.rules()
        doubles = await reconcile(self.database, rules.agreements, neighbour_id, self.clock())
        undone = await reverse_automatically(self.database, rules, neighbour_id, self.clock(), budget_s)
        return Settled(pulled, doubles, undone)

    async def exchange_all(self) -> None:
        """With every neighbour; one that is away keeps no other waiting. Raises the last failure at the end."""
        async with self.database.reading() as session:
            known = await repository.neighbours(session)
        failed: Unreachable | None = None
        for each in known:
            try:
                await self.exchange(each.id, BUDGET_S / len(known))
            except Unreachable as away:
                log.warning("neighbour away", neighbour=each.name, reason=str(away))
                failed = away
                # What came before is compared all the same.
                await reconcile(self.database, self.rules().agreements, each.id, self.clock())
        if failed is not None:
            raise failed
