"""Days on which a region excludes a scene, or adopts the nation's rule: proposed by one operator, approved by another.

So is an end. What takes effect lies ahead of the approval, so that every process knows of it before.
"""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from accounts.errors import Fault
from accounts.ids import public_id, uuid7
from app.auth import audit
from app.problems import RequestError
from app.versions import repository
from app.versions.drafts import Actor
from app.versions.errors import (
    AdoptionNotFound,
    ApproveOwn,
    DaysInForce,
    EditedMeanwhile,
    ExclusionNotFound,
    OutOfRegion,
    WrongState,
    at,
)
from app.versions.models import Adoption, Exclusion, ProposalState, SceneDays
from app.versions.occupancy import Rulebook, in_time, occupants, related, shown
from app.versions.repository import DAY, midnight
from dedup.periods import LOCAL
from methodologies import Period
from methodologies.gathering import NATION, overlap

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlmodel.ext.asyncio.session import AsyncSession

    from accounts.errors import NotFound
    from app.versions.schemas import SceneDaysInput

Check: TypeAlias = "Callable[[AsyncSession, Rulebook, SceneDays], Awaitable[None]]"
_WAITING = (ProposalState.APPROVED, ProposalState.ACTIVE)


@dataclass(frozen=True)
class Kind:
    """What days of a scene are decided for: the table, how ids and the trail call it, and what has to hold."""

    model: type[SceneDays]
    id_prefix: str
    word: str
    decided: str
    not_found: "type[NotFound]"
    check: Check


async def propose(
    session: "AsyncSession", book: Rulebook, actor: Actor, kind: Kind, wanted: "SceneDaysInput"
) -> SceneDays:
    """Propose days of a scene in a region that lie ahead. They wait for another operator."""
    if not actor.principal.may_see_region(wanted.region):
        raise OutOfRegion
    if wanted.scene not in book.packs.scenes():
        raise RequestError("request.invalid", Fault("/scene", "no such scene", "没有这个场景"))
    if wanted.last_day is not None and wanted.last_day < wanted.first_day:
        raise RequestError("request.invalid", Fault("/last_day", "is before first_day", "早于首日"))
    in_time(book, midnight(wanted.first_day), "/first_day")
    days = kind.model(
        id=uuid7(actor.now),
        region=wanted.region,
        scene=wanted.scene,
        first_day=wanted.first_day,
        last_day=wanted.last_day,
        legal_basis=wanted.legal_basis,
        created_by=actor.principal.client_id,
        created_at=actor.now,
    )
    await kind.check(session, book, days)
    await _write_down(session, actor, kind, f"{kind.word}_proposed", days, wanted.reason, None)
    return days


async def approve(
    session: "AsyncSession", book: Rulebook, actor: Actor, kind: Kind, id_: UUID, etag: int, reason: str
) -> SceneDays:
    """The second operator's word on what is proposed: the days, or their end. Raises `ApproveOwn`, `WrongState`."""
    days, before = await _take(session, actor, kind, id_, etag)
    if days.state(_today(book)) is ProposalState.PROPOSED:
        if actor.principal.client_id == days.created_by:
            raise ApproveOwn
        in_time(book, midnight(days.first_day), "/first_day")
        await kind.check(session, book, days)
        days.approved_by, days.approved_at = actor.principal.client_id, actor.now
        action = kind.decided
    elif days.is_ending:
        if actor.principal.client_id == days.ending_by:
            raise ApproveOwn
        _check_end(book, days, days.ending_day)
        days.ended_by, days.ended_at = actor.principal.client_id, actor.now
        if days.ending_day is None:
            days.withdrawn_at = actor.now
        else:
            days.last_day = days.ending_day
        action = f"{kind.word}_ended"
    else:
        raise WrongState
    await _write_down(session, actor, kind, action, days, reason, before)
    return days


async def propose_end(
    session: "AsyncSession",
    book: Rulebook,
    actor: Actor,
    kind: Kind,
    id_: UUID,
    etag: int,
    last_day: datetime.date | None,
    reason: str,
) -> SceneDays:
    """Propose an earlier end, on a day that is not over; without a day, that they never begin."""
    days, before = await _take(session, actor, kind, id_, etag)
    if days.state(_today(book)) not in _WAITING or days.is_ending:
        raise WrongState
    _check_end(book, days, last_day)
    days.ending_by, days.ending_day = actor.principal.client_id, last_day
    days.ended_by = days.ended_at = None
    await _write_down(session, actor, kind, f"{kind.word}_end_proposed", days, reason, before)
    return days


async def withdraw(
    session: "AsyncSession", book: Rulebook, actor: Actor, kind: Kind, id_: UUID, etag: int, reason: str
) -> SceneDays:
    """Take back what is proposed and not approved: the days, or their end."""
    days, before = await _take(session, actor, kind, id_, etag)
    if days.state(_today(book)) is ProposalState.PROPOSED:
        days.withdrawn_at = actor.now
        action = f"{kind.word}_withdrawn"
    elif days.is_ending:
        days.ending_by = days.ending_day = None
        action = f"{kind.word}_end_withdrawn"
    else:
        raise WrongState
    await _write_down(session, actor, kind, action, days, reason, before)
    return days


def _today(book: Rulebook) -> datetime.date:
    return book.clock().astimezone(LOCAL).date()


def _check_end(book: Rulebook, days: SceneDays, last_day: datetime.date | None) -> None:
    if last_day is None:
        # It never begins: possible as long as no process counts it.
        in_time(book, midnight(days.first_day), "/last_day")
        return
    if last_day < days.first_day or (days.last_day is not None and days.last_day < last_day):
        raise RequestError(
            "request.invalid",
            at("/last_day", "不在已批准的日期之内", "lies outside the days that are approved"),
        )
    in_time(book, midnight(last_day) + DAY, "/last_day")


async def _take(
    session: "AsyncSession", actor: Actor, kind: Kind, id_: UUID, etag: int
) -> tuple[SceneDays, dict[str, Any]]:
    # Decisions about a scene are made one after the other: what one checks, the next must not change meanwhile.
    known = await repository.find_days(session, kind.model, id_)
    if known is not None:
        await repository.lock_scene(session, known.scene)
    days = await repository.find_days(session, kind.model, id_, lock=True)
    if days is None or not actor.principal.may_see_region(days.region):
        raise kind.not_found
    if days.etag != etag:
        raise EditedMeanwhile
    before = _snapshot(days)
    days.etag += 1
    return days, before


def _snapshot(days: SceneDays) -> dict[str, Any]:
    return days.model_dump(mode="json", exclude={"id", "region", "created_by", "created_at"})


async def _write_down(
    session: "AsyncSession",
    actor: Actor,
    kind: Kind,
    action: str,
    days: SceneDays,
    reason: str,
    before: dict[str, Any] | None,
) -> None:
    session.add(days)
    await session.flush()
    await audit.append(
        session,
        actor.principal,
        actor.now,
        f"scene.{action}",
        (kind.word, public_id(kind.id_prefix, days.id)),
        region=days.region,
        address=actor.address,
        reason=reason,
        before=before,
        after=_snapshot(days),
    )


async def _anything(session: "AsyncSession", book: Rulebook, days: SceneDays) -> None:
    """An exclusion says all by its days."""


async def _check_adoption(session: "AsyncSession", book: Rulebook, days: SceneDays) -> None:
    """There is a rule to adopt, it is not adopted anyway, and no text of the region takes days from it later."""
    if days.region == NATION:
        raise RequestError(
            "request.invalid", at("/region", "须为省级以下地区", "must be a region below the nation")
        )
    if book.packs.adoptions(days.region, days.scene):
        raise RequestError(
            "request.invalid",
            at(
                "/scene", "该地区的方法学包已采用", "the region's pack has adopted it already, without an end"
            ),
        )
    if not await occupants(session, book.packs, NATION, days.scene):
        raise RequestError(
            "request.invalid", at("/scene", "国家没有该场景的方法学", "the nation has no methodology for it")
        )
    faults = []
    for each in await repository.scheduled(session, days.scene, midnight(days.first_day)):
        theirs = Period(each.first_day or days.first_day, each.last_day)
        if each.region == NATION or not related(each.region, days.region) or each.activates_at is None:
            continue
        # What counts from a moment within a day, and for acts before it, would take them from the nation's rule.
        shared = midnight(max(theirs.first_day, days.first_day))
        if overlap(theirs, Period(days.first_day, days.last_day)) and shared < each.activates_at:
            moment = each.activates_at.astimezone(LOCAL).isoformat(timespec="seconds")
            name = f"{each.region} {each.code} {each.version} ({shown(theirs)})"
            faults.append(
                at(
                    "/first_day",
                    f"{name} 自 {moment} 起适用，也计此前的行为；请采用此后的日期",
                    f"{name} counts from {moment}, for acts before it too: adopt from a later day",
                )
            )
    if faults:
        raise DaysInForce(*faults)


EXCLUSION = Kind(Exclusion, "mex", "exclusion", "excluded", ExclusionNotFound, _anything)
ADOPTION = Kind(Adoption, "mad", "adoption", "adopted", AdoptionNotFound, _check_adoption)
