"""Crediting a stored act later than its report: one that waited, one that a review held, one whose claim was moved.

Everything runs under the holder's lock, in the transaction of what decided it.
"""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID

import dedup.repository as claims
from accounts import repository as ledger
from accounts.ids import epoch_ms, uuid7_batch
from accounts.models import AccountKind, AssetKind, EntryKind
from app.crediting import repository, sameness
from app.crediting.bookings import Bookings, add_credit
from app.crediting.campaigns import Act, award, book_awards, write_awards
from app.crediting.decision import Candidate, State, decide, let_aggregate, window_start, windows_of
from app.crediting.errors import CapReached, ClaimHeld, WithoutConsent
from app.crediting.explanation import methodology_of
from app.crediting.models import Activity, Outcome
from app.crediting.prepare import EPOCH, SECOND, Prepared
from app.crediting.queries import collection_window
from app.crediting.rules import aggregation_key
from app.crediting.service import write_credits
from app.crediting.settlements import Settlement, settle
from app.webhooks.events import ACTIVITY_CREDITED
from app.webhooks.outbox import activity_event, tell
from dedup.periods import LOCAL, by_local_day, day_of, trimmed
from dedup.tokens import TOKEN_BYTES
from dedup.writes import Writes, columns
from points.receivables import read_owed

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.crediting.rules import Rules
    from dedup.repository import IntervalRow
    from methodologies import Methodology
    from points.programmes import Programme

MOVED = "moved"
"""Reason of an act that was credited in full since its claim was moved to it."""


def started_s_of(activity: Activity) -> int:
    """When the act began, in epoch seconds."""
    return (activity.started_at - EPOCH) // SECOND


def programme_of(rules: "Rules", activity: Activity) -> "Programme":
    """The points programme of the act's own day."""
    return rules.programme(activity.region, day_of(started_s_of(activity)))


def tokens_of(activity: Activity) -> list[UUID]:
    """The tokens that an act holds; of a duplicate those that it would have claimed."""
    held = activity.claim_tokens
    return [DriverUUID(held[start : start + TOKEN_BYTES]) for start in range(0, len(held), TOKEN_BYTES)]


async def check_consent(
    driver: ledger.Driver, rules: "Rules", methodology: "Methodology", activity: Activity
) -> bool:
    """Whether the source may take the reduction; raises `WithoutConsent` where there is none to credit by.

    A credit needs a consent that is live when it is booked, which is now. Read under the holder's lock.
    """
    scene = rules.catalogue.scenes()[methodology.scene]
    found = await ledger.consented(
        driver, [activity.holder_id], [activity.source_id], [scene.group], [activity.started_at]
    )
    granted = {group for _, group in found}
    if scene.group not in granted or (scene.movement and ledger.MOVEMENT not in granted):
        raise WithoutConsent
    return ledger.AGGREGATION in granted


async def book_stored(
    driver: ledger.Driver, rules: "Rules", activity: Activity, now: datetime.datetime, writes: Writes
) -> None:
    """Book what a stored act of a locked holder is credited: entries, balances, lots, campaigns, and tell of it.

    The act's own fields say how much, and its outcome what is told.
    """
    programme = programme_of(rules, activity)
    day = day_of(started_s_of(activity))
    reduction = (AssetKind.REDUCTION, activity.methodology_id, day.year, "")
    points = (AssetKind.POINTS, 0, 0, programme.key)
    # Known since the act was reported, though perhaps not to this process.
    assets = await ledger.know_assets(driver, [reduction, points])
    today = now.astimezone(LOCAL).date()
    owed = await read_owed(driver, [activity.holder_id])
    bookings = Bookings()
    next_id = iter(uuid7_batch(epoch_ms(now), 4)).__next__
    add_credit(
        bookings,
        *(activity.holder_id, activity.id),
        (assets[reduction], activity.co2e_mg) if activity.co2e_mg else None,
        (assets[points], activity.points) if activity.points else None,
        programme.expires_on(today),
        next_id,
        owed=owed,
    )
    if activity.aggregated_mg:
        accounts = (AccountKind.ISSUANCE_SIDE, AccountKind.PLATFORM_AGGREGATE)
        of = (activity.holder_id, next_id(), activity.id, assets[reduction], EntryKind.CREDIT)
        bookings.entries.append((*of, *accounts, activity.aggregated_mg))
    awards = await award(driver, _acts(rules, activity, programme, assets[points], today), today)
    book_awards(bookings, awards, owed)
    write_credits(writes, bookings, now)
    write_awards(writes, awards)
    told = activity_event(
        *(ACTIVITY_CREDITED, activity.source_id, activity.id),
        *(activity.outcome, activity.co2e_mg, activity.points),
    )
    tell(writes, [told], now)


def _acts(
    rules: "Rules", activity: Activity, programme: "Programme", asset: int, today: datetime.date
) -> list[Act]:
    campaigns = rules.campaigns.of(activity.region, activity.scene, activity.started_at)
    if not campaigns or not programme.counts(activity.evidence):
        return []
    day = day_of(started_s_of(activity))
    expires_on = programme.expires_on(today)
    return [Act(activity.holder_id, activity.id, asset, day, expires_on, activity.points, campaigns)]


@dataclass(frozen=True)
class Cause:
    """What decided that an act is credited after all, and the reason that it is credited with where nothing else is."""

    kind: str
    id: UUID
    reason: str = MOVED


async def credit_after_all(
    session: "AsyncSession",
    driver: ledger.Driver,
    rules: "Rules",
    activity: Activity,
    cause: Cause,
    now: datetime.datetime,
) -> None:
    """Claim and credit an act that was refused, by its own text and day, with what its caps leave now.

    Its holder is locked. Raises `WithoutConsent`, `ClaimHeld` or `CapReached`; nothing is stored then.
    """
    methodology = await methodology_of(session, rules, activity.methodology_id)
    programme = programme_of(rules, activity)
    aggregates = await check_consent(driver, rules, methodology, activity)
    writes = Writes()
    if rows := await _claim(driver, activity):
        claims.write_interval_claims(writes, rows)
    candidate = _candidate(rules, activity, methodology, aggregates=aggregates)
    rule = candidate.prepared.rule
    windows = windows_of(rule, candidate.prepared.started_s) if rule is not None else set()
    state = State(caps=await repository.read_caps(driver, [activity.holder_id], windows) if windows else {})
    decide([candidate], state)
    if not candidate.earns:
        raise CapReached
    outcome, waits = candidate.outcome, candidate.outcome is Outcome.PENDING
    full = candidate.co2e_mg + candidate.aggregated_mg == activity.full_mg
    session.expunge(activity)  # its row is written by a statement of its own
    before = Settlement.standing(activity)
    activity.outcome, activity.reason = outcome, candidate.reason or cause.reason
    activity.co2e_mg, activity.aggregated_mg = candidate.co2e_mg, candidate.aggregated_mg
    activity.points = candidate.points
    if waits and not still_waits(methodology, activity, programme, now):
        waits = False
        activity.outcome = Outcome.CREDITED if full else Outcome.CAPPED
    await settle(driver, activity, before, cause.kind, cause.id, now)
    limits = {key: cap.limit for cap, key in candidate.caps}
    if candidate.aggregated_mg and candidate.aggregation is not None:
        limits[candidate.aggregation[1]] = candidate.aggregation[0]
    if limits:
        holders, names, starts = columns(list(limits))
        used = [state.caps[key] for key in limits]
        repository.write_caps(writes, holders, names, starts, used, list(limits.values()))
    if not waits:
        await book_stored(driver, rules, activity, now, writes)
    await writes.execute(driver)


def still_waits(
    methodology: "Methodology", activity: Activity, programme: "Programme", now: datetime.datetime
) -> bool:
    """Whether a pending act can still be collected: one that was decided later than that is booked at once."""
    window = collection_window(methodology, activity, programme)
    return window is not None and now < window[1]


async def _claim(driver: ledger.Driver, activity: Activity) -> "list[IntervalRow]":
    """Take the tokens that a refused act would have claimed; raises `ClaimHeld` where one is another's.

    Which of them are claimed for a period tells the row that locked them at intake.
    """
    tokens = tokens_of(activity)
    if not tokens:
        return []
    start_s = started_s_of(activity)
    end_s = (activity.ended_at - EPOCH) // SECOND
    days = await claims.interval_days(driver, tokens, day_of(start_s), day_of(end_s))
    whole = {token: activity.id for token in tokens if token not in days}
    _, free, _ = await claims.acquire(driver, (), whole, list(days.items()))
    if free != whole.keys():
        raise ClaimHeld
    if not days:
        return []
    pieces = {day: (start, end) for day, start, end in by_local_day(*trimmed(start_s, end_s))}
    held = await claims.read_interval_claims(driver, list(days), list(days.values()))
    for token, starts_at, ends_at, *_ in held:
        start, end = pieces[days[token]]
        if start < int(ends_at.timestamp()) and int(starts_at.timestamp()) < end:
            raise ClaimHeld
    seen = sameness.seen_of(activity.source_id, activity.scene, start_s, activity.inputs)
    return [(token, day, activity.id, *pieces[day], start_s, end_s, seen) for token, day in days.items()]


def _candidate(
    rules: "Rules", activity: Activity, methodology: "Methodology", *, aggregates: bool
) -> Candidate:
    """The act as the crediting's decision takes it; its claims are taken already."""
    p = Prepared()
    p.source_id, p.scene, p.region = activity.source_id, activity.scene, activity.region
    p.evidence, p.started_s = activity.evidence, started_s_of(activity)
    p.rule = rule = rules.rule_of(methodology, activity.methodology_id)
    p.programme = programme_of(rules, activity)
    p.inputs = activity.inputs
    p.refusal = None
    p.full_mg, p.quantified_mg = activity.full_mg, methodology.quantify(activity.inputs)
    candidate = Candidate(p, (activity.holder_id, b""), activity.id)
    candidate.caps = [
        (cap, (activity.holder_id, cap.key, window_start(cap.per, p.started_s))) for cap in rule.caps
    ]
    # What waits is collected by the person alone.
    if aggregates and not rule.collected and p.programme.collection is None:
        let_aggregate(candidate)
    return candidate


async def give_back_caps(
    driver: ledger.Driver, methodology: "Methodology", rules: "Rules", activity: Activity
) -> None:
    """Return what a counted act of a locked holder used of its caps, to the windows of its own day."""
    rule = rules.rule_of(methodology, activity.methodology_id)
    started_s = started_s_of(activity)
    for cap in rule.caps:
        amount = 1 if cap.counted else activity.co2e_mg + activity.aggregated_mg
        window = window_start(cap.per, started_s)
        await repository.return_headroom(driver, activity.holder_id, cap.key, window, amount)
    if activity.aggregated_mg and rule.aggregation is not None:
        key = aggregation_key(rule.aggregation, activity.source_id)
        window = window_start(rule.aggregation.per, started_s)
        await repository.return_headroom(driver, activity.holder_id, key, window, activity.aggregated_mg)
