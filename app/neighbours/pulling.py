"""Fetching a neighbour's export, page by page: each with its place in one transaction: nothing is double or lost."""

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from accounts.ids import uuid7
from app import metrics
from app.neighbours import repository
from app.neighbours.errors import Unreachable
from app.neighbours.pages import MAX_ROWS, Ask
from dedup.periods import LOCAL
from dedup.writes import Writes

if TYPE_CHECKING:
    from uuid import UUID

    from app.database import Database
    from app.neighbours.directory import Directory
    from app.neighbours.models import Neighbour

log = structlog.get_logger(__name__)
DAYS: Final = 400
"""How far back claims are exchanged: a year's calendar claims, and what is reported late."""
FIRST_PAGE: Final = (0, None)


@dataclass(frozen=True, slots=True)
class Pulled:
    """What came of a neighbour. `whole` tells that all is here that it had when it was asked."""

    pages: int
    claims: int
    whole: bool


class Puller:
    """Fetches, checks and keeps. Two that do so at once disturb each other and lose nothing."""

    def __init__(
        self,
        database: "Database",
        directory: "Directory",
        clock: Callable[[], datetime.datetime],
        page_rows: int = MAX_ROWS,
    ) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self._page_rows = page_rows

    async def pull(self, neighbour_id: "UUID", budget_s: float) -> Pulled:
        """Fetch what is new, for about so long. Raises `Unreachable`, which is kept with the neighbour."""
        until = time.monotonic() + budget_s
        pages = claims = 0
        while True:
            async with self._database.reading() as session:
                neighbour = await repository.neighbour(session, neighbour_id)
            if neighbour is None or neighbour.disabled_at is not None:
                return Pulled(pages, claims, whole=False)
            try:
                count, whole = await self._page(neighbour)
            except Unreachable as away:
                metrics.NEIGHBOUR_PULLS.labels("failed").inc()
                async with self._database.driver_transaction() as driver:
                    await repository.write_error(driver, neighbour_id, f"{type(away).__name__}: {away}")
                raise
            metrics.NEIGHBOUR_PULLS.labels("page").inc()
            pages, claims = pages + 1, claims + count
            if whole or time.monotonic() >= until:
                return Pulled(pages, claims, whole)

    async def _page(self, neighbour: "Neighbour") -> tuple[int, bool]:
        today = self._clock().astimezone(LOCAL).date()
        ask = Ask(
            today - datetime.timedelta(days=DAYS),
            today + datetime.timedelta(days=1),
            neighbour.since,
            neighbour.position,
            self._page_rows,
        )
        place = (neighbour.since, neighbour.position)
        page, signature = await self._directory.door(neighbour).page(ask)
        following = (neighbour.since, page.following) if page.following else (page.until, None)
        if page.until < neighbour.since:
            # The neighbour's database was restored: its transactions count anew, and all is asked for again.
            following = FIRST_PAGE
        now = self._clock()
        async with self._database.driver_transaction() as driver:
            if not await repository.advance(driver, neighbour.id, place, following, now):
                return 0, False  # another process went on from here
            writes = Writes()
            if page.claims:
                repository.write_claims(writes, neighbour.id, page.claims)
                repository.write_page(writes, uuid7(now), neighbour.id, len(page.claims), signature, now)
            await writes.execute(driver)
        return len(page.claims), page.following is None and following != FIRST_PAGE
