"""The way of a programme or a campaign: drafted, approved by a second operator, known to all before it counts."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from sqlalchemy import text as sql

from accounts.errors import Fault
from accounts.ids import public_id, uuid7
from accounts.labels.examples import refuse_examples
from accounts.labels.rules import LabelRules
from accounts.offset_rules.rules import OffsetRules
from app.auth import audit
from app.crediting.prepare import CLOCK_TOLERANCE
from app.database import driver_of
from app.neighbours.agreements import NeighbourAgreement
from app.problems import RequestError
from app.programmes import repository
from app.programmes.errors import (
    ApproveOwn,
    DayTaken,
    EditedMeanwhile,
    Ended,
    Immutable,
    LeadTooShort,
    OutOfRegion,
    TextNotFound,
)
from app.programmes.models import Kind, PointsText, State
from app.review.policy import ReviewPolicy
from app.scoring.in_force import ScoreCards
from dedup.periods import LOCAL
from points.campaign_repository import open_budget
from points.campaigns import Campaign
from points.programmes import Programme

if TYPE_CHECKING:
    from pydantic import BaseModel
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.auth.principal import Principal

Content = Programme | Campaign | ReviewPolicy | NeighbourAgreement | LabelRules | ScoreCards | OffsetRules
TEXTS: dict[Kind, type[Content]] = {
    Kind.PROGRAMME: Programme,
    Kind.CAMPAIGN: Campaign,
    Kind.REVIEW_POLICY: ReviewPolicy,
    Kind.NEIGHBOUR_AGREEMENT: NeighbourAgreement,
    Kind.LABEL_RULES: LabelRules,
    Kind.SCORE_CARDS: ScoreCards,
    Kind.OFFSET_RULES: OffsetRules,
}
LATEST = datetime.datetime(2200, 1, 1, tzinfo=LOCAL)
EARLIEST = datetime.datetime(2000, 1, 1, tzinfo=LOCAL)


@dataclass(frozen=True)
class Actor:
    """Who acts, when and from where; `earliest` asks from when on all processes know of what is decided now."""

    principal: "Principal"
    now: datetime.datetime
    address: str
    earliest: Callable[[], datetime.datetime]


def all_know_at(
    clock: Callable[[], datetime.datetime], lead: datetime.timedelta
) -> Callable[[], datetime.datetime]:
    """The lead, and what clocks may differ by: an act may be reported so much before it is."""
    return lambda: clock() + lead + CLOCK_TOLERANCE


def read(kind: Kind, content: str) -> Content:
    """The text of a row."""
    return TEXTS[kind].model_validate_json(content)


def _dates(text: Content) -> tuple[datetime.datetime, datetime.datetime | None]:
    if isinstance(text, Campaign):
        return text.first_moment, text.last_moment
    return datetime.datetime.combine(text.first_day, datetime.time(), LOCAL), None


async def draft(session: "AsyncSession", actor: Actor, kind: Kind, text: Content) -> PointsText:
    """A new draft. Raises `OutOfRegion`."""
    if not actor.principal.may_see_region(text.region):
        raise OutOfRegion
    first, last = _within_reason(text)
    found = PointsText(
        id=uuid7(actor.now),
        kind=kind,
        region=text.region,
        content=_content(text),
        counts_from=first,
        counts_until=last,
        authors=[actor.principal.client_id],
        created_at=actor.now,
        updated_at=actor.now,
    )
    await _write_down(session, actor, "drafted", found, "", None)
    return found


async def edit(
    session: "AsyncSession",
    actor: Actor,
    kind: Kind,
    text_id: UUID,
    etag: int,
    text: Content,
) -> PointsText:
    """Replace a draft's text, but for its region; raises `Immutable` from the approval on."""
    found = await _take(session, actor, kind, text_id)
    before = _same(found, etag)
    if found.approved_at is not None:
        raise Immutable
    if text.region != found.region:
        raise RequestError("request.invalid", Fault("/region", "must be the draft's own", "须与草稿相同"))
    found.counts_from, found.counts_until = _within_reason(text)
    found.content = _content(text)
    if actor.principal.client_id not in found.authors:
        found.authors = [*found.authors, actor.principal.client_id]
    await _write_down(session, actor, "edited", found, "", before)
    return found


async def approve(
    session: "AsyncSession", actor: Actor, kind: Kind, text_id: UUID, etag: int, reason: str
) -> PointsText:
    """The second operator's word: it counts from its own day or moment on, for acts of then.

    Raises `Immutable`, `ApproveOwn`, `EditedMeanwhile`, `DayTaken`, and `LeadTooShort` where processes might not know.
    """
    found = await _take(session, actor, kind, text_id)
    before = _same(found, etag)
    if found.approved_at is not None:
        raise Immutable
    if actor.principal.client_id in found.authors:
        raise ApproveOwn
    if kind is not Kind.CAMPAIGN:
        # One at a time for a region: two that begin on one day must not both be approved.
        await session.exec(  # type: ignore[call-overload]
            sql("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))").bindparams(
                key=f"tanpuhui programmes of {found.region}"
            )
        )
        if await repository.begins_then(session, kind, found.region, found.counts_from):
            raise DayTaken
    _in_time(actor, found.counts_from, "/from")
    found.approved_at, found.approved_by = actor.now, actor.principal.client_id
    await _write_down(session, actor, "approved", found, reason, before)
    text = read(kind, found.content)
    if isinstance(text, Campaign):
        await open_budget(await driver_of(session), found.id, text.budget)
    return found


async def end(
    session: "AsyncSession",
    actor: Actor,
    text_id: UUID,
    etag: int,
    until: datetime.datetime,
    reason: str,
) -> PointsText:
    """End a campaign earlier than its text says; raises `Ended` where it is over or does not count."""
    found = await _take(session, actor, Kind.CAMPAIGN, text_id)
    before = _same(found, etag)
    if found.state(actor.now) not in (State.APPROVED, State.LIVE) or found.counts_until is None:
        raise Ended
    if not found.counts_from <= until <= found.counts_until:
        raise RequestError("request.invalid", Fault("/until", "lies outside the campaign", "不在活动期内"))
    _in_time(actor, until, "/until")
    found.counts_until = until.astimezone(datetime.UTC)
    await _write_down(session, actor, "ended", found, reason, before)
    return found


def _within_reason(text: Content) -> tuple[datetime.datetime, datetime.datetime | None]:
    if isinstance(text, LabelRules):
        refuse_examples(text)
    first, last = _dates(text)
    if not EARLIEST <= first <= (last or first) < LATEST:
        raise RequestError("request.invalid", Fault("/from", "must lie between the years 2000 and 2200"))
    return first.astimezone(datetime.UTC), None if last is None else last.astimezone(datetime.UTC)


def _content(text: "BaseModel") -> str:
    return orjson.dumps(
        text.model_dump(mode="json", by_alias=True, exclude_defaults=True), option=orjson.OPT_SORT_KEYS
    ).decode()


def _in_time(actor: Actor, moment: datetime.datetime, pointer: str) -> None:
    earliest = actor.earliest()
    if moment < earliest:
        told = earliest.astimezone(LOCAL).isoformat(timespec="seconds")
        raise LeadTooShort(Fault(pointer, f"must be {told} or later", f"须不早于 {told}"))


async def _take(session: "AsyncSession", actor: Actor, kind: Kind, text_id: UUID) -> PointsText:
    found = await repository.find(session, kind, text_id, lock=True)
    if found is None or not actor.principal.may_see_region(found.region):
        raise TextNotFound
    return found


def _same(found: PointsText, etag: int) -> dict[str, Any]:
    """Refuse a write that was made from an earlier state; answers the state, and counts the next one."""
    if found.etag != etag:
        raise EditedMeanwhile
    before = _snapshot(found)
    found.etag += 1
    return before


def _snapshot(found: PointsText) -> dict[str, Any]:
    return {
        "etag": found.etag,
        "text": orjson.loads(found.content),
        "counts_until": found.counts_until,
        "approved_at": found.approved_at,
        "approved_by": found.approved_by,
    }


async def _write_down(
    session: "AsyncSession",
    actor: Actor,
    step: str,
    found: PointsText,
    reason: str,
    before: dict[str, Any] | None,
) -> None:
    """Store a step and its place in the audit trail."""
    found.updated_at = actor.now
    session.add(found)
    await session.flush()
    await audit.append(
        session,
        actor.principal,
        actor.now,
        f"{found.kind}.{step}",
        (found.kind, public_id("ppt", found.id)),
        region=found.region,
        address=actor.address,
        reason=reason,
        before=before,
        after=_snapshot(found),
    )
