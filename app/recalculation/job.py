"""The job that makes previews and runs recalculations, slice by slice, each in a transaction of its own.

A slice locks the recalculation's row and commits what it did together with how far it came: a process that dies
leaves nothing half done, and another goes on where it ended. What is left is found by what activities say of
themselves, so whatever runs twice finds nothing the second time.
"""

import datetime
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlmodel.ext.asyncio.session import AsyncSession

from app.database import driver_of
from app.recalculation import repository
from app.recalculation.decisions import ITSELF, end, write_down
from app.recalculation.figures import Figures
from app.recalculation.models import Recalculation, State
from app.recalculation.repository import Wanted
from app.recalculation.slices import Slice, plan_slice, write_slice
from app.versions import repository as revisions
from app.versions.corrections import is_waiting
from app.versions.drafts import Actor
from methodologies import rebuild

if TYPE_CHECKING:
    from app.crediting.prepare import Preparer
    from app.crediting.rules import Rule, Rules
    from app.database import Database
    from app.versions.live import LiveMethodologies

BUDGET_S = 20
"""How long one run of the job works; its lease waits meanwhile, and is lost after a minute."""


class Recalculator:
    """Works at the recalculations of the database, with the rules of this process."""

    def __init__(
        self,
        database: "Database",
        preparer: "Preparer",
        live: "LiveMethodologies",
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self._database = database
        self._preparer = preparer
        self._live = live
        self._clock = clock

    async def work(self) -> None:
        """Work at what is to be done for a while."""
        until = time.monotonic() + BUDGET_S
        while await self.step() and time.monotonic() < until:
            pass

    async def step(self) -> bool:
        """Do one slice; False where nothing is to be done, or others do it."""
        async with self._database.transaction() as session:
            now = self._clock()
            found = await repository.take_next(session, now)
            if found is None:
                return False
            if found.state == State.PREVIEWING:
                await self._preview(session, found, now)
                return True
            return await self._run(session, found, now)

    async def _preview(self, session: AsyncSession, found: Recalculation, now: datetime.datetime) -> None:
        revision = await revisions.find(session, found.revision_id)
        actor = Actor(ITSELF, now, "")
        if revision is None or revision.content_hash != found.content_hash or not is_waiting(revision, now):
            await end(session, actor, found, State.CANCELLED, "the version was changed")
            return
        rules = self._preparer.rules_at(now)
        # 0 is no text's id: this one may not be known to the ledger yet, and is decided on below.
        rule = rules.rule_of(rebuild(revision.content), 0)
        planned = await plan_slice(
            await driver_of(session), rules, rule, _wanted(found, rule), found.cursor, now, lock=False
        )
        figures = _added(found.preview, planned)
        found.preview, found.cursor = figures.model_dump(), planned.through
        if planned.through is None:
            found.state, found.previewed_at = State.PREVIEWED, now
            await write_down(session, actor, "recalculation.previewed", found, "", None)
        else:
            session.add(found)

    async def _run(self, session: AsyncSession, found: Recalculation, now: datetime.datetime) -> bool:
        rule = await self._rule(found, now)
        if rule is None:
            return False
        rules = self._preparer.rules_at(now)
        driver = await driver_of(session)
        planned = await plan_slice(driver, rules, rule, _wanted(found, rule), found.cursor, now, lock=True)
        await write_slice(driver, found.id, rule, planned, now)
        found.state = State.RUNNING
        found.changed_in_pass += len(planned.changes)
        figures = _added(found.totals, planned)
        found.cursor = planned.through
        again = planned.through is None and found.changed_in_pass > 0
        if again:
            # What was reported meanwhile, and what could not be done, is looked at once more.
            figures.begin_pass()
            found.changed_in_pass = 0
        found.totals = figures.model_dump()
        if planned.through is None and not again:
            await end(session, Actor(ITSELF, now, ""), found, State.DONE, "")
        else:
            session.add(found)
        return True

    async def _rule(self, found: Recalculation, now: datetime.datetime) -> "Rule | None":
        """The corrected text as this process credits by it; None as long as it does not."""
        for look in (False, True):
            if look:
                await self._live.refresh()
            rules: Rules = self._preparer.rules_at(now)
            text = rules.catalogue.by_hash(found.content_hash)
            if text is not None:
                return rules.rule_of(text, rules.id_of(text))
        return None


def _wanted(found: Recalculation, rule: "Rule") -> Wanted:
    return Wanted(found.region, found.scene, found.first_day, found.last_day, rule.methodology_id)


def _added(figures: dict[str, object], planned: Slice) -> Figures:
    added = Figures.model_validate(figures)
    for plan in planned.plans:
        added.add(plan)
    return added
