"""Disputes: a party contests an outcome, an operator of the region lets it stand or moves the claim, once."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from accounts import repository as ledger
from accounts.errors import Fault
from accounts.ids import public_id, uuid7
from accounts.models import HolderStatus
from app.auth import audit
from app.crediting import reversal
from app.crediting.corroboration_moves import By, pass_credit
from app.crediting.corroboration_store import winner_of
from app.crediting.decision import HOLDING
from app.crediting.errors import ActivityNotFound, WithoutConsent
from app.crediting.late import Cause
from app.crediting.models import Activity, Outcome
from app.crediting.settlements import DISPUTE
from app.database import driver_of
from app.disputes import repository
from app.disputes.errors import (
    AlreadyDisputed,
    DisputeDecided,
    DisputeNotFound,
    NotDisputable,
    NotMovable,
    TooManyDisputes,
)
from app.disputes.models import ClaimMove, Dispute, Party, State
from app.review.repository import REJECTED_IN_REVIEW
from app.webhooks import events
from app.webhooks.outbox import Event, tell_now

if TYPE_CHECKING:
    from app.auth.principal import Principal
    from app.crediting.rules import Rules

MOST_OPEN = {Party.HOLDER: 20, Party.PLATFORM: 1_000}
EVENTS = {
    State.OPEN: events.DISPUTE_OPENED,
    State.UPHELD: events.DISPUTE_UPHELD,
    State.MOVED: events.DISPUTE_MOVED,
    State.WITHDRAWN: events.DISPUTE_WITHDRAWN,
}


async def open_dispute(
    session: AsyncSession, activity: Activity, party: Party, party_id: UUID, text: str, now: datetime.datetime
) -> Dispute:
    """Contest the outcome of an activity that the party may see.

    Raises `NotDisputable`, `TooManyDisputes` or `AlreadyDisputed`.
    """
    if activity.reversed_at is not None or activity.outcome == Outcome.PENDING:
        raise NotDisputable
    if await repository.was_moved(session, activity.id):
        raise NotDisputable
    if await repository.is_contested(session, activity.id, party):
        # Told without a wait: a decision that is being made holds the dispute, and may want this holder's lock.
        raise AlreadyDisputed
    await repository.lock_party(session, party_id)
    if await repository.open_of(session, party_id) >= MOST_OPEN[party]:
        raise TooManyDisputes
    made = Dispute(
        id=uuid7(now),
        holder_id=activity.holder_id,
        activity_id=activity.id,
        region=activity.region,
        source_id=activity.source_id,
        party=party,
        party_id=party_id,
        explanation=text,
        state=State.OPEN,
        opened_at=now,
        reason="",
    )
    if not await repository.add(session, made):
        raise AlreadyDisputed
    winner = None if activity.winner_id is None else await repository.activity(session, activity.winner_id)
    await _tell(session, made, None, [activity, winner], now)
    return made


async def withdraw(session: AsyncSession, dispute: Dispute, now: datetime.datetime) -> Dispute:
    """The party lets it go; raises `DisputeDecided`. `dispute` is the party's own."""
    found = await _take(session, dispute.id)
    await _end(session, found, State.WITHDRAWN, None, "", now)
    await _tell(session, found, None, [await repository.activity(session, found.activity_id)], now)
    return found


async def uphold(
    session: AsyncSession,
    principal: "Principal",
    dispute_id: UUID,
    reason: str,
    at: datetime.datetime,
    address: str,
) -> Dispute:
    """The outcome stands. Raises `DisputeNotFound` or `DisputeDecided`."""
    found = await _of_region(session, principal, dispute_id)
    await _end(session, found, State.UPHELD, principal.client_id, reason, at)
    activity = await repository.activity(session, found.activity_id)
    await _tell(session, found, None, [activity], at)
    await _write_down(session, principal, found, reason, at, address, {})
    return found


async def move(
    session: AsyncSession,
    rules: "Rules",
    principal: "Principal",
    dispute_id: UUID,
    to: UUID | None,
    reason: str,
    at: datetime.datetime,
    address: str,
) -> Dispute:
    """Reverse the credit that stands and make the other one, in the caller's commit.

    Raises what reversing and crediting raise, `DisputeNotFound`, `DisputeDecided` and `NotMovable`.
    """
    found = await _of_region(session, principal, dispute_id)
    gets, had = await _activities(session, found, to)
    driver = await driver_of(session)
    holders = {each.holder_id for each in (gets, had) if each is not None}
    statuses = await ledger.lock_holders(driver, sorted(holders))
    for each in (gets, had):
        if each is not None:
            await session.refresh(each)
    _check(gets, had)
    if await repository.was_moved(session, *[each.id for each in (gets, had) if each is not None]):
        raise NotMovable(Fault("", "moved_before"))
    if statuses.get(gets.holder_id) != HolderStatus.ACTIVE:
        raise WithoutConsent
    if had is not None and (had.reversed_at is not None or not _holds(had)):
        had = None  # nobody has the credit any more
    await _end(session, found, State.MOVED, principal.client_id, reason, at)
    by = By(principal, reason, address)
    await pass_credit(session, rules, had, gets, Cause(DISPUTE, found.id), by, at)
    moved = ClaimMove(
        to_activity_id=gets.id,
        to_holder_id=gets.holder_id,
        from_activity_id=None if had is None else had.id,
        from_holder_id=None if had is None else had.holder_id,
        dispute_id=found.id,
        at=at,
    )
    session.add(moved)
    await session.flush()
    await _tell(session, found, moved, [gets, had], at)
    trail = {"to": public_id("act", gets.id), "from": None if had is None else public_id("act", had.id)}
    await _write_down(session, principal, found, reason, at, address, trail)
    return found


async def _activities(
    session: AsyncSession, found: Dispute, to: UUID | None
) -> tuple[Activity, Activity | None]:
    """Who is to get the credit, and who has or had it."""
    disputed = await repository.activity(session, found.activity_id)
    if disputed is None:
        raise ActivityNotFound
    if disputed.outcome not in HOLDING:
        if to is not None and to != disputed.id:
            raise NotMovable(Fault("/to_activity_id", "not_the_disputed"))
        gets = disputed
    else:
        other = None if to is None else await repository.activity(session, to)
        if other is None or not await _lost_to(session, other, disputed):
            raise NotMovable(Fault("/to_activity_id", "not_a_duplicate_of_it"))
        gets = other
    driver = await driver_of(session)
    # The credit that it stands behind now may be another than the one that it lost to.
    winner = await winner_of(driver, gets.holder_id, gets.id) or gets.winner_id
    had = None if winner is None else await repository.activity(session, winner)
    return gets, had


async def _lost_to(session: AsyncSession, other: Activity, disputed: Activity) -> bool:
    if other.winner_id == disputed.id:
        return True
    return await winner_of(await driver_of(session), other.holder_id, other.id) == disputed.id


def _check(gets: Activity, had: Activity | None) -> None:
    """Only what lost a claim, to another or in a review, has one to get: a refusal by the text stands."""
    refused = gets.outcome == Outcome.REJECTED and gets.reason == REJECTED_IN_REVIEW
    lost = gets.outcome == Outcome.DUPLICATE and had is not None
    if gets.reversed_at is not None or not (refused or lost):
        raise NotMovable(Fault("", "not_a_duplicate"))
    if not gets.claim_tokens:
        raise NotMovable(Fault("", "claims_unknown"))


def _holds(activity: Activity) -> bool:
    return activity.outcome in HOLDING or reversal.keeps_claims(activity)


async def _take(session: AsyncSession, dispute_id: UUID) -> Dispute:
    found = await repository.find(session, dispute_id, lock=True)
    if found is None:
        raise DisputeNotFound
    if found.state != State.OPEN:
        raise DisputeDecided
    return found


async def _of_region(session: AsyncSession, principal: "Principal", dispute_id: UUID) -> Dispute:
    seen = await repository.find(session, dispute_id)
    if seen is None or not principal.may_see_region(seen.region):
        raise DisputeNotFound
    session.expunge(seen)
    return await _take(session, dispute_id)


async def _end(
    session: AsyncSession, found: Dispute, state: State, by: str | None, reason: str, at: datetime.datetime
) -> None:
    found.state, found.ended_at, found.decided_by, found.reason = state, at, by, reason
    session.add(found)
    await session.flush()


async def _tell(
    session: AsyncSession,
    found: Dispute,
    moved: ClaimMove | None,
    about: Sequence[Activity | None],
    at: datetime.datetime,
) -> None:
    """Tell the platforms of both activities, each of its own; never of the other's person or platform."""
    subject = public_id("dsp", found.id)
    told = []
    for each in about:
        if each is None:
            continue
        data: dict[str, Any] = {
            "dispute_id": subject,
            "activity_id": public_id("act", each.id),
            "state": found.state,
        }
        if moved is not None:
            data["credited"] = each.id == moved.to_activity_id
        told.append(Event(each.source_id, EVENTS[State(found.state)], subject, data))
    await tell_now(await driver_of(session), told, at)


async def _write_down(
    session: AsyncSession,
    principal: "Principal",
    found: Dispute,
    reason: str,
    at: datetime.datetime,
    address: str,
    trail: dict[str, Any],
) -> None:
    await audit.append(
        session,
        principal,
        at,
        f"dispute.{found.state}",
        ("dispute", public_id("dsp", found.id)),
        region=found.region,
        address=address,
        reason=reason,
        before={"state": State.OPEN},
        after={"state": found.state, "activity": public_id("act", found.activity_id)} | trail,
    )
