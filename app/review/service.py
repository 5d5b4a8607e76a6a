"""Held acts: an operator of the region releases or rejects one, once; what nobody decides follows the policy."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlmodel import col, select

from accounts import repository as ledger
from accounts.ids import public_id
from accounts.models import HolderStatus
from app.auth import audit
from app.auth.principal import Principal
from app.crediting.corroboration_store import end_behind
from app.crediting.errors import WithoutConsent
from app.crediting.explanation import methodology_of
from app.crediting.late import book_stored, check_consent, give_back_caps, programme_of, still_waits
from app.crediting.models import Activity, Outcome
from app.crediting.reversal import bring_back_claims, release_claims
from app.crediting.settlements import REVIEW, Settlement, settle
from app.database import driver_of
from app.review import repository
from app.review.errors import ReviewDecided, ReviewNotFound
from app.review.models import HeldActivity, State
from app.review.policy import MAX_DAYS
from app.review.repository import REJECTED_IN_REVIEW
from app.webhooks.events import ACTIVITY_REJECTED
from app.webhooks.outbox import activity_event, tell
from dedup.writes import Writes

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.crediting.rules import Rules
    from app.database import Database

SYSTEM = Principal("system", UUID(int=0), "system", "100000", frozenset(), 0)
IN_A_RUN = 500
KEPT_TRACES = datetime.timedelta(days=2 * MAX_DAYS + 2)
"""Acts may be reported late, and a window looks both ways."""


async def decide(
    session: "AsyncSession",
    rules: "Rules",
    principal: Principal,
    activity_id: UUID,
    decision: State,
    reason: str,
    now: datetime.datetime,
    address: str,
) -> HeldActivity:
    """Release or reject a held act. Raises `ReviewNotFound`, `ReviewDecided`, and `WithoutConsent` for a release."""
    seen = await repository.find(session, activity_id)
    if seen is None or not principal.may_see_region(seen.region):
        raise ReviewNotFound
    driver = await driver_of(session)
    # The holder's lock first, as a reversal takes it; then the review is read again.
    statuses = await ledger.lock_holders(driver, [seen.holder_id])
    found = await repository.find(session, activity_id, lock=True)
    if found is None or found.state != State.WAITING:
        raise ReviewDecided
    activity = (
        await session.exec(
            select(Activity).where(
                col(Activity.holder_id) == found.holder_id, col(Activity.id) == found.activity_id
            )
        )
    ).one()
    if decision is State.RELEASED:
        if statuses.get(activity.holder_id) != HolderStatus.ACTIVE:
            raise WithoutConsent
        await _release(session, driver, rules, activity, now)
    else:
        await _reject(session, driver, rules, activity, now)
    found.state, found.ended_at = decision, now
    found.decided_by, found.reason = principal.client_id, reason
    session.add(found)
    await session.flush()
    await audit.append(
        session,
        principal,
        now,
        f"review.{decision}",
        ("activity", public_id("act", activity.id)),
        region=found.region,
        address=address,
        reason=reason,
        before={"state": State.WAITING},
        after={"state": decision, "outcome": activity.outcome},
    )
    return found


async def _release(
    session: "AsyncSession",
    driver: ledger.Driver,
    rules: "Rules",
    activity: Activity,
    now: datetime.datetime,
) -> None:
    """Book what was computed at intake: its caps were read, and its headroom is kept, since then."""
    methodology = await methodology_of(session, rules, activity.methodology_id)
    await check_consent(driver, rules, methodology, activity)
    session.expunge(activity)  # its row is written by a statement of its own
    before = Settlement.standing(activity)
    full = activity.co2e_mg + activity.aggregated_mg == activity.full_mg
    activity.reason = "aggregated" if full and activity.aggregated_mg else None if full else "cap_crossed"
    waits = still_waits(methodology, activity, programme_of(rules, activity), now)
    if not waits:
        activity.outcome = Outcome.CREDITED if full else Outcome.CAPPED
    await settle(driver, activity, before, REVIEW, activity.id, now)
    if not waits:
        writes = Writes()
        await book_stored(driver, rules, activity, now, writes)
        await writes.execute(driver)


async def _reject(
    session: "AsyncSession",
    driver: ledger.Driver,
    rules: "Rules",
    activity: Activity,
    now: datetime.datetime,
) -> None:
    """Its claims and its headroom are free again."""
    methodology = await methodology_of(session, rules, activity.methodology_id)
    await give_back_caps(driver, methodology, rules, activity)
    session.expunge(activity)  # its row is written by a statement of its own
    before = Settlement.standing(activity)
    activity.outcome, activity.reason = Outcome.REJECTED, REJECTED_IN_REVIEW
    activity.co2e_mg = activity.aggregated_mg = activity.points = 0
    await settle(driver, activity, before, REVIEW, activity.id, now)
    await bring_back_claims(driver, activity)
    writes = Writes()
    release_claims(writes, activity)
    repository.forget_trace(writes, activity)
    told = activity_event(ACTIVITY_REJECTED, activity.source_id, activity.id, activity.outcome, 0, 0)
    tell(writes, [told], now)
    await writes.execute(driver)
    # Who rejects an act in a review says that it did not happen so: nobody else is credited for it.
    await end_behind(driver, activity, "refuted", now)


async def decide_due(
    database: "Database", lease: "AsyncSession", rules: "Rules", now: datetime.datetime
) -> int:
    """Do with those that nobody decided what their policy said when they were held; each in a commit of its own.

    What may not be credited any more, for want of a consent, is rejected. Answers how many.
    """
    waiting = [(each.activity_id, each.undecided) for each in await repository.due(lease, now, IN_A_RUN)]
    for activity_id, undecided in waiting:
        decision = State.RELEASED if undecided == "release" else State.REJECTED
        try:
            await _decide_alone(database, rules, activity_id, decision, "not decided in time", now)
        except WithoutConsent:
            await _decide_alone(database, rules, activity_id, State.REJECTED, "no consent", now)
    return len(waiting)


async def _decide_alone(
    database: "Database",
    rules: "Rules",
    activity_id: UUID,
    decision: State,
    reason: str,
    now: datetime.datetime,
) -> None:
    try:
        async with database.transaction() as session:
            await decide(session, rules, SYSTEM, activity_id, decision, reason, now, "")
    except ReviewDecided:
        return  # somebody was faster


async def forget_traces(session: "AsyncSession", now: datetime.datetime) -> None:
    """Drop what no signal looks back over any more."""
    await repository.forget_before(session, now - KEPT_TRACES)
