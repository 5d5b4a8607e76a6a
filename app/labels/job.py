"""The job of the yearly runs, slice by slice, each in a transaction of its own."""

import datetime
import time
from typing import TYPE_CHECKING

from sqlalchemy import text

from accounts.labels.run_repository import open_runs
from app.labels import runs
from app.labels.facts import Emitted

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from accounts.labels.rules import LabelTexts
    from app.database import Database

FOR_S = 20.0
"""A run of the job looks no longer for more to do: what is left is for the next one."""


async def label_enterprises(
    database: "Database", lease: "AsyncSession", texts: "LabelTexts", emitted: Emitted, now: datetime.datetime
) -> None:
    """Begin what is due, and go on with what is begun."""
    until = time.monotonic() + FOR_S
    async with database.driver_transaction() as driver:
        await runs.begin_due(driver, texts, now)
        todo = await open_runs(driver)
    for run_id in todo:
        more = True
        while more and time.monotonic() < until:
            async with database.driver_transaction() as driver:
                more = await runs.step(driver, run_id, texts, emitted, now)
            # The server ends a transaction that is idle for a minute, and the lease with it.
            await lease.exec(text("SELECT 1"))  # type: ignore[call-overload]
