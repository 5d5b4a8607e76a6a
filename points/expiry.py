"""Points that are over: what is left in a lot moves to breakage, lot by lot, each by an entry of its own.

What is due is what lots say of themselves, so that it does not matter who runs when: a second run, another machine
at the same time, or a run a week late books the same.
"""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import lowest_uuid7
from accounts.models import AccountKind, EntryKind
from accounts.postings import Posting, post
from accounts.repository import lock_holders
from dedup.periods import LOCAL
from dedup.writes import Writes
from points import repository

if TYPE_CHECKING:
    import asyncpg


def cause_of(expires_on: datetime.date) -> UUID:
    """What an expiry is booked for: the day, as the lowest id of its first moment. The same for every run."""
    return lowest_uuid7(datetime.datetime.combine(expires_on, datetime.time(), LOCAL))


async def expire_some(driver: "asyncpg.Connection", now: datetime.datetime, limit: int) -> bool:
    """Sweep lots of a few holders, those that expired first; False where nothing is due.

    `limit` bounds the lots that are looked for; all that is due of their holders is swept.
    """
    today = now.astimezone(LOCAL).date()
    holders = await repository.due_holders(driver, today, limit)
    if not holders:
        return False
    await lock_holders(driver, holders)
    # Under the locks: another run may have swept them, a spender may have taken the last of it before.
    expired = await repository.sweep(driver, holders, today)
    writes = Writes()
    post(
        writes,
        [
            Posting(
                holder_id=holder_id,
                cause_id=cause_of(part.expires_on),
                asset_id=part.asset_id,
                kind=EntryKind.EXPIRY,
                debit=AccountKind.HOLDER_POINTS,
                credit=AccountKind.BREAKAGE,
                amount=part.points,
            )
            for holder_id, part in expired
        ],
        now,
    )
    await writes.execute(driver)
    return True
