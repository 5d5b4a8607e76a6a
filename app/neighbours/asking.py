"""Asking neighbours before an act is credited: outside of any transaction, for a bounded time, and never in vain twice.

What is not answered in time is credited, marked, and found by the reconciliation.
"""

import asyncio
import datetime
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from accounts.ids import epoch_ms
from app import metrics
from app.groups import AWAY
from app.neighbours import repository
from app.neighbours.errors import Unreachable
from app.neighbours.repository import UNKNOWN
from dedup.exchange import Exchanged, is_double, own_keeps
from dedup.periods import day_of

if TYPE_CHECKING:
    from app.crediting.prepare import Prepared, Preparer
    from app.database import Database
    from app.neighbours.agreements import Terms
    from app.neighbours.client import Door
    from app.neighbours.directory import Directory
    from app.neighbours.ledger import Ledger

log = structlog.get_logger(__name__)
MAX_DIGESTS: Final = 5_000
FAILURES: Final = 3
"""After so many in a row a neighbour is left alone."""
PAUSE_S: Final = 30.0
"""For so long; then one question is let through."""
LAST: Final = UUID(int=(1 << 128) - 1)
"""Stands for an act that has no id yet: of two that arrive at once, the neighbour's is the first."""

Asked = tuple[datetime.date, UUID]


class Line:
    """One request at a time to a neighbour; what is asked meanwhile goes with the next."""

    def __init__(self, door: "Door", timeout_s: float) -> None:
        self._door = door
        self._timeout_s = timeout_s
        self._waiting: list[tuple[Sequence[Asked], asyncio.Future[list[Exchanged] | None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self._again_at = 0.0

    @property
    def open(self) -> bool:
        """Whether the neighbour is left alone for now: it is not even tried."""
        return self._failures >= FAILURES and asyncio.get_running_loop().time() < self._again_at

    async def ask(self, digests: Sequence[Asked]) -> list[Exchanged] | None:
        """What the neighbour holds of these; None where it did not tell in time."""
        if self.open:
            return None
        future: asyncio.Future[list[Exchanged] | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((digests, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            found: list[Exchanged] | None = None
            try:
                found = await self._asked(sorted({each for digests, _ in group for each in digests}))
            finally:
                for _, future in group:
                    if not future.done():
                        future.set_result(found)

    async def _asked(self, digests: Sequence[Asked]) -> list[Exchanged] | None:
        found: list[Exchanged] = []
        for start in range(0, len(digests), MAX_DIGESTS):
            if self.open:
                return None
            try:
                async with asyncio.timeout(self._timeout_s):
                    found += await self._door.claims(digests[start : start + MAX_DIGESTS])
            except (Unreachable, TimeoutError) as away:
                self._failures += 1
                self._again_at = asyncio.get_running_loop().time() + PAUSE_S
                log.warning("neighbour not asked", reason=type(away).__name__, failures=self._failures)
                return None
            self._failures = 0
        return found


class Elsewhere:
    """Tells of acts whether a neighbour holds them, where an agreement has it asked."""

    def __init__(
        self,
        database: "Database",
        preparer: "Preparer",
        ledger: "Ledger",
        directory: "Directory",
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self._database = database
        self._preparer = preparer
        self._ledger = ledger
        self._directory = directory
        self._clock = clock

    async def look(self, batch: "Sequence[Prepared]") -> None:
        """Set `elsewhere` of the acts of a batch."""
        agreements = self._preparer.rules.agreements
        if not agreements:
            return
        wanted: list[tuple[Prepared, list[Terms]]] = []
        for prepared in batch:
            if prepared.refusal is None and prepared.rule is not None and prepared.identity_token is not None:
                terms = agreements.of(prepared.region, day_of(prepared.started_s)).values()
                if asked := [each for each in terms if each.asks_first]:
                    wanted.append((prepared, asked))
        if wanted:
            await self._look(wanted)

    async def _look(self, wanted: "list[tuple[Prepared, list[Terms]]]") -> None:
        tokens = list({p.identity_token for p, _ in wanted if p.identity_token is not None})
        try:
            async with self._database.statement() as driver:
                people = await repository.people_by_identity(driver, tokens)
        except AWAY:
            return  # the crediting will say so
        now_ms = epoch_ms(self._clock())
        acts = [
            (
                prepared,
                terms,
                self._ledger.claims(
                    self._preparer,
                    prepared,
                    people.get(prepared.identity_token or LAST, UNKNOWN),
                    LAST,
                    now_ms,
                ),
            )
            for prepared, terms in wanted
            if prepared.identity_token in people
        ]
        questions: dict[UUID, set[Asked]] = {}
        for _, terms, claims in acts:
            for each in terms:
                questions.setdefault(each.organisation_id, set()).update((c.day, c.digest) for c in claims)
        answers = await self._ask({who: asked for who, asked in questions.items() if asked})
        for prepared, terms, claims in acts:
            if claims:
                prepared.elsewhere = _told(terms, claims, answers)
                result = {True: "claimed", False: "free", None: "unknown"}[prepared.elsewhere]
                metrics.NEIGHBOUR_CHECKS.labels(result).inc()

    async def _ask(
        self, questions: dict[UUID, set[Asked]]
    ) -> dict[UUID, dict[Asked, list[Exchanged]] | None]:
        lines = await self._directory.lines()
        whom = list(questions)
        found = await asyncio.gather(*(_asked(lines.get(each), list(questions[each])) for each in whom))
        return dict(zip(whom, found, strict=True))


async def _asked(line: Line | None, digests: Sequence[Asked]) -> dict[Asked, list[Exchanged]] | None:
    rows = None if line is None else await line.ask(digests)
    if rows is None:
        return None
    held: dict[Asked, list[Exchanged]] = {}
    for row in rows:
        held.setdefault((row.day, row.digest), []).append(row)
    return held


def _told(
    terms: "Sequence[Terms]",
    claims: Sequence[Exchanged],
    answers: dict[UUID, dict[Asked, list[Exchanged]] | None],
) -> bool | None:
    """Whether a neighbour's claim that counts here, and goes first, excludes the act; None where one did not tell."""
    unknown = False
    for each in terms:
        held = answers.get(each.organisation_id)
        if held is None:
            unknown = True
            continue
        for own in claims:
            for other in held.get((own.day, own.digest), ()):
                if (
                    each.recognised(other.scene)
                    and is_double(own, other)
                    and not own_keeps(own, other, each.precedence)
                ):
                    return True
    return None if unknown else False
