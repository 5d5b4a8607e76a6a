"""The job that counts deeds and, when a month is settled, takes its snapshots. Each slice commits by itself."""

import datetime as dt
from typing import TYPE_CHECKING

from app.scoring.counting import count_deeds, counted_until
from app.scoring.snapshots import NotCounted, due_on, snapshot_all

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.wiring import Services

BUDGET_S = 20.0
"""How long each half works: the lease waits meanwhile, and is lost after a minute. The next run goes on."""
COUNT_EVERY = dt.timedelta(hours=1)
"""A holder's whole month is counted anew each time, and nobody needs it sooner: the running month is read from the
books."""


async def count_and_score(services: "Services", lease: "AsyncSession", now: dt.datetime) -> None:  # noqa: ARG001
    """Once an hour count what is new; go on with the latest month's snapshots. The lease spares others the look."""
    async with services.database.driver_transaction() as driver:
        until = await counted_until(driver)
    if until is None or now - until >= COUNT_EVERY:
        await count_deeds(services.database, now, budget_s=BUDGET_S)
    cards = services.live.score_cards()
    try:
        await snapshot_all(services.database, cards, due_on(now), services.intake.clock, budget_s=BUDGET_S)
    except NotCounted:
        # Where there is more to count than one run does, the snapshot waits for a later run.
        return
