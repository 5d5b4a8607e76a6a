"""Collecting a credit that a methodology lets wait: what it claimed stays claimed, what is not collected lapses."""

import datetime
from typing import TYPE_CHECKING

from sqlmodel.ext.asyncio.session import AsyncSession

from accounts import repository as ledger
from accounts.models import HolderStatus
from app.crediting import repository
from app.crediting.errors import Lapsed, NotCollectableYet, NotPending, WithoutConsent
from app.crediting.explanation import methodology_of
from app.crediting.late import book_stored, check_consent, programme_of
from app.crediting.models import Activity, Outcome
from app.crediting.queries import Window, collection_window
from app.database import driver_of
from dedup.writes import Writes

if TYPE_CHECKING:
    from app.crediting.rules import Rules


async def window_of(session: AsyncSession, rules: "Rules", activity: Activity) -> Window | None:
    """When an activity can be collected, if it waits for that."""
    if activity.outcome != Outcome.PENDING:
        return None
    methodology = await methodology_of(session, rules, activity.methodology_id)
    return collection_window(methodology, activity, programme_of(rules, activity))


async def collect(session: AsyncSession, rules: "Rules", activity: Activity, now: datetime.datetime) -> None:
    """Book a pending credit; raises `NotPending`, `NotCollectableYet`, `Lapsed` or `WithoutConsent`."""
    driver = await driver_of(session)
    statuses = await ledger.lock_holders(driver, [activity.holder_id])
    # A recalculation may have changed it while the lock was waited for.
    await session.refresh(activity)
    methodology = await methodology_of(session, rules, activity.methodology_id)
    window = collection_window(methodology, activity, programme_of(rules, activity))
    if window is None:
        raise NotPending
    if now < window[0]:
        raise NotCollectableYet
    if now >= window[1]:
        raise Lapsed
    if statuses.get(activity.holder_id) != HolderStatus.ACTIVE:
        raise WithoutConsent
    await check_consent(driver, rules, methodology, activity)
    full = activity.co2e_mg + activity.aggregated_mg == activity.full_mg
    outcome = Outcome.CREDITED if full else Outcome.CAPPED
    if not await repository.mark_collected(driver, activity.holder_id, activity.id, outcome):
        raise NotPending
    session.expunge(activity)  # its row is written already
    activity.outcome = outcome
    writes = Writes()
    await book_stored(driver, rules, activity, now, writes)
    await writes.execute(driver)
