"""The decisions about a recalculation: its request, the second operator's approval, its cancellation."""

import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.ids import public_id, uuid7
from app.auth import audit
from app.auth.principal import Principal
from app.recalculation import repository
from app.recalculation.errors import (
    AlreadyRequested,
    NotPast,
    PreviewStale,
    RecalculationNotFound,
    WrongState,
)
from app.recalculation.figures import Figures
from app.recalculation.models import Recalculation, State
from app.versions import corrections
from app.versions import errors as versions
from app.versions import repository as revisions
from app.versions.drafts import Actor, take
from app.versions.occupancy import Occupant, Rulebook
from app.versions.repository import DAY
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.versions.models import Closure

MARGIN = datetime.timedelta(minutes=2)
"""From the moment a version counts until the recalculation runs: what was decided by the old text is committed by then
(a statement ends after a minute). What took longer is found by the last pass."""
ITSELF = Principal("system", UUID(int=0), "Tanpuhui", "100000", frozenset(), 0)
"""Who the audit trail names where the service itself acts."""


async def request(
    session: "AsyncSession", book: Rulebook, actor: Actor, revision_id: UUID, reason: str
) -> Recalculation:
    """Have a preview made of what a corrected version would change."""
    known = await revisions.find(session, revision_id)
    if known is None:
        raise versions.RevisionNotFound
    await revisions.lock_scene(session, known.scene)
    revision = await take(session, actor, revision_id)
    if not corrections.is_waiting(revision, actor.now) or revision.content_hash is None:
        raise versions.WrongState
    if await repository.is_open(session, revision_id):
        raise AlreadyRequested
    first_day, last_day = corrections.days_of(revision)
    if first_day > actor.now.astimezone(LOCAL).date():
        raise NotPast
    taken = await corrections.replaced(session, book.packs, revision, actor.now)
    recalculation = Recalculation(
        id=uuid7(actor.now),
        region=revision.region,
        scene=revision.scene,
        revision_id=revision.id,
        content_hash=revision.content_hash,
        first_day=first_day,
        last_day=last_day,
        state=State.PREVIEWING,
        requested_by=actor.principal.client_id,
        reason=reason,
        created_at=actor.now,
        replaces=_told(taken, first_day - DAY),
        preview=Figures().model_dump(),
        totals=Figures().model_dump(),
    )
    await write_down(session, actor, "recalculation.requested", recalculation, reason, None)
    return recalculation


async def approve(
    session: "AsyncSession",
    book: Rulebook,
    actor: Actor,
    recalculation_id: UUID,
    activates_at: datetime.datetime,
    reason: str,
) -> tuple[Recalculation, "list[Closure]"]:
    """The second operator's word: the version counts from the moment on, and what it corrects is done after it."""
    recalculation = await _locked(session, actor, recalculation_id)
    if recalculation.state != State.PREVIEWED:
        raise WrongState
    if actor.principal.client_id == recalculation.requested_by:
        raise versions.ApproveOwn
    before = snapshot(recalculation)
    revision, closures = await corrections.activate(
        session,
        book,
        actor,
        recalculation.revision_id,
        recalculation.content_hash,
        activates_at,
        reason,
    )
    told = [{"code": each.code, "version": each.version, "last_day": str(each.last_day)} for each in closures]
    if told != recalculation.replaces or revision.activates_at is None:
        raise PreviewStale
    recalculation.state = State.APPROVED
    recalculation.approved_by, recalculation.approved_at = actor.principal.client_id, actor.now
    recalculation.approval_reason = reason
    recalculation.activates_at = revision.activates_at
    recalculation.runs_from = revision.activates_at + MARGIN
    await write_down(session, actor, "recalculation.approved", recalculation, reason, before)
    return recalculation, closures


async def cancel(session: "AsyncSession", actor: Actor, recalculation_id: UUID, reason: str) -> Recalculation:
    """Give a recalculation up that is not approved; nothing was changed."""
    recalculation = await _locked(session, actor, recalculation_id)
    if recalculation.state not in (State.PREVIEWING, State.PREVIEWED):
        raise WrongState
    await end(session, actor, recalculation, State.CANCELLED, reason)
    return recalculation


async def end(
    session: "AsyncSession", actor: Actor, recalculation: Recalculation, state: State, reason: str
) -> None:
    """Write down that a locked recalculation is over."""
    before = snapshot(recalculation)
    recalculation.state, recalculation.ended_at = state, actor.now
    if state is State.CANCELLED:
        recalculation.cancelled_by = actor.principal.client_id
    action = "recalculation.cancelled" if state is State.CANCELLED else "recalculation.completed"
    await write_down(session, actor, action, recalculation, reason, before)


async def _locked(session: "AsyncSession", actor: Actor, recalculation_id: UUID) -> Recalculation:
    """A recalculation of the caller's region with its scene and itself locked, in the order of all decisions."""
    known = await repository.find(session, recalculation_id)
    if known is None or not actor.principal.may_see_region(known.region):
        raise RecalculationNotFound
    await revisions.lock_scene(session, known.scene)
    found = await repository.find(session, recalculation_id, lock=True)
    if found is None:
        raise RecalculationNotFound
    return found


def _told(taken: list[Occupant], last_day: datetime.date) -> list[dict[str, Any]]:
    return [{"code": each.code, "version": each.version, "last_day": str(last_day)} for each in taken]


def snapshot(recalculation: Recalculation) -> dict[str, Any]:
    """What the audit trail keeps of a state."""
    return {
        "state": recalculation.state,
        "revision_id": public_id("mrv", recalculation.revision_id),
        "content_hash": recalculation.content_hash,
        "replaces": recalculation.replaces,
        "activates_at": recalculation.activates_at,
        "preview": None if recalculation.previewed_at is None else _sums(recalculation.preview),
        "totals": None if recalculation.ended_at is None else _sums(recalculation.totals),
    }


def _sums(figures: dict[str, Any]) -> dict[str, Any]:
    return {"holders": figures["holders"], **figures["total"], "skipped": figures["skipped"]}


async def write_down(
    session: "AsyncSession",
    actor: Actor,
    action: str,
    recalculation: Recalculation,
    reason: str,
    before: dict[str, Any] | None,
) -> None:
    """Store a step and its place in the audit trail."""
    session.add(recalculation)
    await session.flush()
    await audit.append(
        session,
        actor.principal,
        actor.now,
        action,
        ("recalculation", public_id("mrc", recalculation.id)),
        region=recalculation.region,
        address=actor.address,
        reason=reason,
        before=before,
        after=snapshot(recalculation),
    )
