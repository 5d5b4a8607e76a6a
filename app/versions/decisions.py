"""The decisions that make a version count, or end it: approval, activation, retirement, exclusion.

Each takes the scene's lock first, since city, province and nation answer for each other's days, and reads what it
decides on by the next statement.
"""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.errors import Fault
from accounts.ids import public_id, uuid7
from app.auth import audit
from app.auth.principal import covers
from app.problems import RequestError
from app.versions import repository
from app.versions.drafts import Actor, same_etag, take, write_down
from app.versions.errors import (
    ApproveOwn,
    DaysCredited,
    DaysInForce,
    LeadTooShort,
    NotActivatable,
    OutOfRegion,
    PeriodsOverlap,
    RevisionNotFound,
    WrongState,
    at,
)
from app.versions.models import Closure, Exclusion, Revision, State
from app.versions.repository import DAY, LATEST, midnight
from app.versions.schemas import Gap, InForcePeriod, Timeline
from dedup.periods import LOCAL
from methodologies import Catalogue, Period, rebuild
from methodologies.catalogue import gaps
from methodologies.gathering import overlap

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.versions.schemas import ExclusionInput


@dataclass(frozen=True)
class Occupant:
    """A version of a region and scene with the days on which it counts; `revision` is None for a pack's."""

    region: str
    code: str
    version: str
    period: Period
    revision: Revision | None = None

    def __str__(self) -> str:
        return f"{self.code} {self.version} ({shown(self.period)})"


@dataclass(frozen=True)
class Rulebook:
    """What a decision needs to know of the deployment."""

    packs: Catalogue
    lead: datetime.timedelta
    production: bool
    clock: Callable[[], datetime.datetime]


def shown(period: Period) -> str:
    """A period as people read it: `2026-01-01/2026-12-31`, open ends as `..`."""
    return f"{period.first_day}/{period.last_day or '..'}"


async def occupants(session: "AsyncSession", packs: Catalogue, region: str, scene: str) -> list[Occupant]:
    """Versions that hold days of one region and scene: approved or active revisions, and packs' beside them."""
    ends = await repository.ends_of(session, scene)

    def clipped(code: str, version: str, period: Period) -> Period:
        first, last = period
        end = ends.get((region, code, version))
        return Period(first, last if end is None or (last is not None and last < end) else end)

    found = [
        Occupant(
            region,
            each.code,
            each.version,
            clipped(each.code, each.version, Period(each.first_day, each.last_day)),
            each,
        )
        for each in await repository.of_place(session, region, scene)
        if each.first_day is not None and (each.retired_at is None or each.activates_at is not None)
    ]
    active = [each.period for each in found if each.revision is not None and each.revision.activates_at]
    for each in packs.of(region, scene):
        period = clipped(each.code, each.version, each.in_force)
        if not any(overlap(period, other) for other in active):
            found.append(Occupant(region, each.code, each.version, period))
    real = (
        each
        for each in found
        if each.period.last_day is None or each.period.first_day <= each.period.last_day
    )
    return sorted(real, key=lambda each: each.period.first_day)


async def approve(
    session: "AsyncSession", book: Rulebook, actor: Actor, revision_id: UUID, etag: int, reason: str
) -> Revision:
    """The second operator's word. Raises `ApproveOwn`, `WrongState`, `EditedMeanwhile`, `PeriodsOverlap`."""
    revision = await _locked(session, actor, revision_id)
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
    activates_at: datetime.datetime,
    reason: str,
) -> tuple[Revision, list[Closure]]:
    """Have a version count from a moment on; answers what it closes. Raises what would make two texts count."""
    revision = await _locked(session, actor, revision_id)
    if revision.state(actor.now) is not State.APPROVED or revision.activates_at is not None:
        raise WrongState
    before = same_etag(revision, etag)
    if book.production and rebuild(revision.content).demonstration_only:
        raise NotActivatable
    _in_time(book, activates_at, "/activates_at")
    closing = await _to_close(session, book, revision)
    await _no_day_twice(session, book, revision, activates_at)
    _in_time(book, activates_at, "/activates_at")
    revision.activates_at = activates_at.astimezone(datetime.UTC)
    closures = [
        await _close(session, actor, revision.scene, each, _period(revision).first_day - DAY, "succession")
        for each in closing
    ]
    await write_down(session, actor, "methodology.activated", revision, reason, before)
    return revision, closures


async def retire(
    session: "AsyncSession",
    book: Rulebook,
    actor: Actor,
    revision_id: UUID,
    etag: int,
    last_day: datetime.date | None,
    reason: str,
) -> Revision:
    """End a version on a day that is not over; it goes on answering for the days before. Nothing is deleted."""
    revision = await _locked(session, actor, revision_id)
    if revision.state(actor.now) is State.RETIRED:
        raise WrongState
    before = same_etag(revision, etag)
    if revision.activates_at is not None:
        if last_day is None:
            raise RequestError("request.invalid", Fault("/last_day", "is needed for what counts"))
        _in_time(book, midnight(last_day) + DAY, "/last_day")
        ended = Occupant(revision.region, revision.code, revision.version, _period(revision), revision)
        await _close(session, actor, revision.scene, ended, last_day, "retirement")
    revision.retired_at = actor.now
    await write_down(session, actor, "methodology.retired", revision, reason, before)
    return revision


async def exclude(
    session: "AsyncSession", book: Rulebook, actor: Actor, wanted: "ExclusionInput"
) -> Exclusion:
    """Have a scene earn nothing in a region from a coming day on."""
    if not actor.principal.may_see_region(wanted.region):
        raise OutOfRegion
    if wanted.scene not in book.packs.scenes():
        raise RequestError("request.invalid", Fault("/scene", "no such scene", "没有这个场景"))
    if wanted.last_day is not None and wanted.last_day < wanted.first_day:
        raise RequestError("request.invalid", Fault("/last_day", "is before first_day", "早于首日"))
    _in_time(book, midnight(wanted.first_day), "/first_day")
    exclusion = Exclusion(
        id=uuid7(actor.now),
        region=wanted.region,
        scene=wanted.scene,
        first_day=wanted.first_day,
        last_day=wanted.last_day,
        legal_basis=wanted.legal_basis,
        created_by=actor.principal.client_id,
        created_at=actor.now,
    )
    session.add(exclusion)
    await session.flush()
    await _write_down_exclusion(session, actor, "scene.excluded", exclusion, wanted.reason, None)
    return exclusion


async def end_exclusion(
    session: "AsyncSession",
    book: Rulebook,
    actor: Actor,
    exclusion_id: UUID,
    last_day: datetime.date,
    reason: str,
) -> Exclusion:
    """End an exclusion earlier than it would; not before its first day, and on a day that is not over."""
    exclusion = await repository.find_exclusion(session, exclusion_id)
    if exclusion is None or not actor.principal.may_see_region(exclusion.region):
        raise RevisionNotFound
    if last_day < exclusion.first_day or (exclusion.last_day is not None and exclusion.last_day < last_day):
        raise RequestError(
            "request.invalid",
            Fault("/last_day", "lies outside the days that are excluded", "不在已排除的日期之内"),
        )
    _in_time(book, midnight(last_day) + DAY, "/last_day")
    before = {"last_day": exclusion.last_day}
    exclusion.last_day = last_day
    session.add(exclusion)
    await session.flush()
    await _write_down_exclusion(session, actor, "scene.exclusion_ended", exclusion, reason, before)
    return exclusion


async def _write_down_exclusion(
    session: "AsyncSession",
    actor: Actor,
    action: str,
    exclusion: Exclusion,
    reason: str,
    before: dict[str, Any] | None,
) -> None:
    after = {
        "scene": exclusion.scene,
        "first_day": exclusion.first_day,
        "last_day": exclusion.last_day,
        "legal_basis": exclusion.legal_basis,
    }
    target = ("exclusion", public_id("mex", exclusion.id))
    await audit.append(
        session,
        actor.principal,
        actor.now,
        action,
        target,
        region=exclusion.region,
        address=actor.address,
        reason=reason,
        before=before,
        after=after,
    )


async def _locked(session: "AsyncSession", actor: Actor, revision_id: UUID) -> Revision:
    known = await repository.find(session, revision_id)
    if known is None:
        raise RevisionNotFound
    await repository.lock_scene(session, known.scene)
    return await take(session, actor, revision_id)


def _in_time(book: Rulebook, moment: datetime.datetime, pointer: str) -> None:
    """Refuse what would count before all processes know. By the time after the locks, however long they took."""
    earliest = book.clock() + book.lead
    if moment < earliest:
        told = earliest.astimezone(LOCAL).isoformat(timespec="seconds")
        raise LeadTooShort(at(pointer, f"须不早于 {told}", f"must take effect at {told} or later"))
    if moment >= LATEST:
        raise RequestError("request.invalid", Fault(pointer, "lies too far ahead"))


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


async def _no_day_twice(
    session: "AsyncSession", book: Rulebook, revision: Revision, activates_at: datetime.datetime
) -> None:
    """Refuse days that another text answers for before this one counts.

    A version that begins after the moment of activation needs no look: no act of its days can have come yet.
    """
    mine = await _days(session, revision)
    if midnight(mine.first_day) >= activates_at:
        return
    displaced = _displaced(book.packs, revision)
    credited = await repository.credited_days(
        session, revision.region, revision.scene, mine.first_day, mine.last_day, displaced
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
    for region in displaced:
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


async def timeline(
    session: "AsyncSession", packs: Catalogue, region: str, scene: str, now: datetime.datetime
) -> Timeline:
    """A region's own versions of a scene, with the days that none has."""
    held = await occupants(session, packs, region, scene)
    periods = [
        InForcePeriod(
            code=each.code,
            version=each.version,
            revision_id=None if each.revision is None else public_id("mrv", each.revision.id),
            state=State.ACTIVE if each.revision is None else each.revision.state(now),
            first_day=each.period.first_day,
            last_day=each.period.last_day,
            activates_at=None if each.revision is None else each.revision.activates_at,
        )
        for each in held
    ]
    counting = [
        each.period for each in held if each.revision is None or each.revision.activates_at is not None
    ]
    return Timeline(
        region=region,
        scene=scene,
        periods=periods,
        gaps=[Gap(first_day=gap.first_day, last_day=gap.last_day) for gap in gaps(counting)],
        falls_to=[each for each in packs.chain(region, scene) if each != region],
    )


def _displaced(packs: Catalogue, revision: Revision) -> list[str]:
    """The region and those above it that may answer, there or below, where the region has no text of its own."""
    places = {revision.region, *(place for place in packs.regions() if covers(revision.region, place))}
    asked = {above for place in places for above in packs.chain(place, revision.scene)}
    return sorted(above for above in asked if covers(above, revision.region))


async def _close(
    session: "AsyncSession",
    actor: Actor,
    scene: str,
    ended: Occupant,
    last_day: datetime.date,
    cause: str,
) -> Closure:
    closure = Closure(
        id=uuid7(actor.now),
        region=ended.region,
        scene=scene,
        code=ended.code,
        version=ended.version,
        last_day=last_day,
        cause=cause,
        recorded_at=actor.now,
    )
    session.add(closure)
    await session.flush()
    await audit.append(
        session,
        actor.principal,
        actor.now,
        "methodology.closed",
        ("methodology_version", f"{ended.region} {ended.code} {ended.version}"),
        region=ended.region,
        address=actor.address,
        reason=cause,
        before={"in_force": shown(ended.period)},
        after={"in_force": shown(Period(ended.period.first_day, last_day))},
    )
    return closure
