"""The decisions that make a version count, or end it: approval, activation, retirement.

Each takes the scene's lock first, since city, province and nation answer for each other's days, and reads what it
decides on by the next statement.
"""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import uuid7
from app.auth import audit
from app.crediting.prepare import CLOCK_TOLERANCE
from app.problems import RequestError
from app.versions import repository
from app.versions.drafts import Actor, same_etag, take, write_down
from app.versions.errors import (
    ApproveOwn,
    DaysCredited,
    DaysInForce,
    LeavesGap,
    NotActivatable,
    OutOfRegion,
    PeriodsOverlap,
    RevisionNotFound,
    WrongState,
    at,
)
from app.versions.models import Closure, Revision, State
from app.versions.occupancy import (
    Occupant,
    Rulebook,
    adoptions_of,
    has_days,
    in_time,
    occupants,
    related,
    shown,
)
from app.versions.repository import DAY, LATEST, midnight
from app.versions.schemas import ReopenedVersion
from dedup.periods import LOCAL
from methodologies import Period, rebuild
from methodologies.catalogue import gaps, upward
from methodologies.gathering import NATION, overlap

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.versions.schemas import ActivationInput, PackRetirementInput


async def approve(
    session: "AsyncSession", book: Rulebook, actor: Actor, revision_id: UUID, etag: int, reason: str
) -> Revision:
    """The second operator's word. Raises `ApproveOwn`, `WrongState`, `EditedMeanwhile`, `PeriodsOverlap`."""
    revision = await locked(session, actor, revision_id)
    if revision.state(actor.now) is not State.SHADOW:
        raise WrongState
    if actor.principal.client_id in revision.authors:
        raise ApproveOwn
    before = same_etag(revision, etag)
    await _to_close(session, book, revision)
    revision.approved_at, revision.approved_by = actor.now, actor.principal.client_id
    await write_down(session, actor, "methodology.approved", revision, reason, before)
    return revision


async def activate(
    session: "AsyncSession",
    book: Rulebook,
    actor: Actor,
    revision_id: UUID,
    etag: int,
    wanted: "ActivationInput",
) -> tuple[Revision, list[Closure], list[Period]]:
    """Have a version count from a moment on; answers what it closes, and the gaps that this leaves.

    Raises what would make two texts count, and `LeavesGap` where a gap is not meant.
    """
    activates_at = wanted.activates_at
    revision = await locked(session, actor, revision_id)
    if revision.state(actor.now) is not State.APPROVED or revision.activates_at is not None:
        raise WrongState
    before = same_etag(revision, etag)
    if book.production and rebuild(revision.content).demonstration_only:
        raise NotActivatable
    in_time(book, activates_at, "/activates_at")
    closing = await _to_close(session, book, revision)
    left = await _gaps_left(session, book, revision) if closing else []
    if left and not wanted.leaves_gap:
        raise LeavesGap(
            *(
                at(
                    "/leaves_gap",
                    f"{shown(each)} 将没有本地区的方法学；确需如此请设为 true",
                    f"{shown(each)} would be without a version of the region; say true if that is meant",
                )
                for each in left
            )
        )
    await _no_day_twice(session, book, revision, activates_at)
    in_time(book, activates_at, "/activates_at")
    revision.activates_at = activates_at.astimezone(datetime.UTC)
    closures = [
        await close(
            session,
            actor,
            revision.scene,
            each,
            _period(revision).first_day - DAY,
            "succession",
            revision.id,
        )
        for each in closing
    ]
    await write_down(session, actor, "methodology.activated", revision, wanted.reason, before)
    return revision, closures, left


async def retire(
    session: "AsyncSession",
    book: Rulebook,
    actor: Actor,
    revision_id: UUID,
    etag: int,
    last_day: datetime.date | None,
    reason: str,
) -> tuple[Revision, list[ReopenedVersion]]:
    """End a version on a day that is not over; it goes on answering for the days before. Nothing is deleted.

    Before it counts it may be cancelled, without a day: what it closed gets its days back, which are answered.
    """
    revision = await locked(session, actor, revision_id)
    if revision.state(actor.now) is State.RETIRED:
        raise WrongState
    before = same_etag(revision, etag)
    reopened: list[ReopenedVersion] = []
    if revision.activates_at is not None:
        reopened = await _end(session, book, actor, revision, last_day, reason)
    revision.retired_at = actor.now
    await write_down(session, actor, "methodology.retired", revision, reason, before)
    return revision, reopened


async def _end(
    session: "AsyncSession",
    book: Rulebook,
    actor: Actor,
    revision: Revision,
    last_day: datetime.date | None,
    reason: str,
) -> list[ReopenedVersion]:
    first_day = _period(revision).first_day
    days = await _days(session, revision)
    ended = Occupant(revision.region, revision.code, revision.version, days, revision)
    if last_day is not None and days.last_day is not None and last_day > days.last_day:
        raise RequestError(
            "request.invalid",
            at("/last_day", f"该版本已于 {days.last_day} 止", f"it ends on {days.last_day} already"),
        )
    if last_day is not None and last_day >= first_day:
        in_time(book, midnight(last_day) + DAY, "/last_day")
        await close(session, actor, revision.scene, ended, last_day, "retirement", revision.id, reason)
        return []
    if await repository.is_recalculating(session, revision.id):
        # It takes days that others were credited on, and they are being computed again.
        raise WrongState
    # An act is booked some minutes before it begins at most.
    counts_from = max(revision.activates_at or LATEST, midnight(first_day) - CLOCK_TOLERANCE)
    if last_day is None and counts_from < book.clock() + book.lead:
        raise RequestError(
            "request.invalid",
            at("/last_day", "已经或即将适用的版本须给出末日", "is needed for what counts, or is about to"),
        )
    in_time(book, counts_from, "/last_day")
    await close(session, actor, revision.scene, ended, first_day - DAY, "cancellation", revision.id, reason)
    return await _reopen(session, actor, revision)


async def retire_pack_version(
    session: "AsyncSession", book: Rulebook, actor: Actor, wanted: "PackRetirementInput"
) -> Closure:
    """End a version that a pack ships, on a day that is not over. It counts again only as a version drafted from it."""
    if not actor.principal.may_see_region(wanted.region):
        raise OutOfRegion
    name = (wanted.code, wanted.version)
    text = next(
        (
            each
            for each in book.packs.methodologies
            if (each.region, each.code, each.version) == (wanted.region, *name)
        ),
        None,
    )
    if text is None:
        raise RevisionNotFound
    await repository.lock_scene(session, text.scene)
    held = await occupants(session, book.packs, wanted.region, text.scene)
    ended = next((each for each in held if each.revision is None and (each.code, each.version) == name), None)
    if ended is None or (ended.period.last_day is not None and ended.period.last_day <= wanted.last_day):
        raise WrongState
    in_time(book, midnight(wanted.last_day) + DAY, "/last_day")
    return await close(session, actor, text.scene, ended, wanted.last_day, "retirement", None, wanted.reason)


async def _reopen(session: "AsyncSession", actor: Actor, cancelled: Revision) -> list[ReopenedVersion]:
    """Give back the days that a cancelled version took, up to the next version that is activated."""
    reopened = []
    for closure in await repository.closed_by(session, cancelled.id):
        key = (closure.region, closure.code, closure.version)
        last_day = (await repository.ends_of(session, closure.scene)).get(key)
        if last_day is not None and last_day <= closure.last_day:
            continue  # it ends by then for another reason
        following = await repository.next_activated(session, closure.region, closure.scene, closure.last_day)
        if following is not None and following.first_day is not None:
            last_day = min(following.first_day - DAY, last_day or datetime.date.max)
            session.add(
                Closure(
                    id=uuid7(actor.now),
                    region=closure.region,
                    scene=closure.scene,
                    code=closure.code,
                    version=closure.version,
                    last_day=following.first_day - DAY,
                    cause="succession",
                    recorded_at=actor.now,
                    revision_id=following.id,
                )
            )
            await session.flush()
        await audit.append(
            session,
            actor.principal,
            actor.now,
            "methodology.reopened",
            ("methodology_version", " ".join(key)),
            region=closure.region,
            address=actor.address,
            reason=f"cancellation of {cancelled.code} {cancelled.version}",
            before={"last_day": closure.last_day},
            after={"last_day": last_day},
        )
        reopened.append(ReopenedVersion(code=closure.code, version=closure.version, last_day=last_day))
    return reopened


async def locked(session: "AsyncSession", actor: Actor, revision_id: UUID) -> Revision:
    """A revision of the caller's region, with its scene and itself locked."""
    known = await repository.find(session, revision_id)
    if known is None:
        raise RevisionNotFound
    await repository.lock_scene(session, known.scene)
    return await take(session, actor, revision_id)


def _period(revision: Revision) -> Period:
    if revision.first_day is None:
        raise WrongState
    return Period(revision.first_day, revision.last_day)


async def _days(session: "AsyncSession", revision: Revision) -> Period:
    """The days that are left to a version: its text's, or fewer where a later one was activated before it."""
    first, last = _period(revision)
    ends = await repository.ends_of(session, revision.scene)
    end = ends.get((revision.region, revision.code, revision.version))
    return Period(first, last if end is None or (last is not None and last < end) else end)


async def _to_close(session: "AsyncSession", book: Rulebook, revision: Revision) -> list[Occupant]:
    """Versions without a last day that end where this one begins; refuses every other day in common."""
    mine = await _days(session, revision)
    closing, refused = [], []
    for each in await occupants(session, book.packs, revision.region, revision.scene):
        if (each.code, each.version) == (revision.code, revision.version) or not overlap(each.period, mine):
            continue
        if each.period.last_day is None and each.period.first_day < mine.first_day:
            closing.append(each)
        else:
            refused.append(each)
    if refused:
        raise PeriodsOverlap(
            *(
                at(
                    "/in_force",
                    f"{shown(mine)} 与 {each} 重叠",
                    f"{shown(mine)} overlaps {each}",
                )
                for each in refused
            )
        )
    return closing


async def _gaps_left(session: "AsyncSession", book: Rulebook, revision: Revision) -> list[Period]:
    """Days that what it closes had, and that no version has once this one is over."""
    mine = await _days(session, revision)
    if mine.last_day is None:
        return []
    held = await occupants(session, book.packs, revision.region, revision.scene)
    after = [each.period for each in held if each.period.first_day > mine.last_day]
    return [gap for gap in gaps([mine, *after]) if gap.first_day == mine.last_day + DAY]


async def _no_day_twice(
    session: "AsyncSession", book: Rulebook, revision: Revision, activates_at: datetime.datetime
) -> None:
    """Refuse days that another text answers for before this one counts.

    A version that begins after the moment of activation needs no look: no act of its days can have come yet.
    """
    mine = await _days(session, revision)
    if midnight(mine.first_day) >= activates_at:
        return
    above = set(upward(revision.region))
    credited = await repository.credited_days(
        session, revision.region, revision.scene, mine.first_day, mine.last_day, [*above, NATION]
    )
    if credited is not None:
        number, first, last = credited
        raise DaysCredited(
            at(
                "/in_force/from",
                f"{first} 至 {last} 已有 {number} 笔按其他文本入账",
                f"{number} acts from {first} to {last} are credited under another text",
            )
        )
    until = activates_at.astimezone(LOCAL).date()
    past = Period(mine.first_day, until if mine.last_day is None else min(until, mine.last_day))
    adopted = await adoptions_of(session, book.packs, revision.scene)
    if any(related(each.region, revision.region) and overlap(Period(*each[2:]), past) for each in adopted):
        above.add(NATION)
    for region in sorted(above):
        for each in await occupants(session, book.packs, region, revision.scene):
            counts = each.revision is None or each.revision.activates_at is not None
            if each.revision is not revision and counts and overlap(each.period, past):
                raise DaysInForce(
                    at(
                        "/in_force/from",
                        f"{region} 的 {each} 在 {shown(past)} 仍在适用",
                        f"{each} of {region} counts on {shown(past)}",
                    )
                )


async def close(
    session: "AsyncSession",
    actor: Actor,
    scene: str,
    ended: Occupant,
    last_day: datetime.date,
    cause: str,
    revision_id: UUID | None,
    reason: str = "",
    counts_from: datetime.datetime | None = None,
) -> Closure:
    """End a version on a day; from a moment on only, where days are taken that are past."""
    closure = Closure(
        id=uuid7(actor.now),
        region=ended.region,
        scene=scene,
        code=ended.code,
        version=ended.version,
        last_day=last_day,
        cause=cause,
        recorded_at=actor.now,
        revision_id=revision_id,
        counts_from=counts_from,
    )
    session.add(closure)
    await session.flush()
    left = Period(ended.period.first_day, last_day)
    await audit.append(
        session,
        actor.principal,
        actor.now,
        "methodology.closed",
        ("methodology_version", f"{ended.region} {ended.code} {ended.version}"),
        region=ended.region,
        address=actor.address,
        reason=reason or cause,
        before={"in_force": shown(ended.period)},
        after={"in_force": shown(left) if has_days(left) else None, "cause": cause},
    )
    return closure
