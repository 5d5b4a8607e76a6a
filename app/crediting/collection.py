"""Collecting a credit that a methodology lets wait: what it claimed stays claimed, what is not collected lapses."""

import datetime
from typing import TYPE_CHECKING

from sqlmodel.ext.asyncio.session import AsyncSession

from accounts import repository as ledger
from accounts.ids import epoch_ms, uuid7_batch
from accounts.models import AssetKind, HolderStatus
from app.crediting import repository
from app.crediting.bookings import Bookings, add_credit
from app.crediting.campaigns import Act, award, book_awards, write_awards
from app.crediting.errors import Lapsed, NotCollectableYet, NotPending, WithoutConsent
from app.crediting.explanation import methodology_of
from app.crediting.models import Activity, Outcome
from app.crediting.prepare import EPOCH, SECOND
from app.crediting.queries import Window, collection_window
from app.crediting.service import write_credits
from app.database import driver_of
from app.webhooks.events import ACTIVITY_CREDITED
from app.webhooks.outbox import activity_event, tell
from dedup.periods import LOCAL, day_of
from dedup.writes import Writes
from points.receivables import read_owed

if TYPE_CHECKING:
    from app.crediting.rules import Rules
    from methodologies import Methodology
    from points.programmes import Programme


async def window_of(session: AsyncSession, rules: "Rules", activity: Activity) -> Window | None:
    """When an activity can be collected, if it waits for that."""
    if activity.outcome != Outcome.PENDING:
        return None
    methodology = await methodology_of(session, rules, activity.methodology_id)
    return collection_window(methodology, activity, _programme(rules, activity))


def _programme(rules: "Rules", activity: Activity) -> "Programme":
    return rules.programme(activity.region, day_of((activity.started_at - EPOCH) // SECOND))


async def collect(session: AsyncSession, rules: "Rules", activity: Activity, now: datetime.datetime) -> None:
    """Book a pending credit; raises `NotPending`, `NotCollectableYet`, `Lapsed` or `WithoutConsent`."""
    driver = await driver_of(session)
    statuses = await ledger.lock_holders(driver, [activity.holder_id])
    # A recalculation may have changed it while the lock was waited for.
    await session.refresh(activity)
    methodology = await methodology_of(session, rules, activity.methodology_id)
    programme = _programme(rules, activity)
    window = collection_window(methodology, activity, programme)
    if window is None:
        raise NotPending
    if now < window[0]:
        raise NotCollectableYet
    if now >= window[1]:
        raise Lapsed
    if statuses.get(activity.holder_id) != HolderStatus.ACTIVE:
        raise WithoutConsent
    await _check_consent(driver, rules, methodology, activity)
    outcome = Outcome.CREDITED if activity.co2e_mg == activity.full_mg else Outcome.CAPPED
    if not await repository.mark_collected(driver, activity.holder_id, activity.id, outcome):
        raise NotPending
    day = day_of((activity.started_at - EPOCH) // SECOND)
    reduction = (AssetKind.REDUCTION, activity.methodology_id, day.year, "")
    points = (AssetKind.POINTS, 0, 0, programme.key)
    # Known since the act was reported, though perhaps not to this process.
    assets = await ledger.know_assets(driver, [reduction, points])
    today = now.astimezone(LOCAL).date()
    owed = await read_owed(driver, [activity.holder_id])
    bookings = Bookings()
    add_credit(
        bookings,
        *(activity.holder_id, activity.id),
        (assets[reduction], activity.co2e_mg) if activity.co2e_mg else None,
        (assets[points], activity.points) if activity.points else None,
        programme.expires_on(today),
        iter(uuid7_batch(epoch_ms(now), 3)).__next__,
        owed=owed,
    )
    awards = await award(driver, _acts(rules, activity, programme, assets[points], today), today)
    book_awards(bookings, awards, owed)
    writes = Writes()
    write_credits(writes, bookings, now)
    write_awards(writes, awards)
    told = activity_event(
        ACTIVITY_CREDITED, activity.source_id, activity.id, outcome, activity.co2e_mg, activity.points
    )
    tell(writes, [told], now)
    await writes.execute(driver)
    session.expunge(activity)  # its row is written already
    activity.outcome = outcome


def _acts(
    rules: "Rules", activity: Activity, programme: "Programme", asset: int, today: datetime.date
) -> list[Act]:
    campaigns = rules.campaigns.of(activity.region, activity.scene, activity.started_at)
    if not campaigns or not programme.counts(activity.evidence):
        return []
    day = day_of((activity.started_at - EPOCH) // SECOND)
    expires_on = programme.expires_on(today)
    return [Act(activity.holder_id, activity.id, asset, day, expires_on, activity.points, campaigns)]


async def _check_consent(
    driver: ledger.Driver, rules: "Rules", methodology: "Methodology", activity: Activity
) -> None:
    """A credit needs a consent that is live when it is booked, which is now. Read under the holder's lock."""
    scene = rules.catalogue.scenes()[methodology.scene]
    granted = await ledger.consented(
        driver, [activity.holder_id], [activity.source_id], [scene.group], [activity.started_at]
    )
    wanted = {(1, scene.group), (1, ledger.MOVEMENT)} if scene.movement else {(1, scene.group)}
    if not wanted <= set(granted):
        raise WithoutConsent
