"""The job that issues the statements of months that are over, also of months that were missed."""

import datetime
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import text

from app.database import driver_of
from app.settling import office
from points import settlement_errors as errors
from points import settlement_repository as repository
from points import settlements
from points.settlement_states import month_start

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.database import Database
    from points.settlement_repository import Account

log = structlog.get_logger(__name__)
FOR_S = 30.0
"""A run looks no longer for more to do: what is left is for the next one."""
MOST_MONTHS = 120


class StatementsFailed(RuntimeError):
    """So many statements could not be issued; they are tried again with the next run."""


async def settle_months(
    database: "Database",
    lease: "AsyncSession",
    now: datetime.datetime,
    *,
    elapsed_s: Callable[[], float] = time.monotonic,
) -> int:
    """Issue what is due of every merchant, a transaction each; answers how many statements there are more.

    One that fails does not keep the others from theirs; raises `StatementsFailed` after them.
    """
    month = month_start(now)
    began = elapsed_s()
    async with database.driver_transaction() as driver:
        accounts = await repository.accounts_to_look_at(driver, month)
    issued = failed = 0
    for account in accounts:
        if elapsed_s() - began > FOR_S:
            break
        try:
            issued += await _settle(database, account, month, now)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other merchants get their statements
            failed += 1
            log.warning("statement not issued", region=account.region, error=type(error).__name__)
        # The server ends a transaction that is idle for a minute, and the lease with it.
        await lease.exec(text("SELECT 1"))  # type: ignore[call-overload]
    if failed:
        raise StatementsFailed(failed)
    return issued


async def _settle(
    database: "Database", account: "Account", month: datetime.datetime, now: datetime.datetime
) -> int:
    """All months of one account, the oldest first."""
    actor = office.Actor(office.ITSELF, now, "")
    for done in range(MOST_MONTHS):
        async with database.transaction() as session:
            driver = await driver_of(session)
            locked = await repository.lock_account(driver, account)
            ends_at = await settlements.next_monthly(driver, locked, month)
            if ends_at is None:
                await repository.mark_looked(driver, locked, month)
                return done
            try:
                await office.issue(session, locked, ends_at, actor)
            except errors.AlreadyIssued:
                return done
    return MOST_MONTHS
