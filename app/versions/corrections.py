"""A version that takes days which others were credited on: decided by a recalculation only, with its approval.

The versions that held the days are closed to the day before, from the moment on from which the new one counts: until
then they go on answering for them, so that no day is without a text and none has two.
"""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from app.versions.decisions import close, locked
from app.versions.drafts import Actor, same_etag, write_down
from app.versions.errors import (
    ApproveOwn,
    EditedMeanwhile,
    NotActivatable,
    PeriodsOverlap,
    WrongState,
    at,
)
from app.versions.models import Closure, Revision, State
from app.versions.occupancy import Occupant, Rulebook, in_time, occupants, shown
from app.versions.repository import DAY
from dedup.periods import LOCAL
from methodologies import Catalogue, Period, rebuild
from methodologies.gathering import last_day, overlap

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession


def days_of(revision: Revision) -> Period:
    """The days of a submitted version's text."""
    if revision.first_day is None:
        raise WrongState
    return Period(revision.first_day, revision.last_day)


def is_waiting(revision: Revision, now: datetime.datetime) -> bool:
    """Whether the text is fixed and has not been decided to count."""
    return revision.state(now) in (State.SHADOW, State.APPROVED) and revision.activates_at is None


async def replaced(
    session: "AsyncSession", packs: Catalogue, revision: Revision, moment: datetime.datetime
) -> list[Occupant]:
    """Versions of the region whose days a correction takes; refuses what would go on after it or is still to come."""
    mine, today = days_of(revision), moment.astimezone(LOCAL).date()
    taken, refused = [], []
    for each in await occupants(session, packs, revision.region, revision.scene):
        if (each.code, each.version) == (revision.code, revision.version) or not overlap(each.period, mine):
            continue
        counted = each.revision is None or each.revision.activates_at is not None
        beyond = last_day(each.period) > last_day(mine)
        if counted and not beyond and each.period.first_day <= today:
            taken.append(each)
        else:
            refused.append(each)
    if refused:
        raise PeriodsOverlap(
            *(
                at(
                    "/in_force",
                    f"{shown(mine)} 与 {each} 重叠，后者在更正期之后仍须施行或尚未施行",
                    f"{shown(mine)} overlaps {each}, which goes on after it or is still to come",
                )
                for each in refused
            )
        )
    return taken


async def activate(
    session: "AsyncSession",
    book: Rulebook,
    actor: Actor,
    revision_id: UUID,
    content_hash: str,
    activates_at: datetime.datetime,
    reason: str,
) -> tuple[Revision, list[Closure]]:
    """Approve a correction and have it count from a moment on, for days that are past too; answers what it closes."""
    revision = await locked(session, actor, revision_id)
    if revision.content_hash != content_hash:
        raise EditedMeanwhile
    if not is_waiting(revision, actor.now):
        raise WrongState
    if actor.principal.client_id in revision.authors:
        raise ApproveOwn
    if book.production and rebuild(revision.content).demonstration_only:
        raise NotActivatable
    in_time(book, activates_at, "/activates_at")
    taken = await replaced(session, book.packs, revision, activates_at)
    if revision.approved_at is None:
        before = same_etag(revision, revision.etag)
        revision.approved_at, revision.approved_by = actor.now, actor.principal.client_id
        await write_down(session, actor, "methodology.approved", revision, reason, before)
    before = same_etag(revision, revision.etag)
    revision.activates_at = activates_at.astimezone(datetime.UTC)
    ends_on = days_of(revision).first_day - DAY
    closures = [
        await close(
            session,
            actor,
            revision.scene,
            each,
            ends_on,
            "recalculation",
            revision.id,
            counts_from=revision.activates_at,
        )
        for each in taken
    ]
    await write_down(session, actor, "methodology.activated", revision, reason, before)
    return revision, closures
