"""The one way an activity becomes a credit: methodology, claims, ledger and points in one commit.

`credit` runs inside a transaction that its caller commits. Locks are taken kind by kind, each in key order, and
what they guard is read by the next statement, so that nothing is decided on a snapshot from before the wait.
"""

import datetime
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

import dedup.repository as claims
from accounts import repository as ledger
from accounts.ids import epoch_ms, uuid7_batch
from accounts.models import AccountKind, EntryKind, HolderStatus
from app.crediting import repository
from app.crediting.decision import Candidate, State, decide, window_start
from app.crediting.models import Outcome
from dedup.periods import day_of
from points import repository as lots

if TYPE_CHECKING:
    import asyncpg

    from app.crediting.prepare import Prepared, Preparer

MOVEMENT = "movement"
NEVER = datetime.datetime.max.replace(tzinfo=datetime.UTC)


@dataclass(slots=True)
class Result:
    """What a report is answered with. Amounts in mg and points."""

    outcome: Outcome
    reason: str | None = None
    activity_id: UUID | None = None
    co2e_mg: int = 0
    points: int = 0
    winner_id: UUID | None = None
    reversed_at: datetime.datetime | None = None
    replayed: bool = False


NO_CONSENT = Result(Outcome.REJECTED, "no_consent")
MENDABLE = {reason: Result(Outcome.REJECTED, reason) for reason in ("no_methodology", "in_future")}
"""Refusals that leave no receipt beside `no_consent`: the same report may come again and be credited."""
CONFLICT = Result(Outcome.REJECTED, "event_id_conflict")


async def credit(
    driver: "asyncpg.Connection", preparer: "Preparer", batch: Sequence["Prepared"], now: datetime.datetime
) -> list[Result]:
    """Answer every report of a batch, in order. Needs the assets of the batch to be known.

    Two batches of a thousand out of a million holders share one on average. So that one does not wait for all of
    the other, holders that are busy are left to a second round at the end of the same transaction.
    """
    first_of = _first_of_each_event(batch)
    results: dict[int, Result] = {}
    open_ = list(first_of.values())
    for patient in (False, True):
        answers = await _round(driver, preparer, [batch[index] for index in open_], now, patient=patient)
        results.update(
            (index, answer) for index, answer in zip(open_, answers, strict=True) if answer is not None
        )
        open_ = [index for index, answer in zip(open_, answers, strict=True) if answer is None]
        if not open_:
            break
    repeats = [index for index, prepared in enumerate(batch) if first_of[prepared.receipt_token] != index]
    # Where the first of an event is in conflict with a receipt, a repeat may be what the receipt is of.
    compared = [index for index in repeats if results[first_of[batch[index].receipt_token]] is CONFLICT]
    if compared:
        await _answer_known(driver, batch, compared, results)
    for index in repeats:
        if index not in results:
            first = first_of[batch[index].receipt_token]
            results[index] = _again(batch[first], batch[index], results[first])
    return [results[index] for index in range(len(batch))]


async def _round(
    driver: "asyncpg.Connection",
    preparer: "Preparer",
    batch: Sequence["Prepared"],
    now: datetime.datetime,
    *,
    patient: bool,
) -> list[Result | None]:
    """Answer the reports whose holders' locks are free; a patient round waits for them, and answers all."""
    eligible, busy = await _eligible(driver, batch, patient=patient)
    new = await _acquire_receipts(driver, batch, eligible, now)
    results: dict[int, Result] = {}
    others = [index for index in range(len(batch)) if index not in new and index not in busy]
    if others:
        await _answer_known(driver, batch, others, results)
    if new:
        await _settle(driver, preparer, list(new.values()), now)
        for index, candidate in new.items():
            results[index] = Result(
                candidate.outcome,
                candidate.reason,
                candidate.activity_id,
                candidate.co2e_mg,
                candidate.points,
                candidate.winner_id,
            )
    return [results.get(index) for index in range(len(batch))]


def _first_of_each_event(batch: Sequence["Prepared"]) -> dict[UUID, int]:
    first_of: dict[UUID, int] = {}
    for index, prepared in enumerate(batch):
        first_of.setdefault(prepared.receipt_token, index)
    return first_of


def _again(first: "Prepared", prepared: "Prepared", result: Result) -> Result:
    if result.activity_id is None:
        return result
    if not hmac.compare_digest(first.mac, prepared.mac):
        return CONFLICT
    return Result(
        result.outcome,
        result.reason,
        result.activity_id,
        result.co2e_mg,
        result.points,
        result.winner_id,
        result.reversed_at,
        replayed=True,
    )


Eligible = dict[int, tuple[UUID, bytes]]
"""Index in the batch → (holder, person key) of the reports that may be credited as far as consent goes."""


async def _eligible(
    driver: "asyncpg.Connection", batch: Sequence["Prepared"], *, patient: bool
) -> tuple[Eligible, set[int]]:
    """Lock the holders; answers who may be credited, and which reports are of holders that are busy."""
    tokens = {p.identity_token for p in batch if p.identity_token is not None and p.refusal not in MENDABLE}
    people = await ledger.resolve(driver, list(tokens)) if tokens else {}
    if not people:
        return {}, set()
    statuses = await ledger.lock_holders(
        driver, list({person[0] for person in people.values()}), wait=patient
    )
    pairs = {
        (person[0], p.source_id)
        for p in batch
        if p.identity_token is not None and (person := people.get(p.identity_token)) and person[0] in statuses
    }
    live = await _live_consents(driver, pairs)
    eligible: Eligible = {}
    busy: set[int] = set()
    for index, p in enumerate(batch):
        person = people.get(p.identity_token) if p.identity_token is not None else None
        if person is None or p.rule is None or p.refusal in MENDABLE:
            continue
        holder_id = person[0]
        status = statuses.get(holder_id)
        if status is None and not patient:
            busy.add(index)
            continue
        granted = live.get((holder_id, p.source_id, p.rule.scene_group), NEVER)
        if p.rule.movement:
            granted = max(granted, live.get((holder_id, p.source_id, MOVEMENT), NEVER))
        if status == HolderStatus.ACTIVE and granted <= p.started_at:
            eligible[index] = person
    return eligible, busy


async def _live_consents(
    driver: "asyncpg.Connection", pairs: set[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID, str], datetime.datetime]:
    """(holder, source, group) → since when a consent that is not withdrawn has been live."""
    live: dict[tuple[UUID, UUID, str], datetime.datetime] = {}
    if pairs:
        for holder, source, group, granted in await ledger.read_consents(
            driver, [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        ):
            key = (holder, source, group)
            known = live.get(key)
            if known is None or granted < known:
                live[key] = granted
    return live


async def _acquire_receipts(
    driver: "asyncpg.Connection", batch: Sequence["Prepared"], eligible: Eligible, now: datetime.datetime
) -> dict[int, Candidate]:
    if not eligible:
        return {}
    ids = uuid7_batch(epoch_ms(now), len(eligible))
    acquired = await claims.acquire_receipts(
        driver,
        [batch[index].receipt_token for index in eligible],
        [batch[index].mac for index in eligible],
        [person[0] for person in eligible.values()],
        ids,
    )
    return {
        index: Candidate(batch[index], person, activity_id)
        for (index, person), activity_id in zip(eligible.items(), ids, strict=True)
        if batch[index].receipt_token in acquired
    }


async def _answer_known(
    driver: "asyncpg.Connection",
    batch: Sequence["Prepared"],
    others: Sequence[int],
    results: dict[int, Result],
) -> None:
    """Answer the reports that are not new: replays with the present state, the rest with what to mend."""
    receipts = await claims.read_receipts(driver, list({batch[index].receipt_token for index in others}))
    known = (
        await repository.read_outcomes(
            driver, [r[1] for r in receipts.values()], [r[2] for r in receipts.values()]
        )
        if receipts
        else {}
    )
    for index in others:
        prepared = batch[index]
        receipt = receipts.get(prepared.receipt_token)
        if receipt is None:
            results[index] = MENDABLE.get(prepared.refusal or "", NO_CONSENT)
        elif not hmac.compare_digest(receipt[0], prepared.mac):
            results[index] = CONFLICT
        elif (row := known.get(receipt[2])) is not None:
            results[index] = Result(
                Outcome(row[1]), row[2], row[0], row[3], row[4], row[5], row[6], replayed=True
            )


async def _settle(
    driver: "asyncpg.Connection", preparer: "Preparer", candidates: list[Candidate], now: datetime.datetime
) -> None:
    """Lock, read, decide, write."""
    for candidate in candidates:
        prepared = candidate.prepared
        if prepared.refusal is None and prepared.rule is not None:
            candidate.whole, candidate.intervals = preparer.claims(prepared, candidate.person_key)
            candidate.caps = [
                (cap, (candidate.holder_id, cap.key, window_start(cap.per, prepared.started_s)))
                for cap in prepared.rule.caps
            ]
    state = State()
    acquired = await _lock_whole(driver, candidates, state)
    await _lock_intervals(driver, candidates, state)
    await _read_caps(driver, candidates, state)
    decide(candidates, state)
    await _correct_whole(driver, acquired, state)
    await _write(driver, preparer, candidates, state, now)


async def _lock_whole(
    driver: "asyncpg.Connection", candidates: list[Candidate], state: State
) -> dict[UUID, UUID]:
    wanted: dict[UUID, UUID] = {}
    for candidate in candidates:
        for _, token in candidate.whole:
            wanted.setdefault(token, candidate.activity_id)
    if not wanted:
        return {}
    acquired = await claims.acquire_whole(driver, list(wanted), list(wanted.values()))
    while missing := [token for token in wanted if token not in acquired and token not in state.whole]:
        state.whole.update(await claims.read_whole(driver, missing))
        # Released between the two statements: claim it after all.
        if freed := [token for token in missing if token not in state.whole]:
            acquired |= await claims.acquire_whole(driver, freed, [wanted[token] for token in freed])
    return {token: wanted[token] for token in acquired}


async def _correct_whole(driver: "asyncpg.Connection", acquired: dict[UUID, UUID], state: State) -> None:
    """Tokens were acquired for the first act that wanted them; give each to the act that got the credit."""
    moved = [token for token, owner in acquired.items() if state.whole.get(token, owner) != owner]
    if moved:
        await claims.hand_over_whole(driver, moved, [state.whole[token] for token in moved])
    unused = [token for token in acquired if token not in state.whole]
    if unused:
        await claims.release(driver, unused, [acquired[token] for token in unused])


async def _lock_intervals(driver: "asyncpg.Connection", candidates: list[Candidate], state: State) -> None:
    keys = {(token, day) for candidate in candidates for _, token, day, _, _ in candidate.intervals}
    if not keys:
        return
    used = await claims.lock_interval_tokens(driver, [key[0] for key in keys], [key[1] for key in keys])
    if used:
        for token, start, end, owner in await claims.read_interval_claims(
            driver, [key[0] for key in used], [key[1] for key in used]
        ):
            state.intervals.setdefault(token, []).append(
                (int(start.timestamp()), int(end.timestamp()), owner)
            )


async def _read_caps(driver: "asyncpg.Connection", candidates: list[Candidate], state: State) -> None:
    keys = {key for candidate in candidates for _, key in candidate.caps}
    if keys:
        holders, rules, windows = map(list, zip(*keys, strict=True))
        state.caps = await repository.read_caps(driver, holders, rules, windows)


async def _write(
    driver: "asyncpg.Connection",
    preparer: "Preparer",
    candidates: list[Candidate],
    state: State,
    now: datetime.datetime,
) -> None:
    activities = []
    intervals: list[claims.IntervalRow] = []
    entries: list[ledger.EntryRow] = []
    gains: dict[UUID, list[int]] = {}
    earned: dict[tuple[UUID, int, datetime.date], int] = {}
    caps: dict[tuple[UUID, str, datetime.date], int] = {}
    booked = day_of(epoch_ms(now) // 1000)
    rules = preparer.rules
    entry_ids = iter(uuid7_batch(epoch_ms(now), 2 * len(candidates)))
    for c in candidates:
        p = c.prepared
        if p.rule is None:
            continue
        tokens = b""
        if c.earns:
            tokens = b"".join([t.bytes for _, t in c.whole] + [i[1].bytes for i in c.intervals])
            for _, token, day, start, end in c.intervals:
                intervals.append(
                    (token, day, c.activity_id, _moment(start), _moment(end), p.started_at, p.ended_at)
                )
            for cap, key in c.caps:
                caps[key] = cap.limit
            gain = gains.setdefault(c.holder_id, [0, 0])
            gain[0] += c.co2e_mg
            gain[1] += c.points
            if c.co2e_mg:
                entries.append(
                    (
                        c.holder_id,
                        next(entry_ids),
                        c.activity_id,
                        rules.asset(p.asset_key),
                        EntryKind.CREDIT,
                        AccountKind.ISSUANCE_SIDE,
                        AccountKind.HOLDER_OPEN,
                        c.co2e_mg,
                        now,
                    )
                )
            if c.points:
                asset = rules.asset(p.points_key)
                entries.append(
                    (
                        c.holder_id,
                        next(entry_ids),
                        c.activity_id,
                        asset,
                        EntryKind.CREDIT,
                        AccountKind.PROGRAMME,
                        AccountKind.HOLDER_POINTS,
                        c.points,
                        now,
                    )
                )
                lot = (c.holder_id, asset, p.programme.expires_on(booked))
                earned[lot] = earned.get(lot, 0) + c.points
        activities.append(
            (
                c.holder_id,
                c.activity_id,
                p.source_id,
                p.scene,
                p.region,
                p.started_at,
                p.ended_at,
                p.evidence,
                orjson.dumps(p.inputs).decode(),
                c.outcome,
                c.reason,
                p.rule.methodology_id,
                c.co2e_mg,
                p.full_mg,
                c.points,
                c.winner_id,
                tokens,
            )
        )
    await repository.write_activities(driver, activities)
    if intervals:
        await claims.write_interval_claims(driver, intervals)
    if caps:
        holders, names, windows = map(list, zip(*caps, strict=True))
        used = [state.caps[key] for key in caps]
        await repository.write_caps(driver, holders, names, windows, used, list(caps.values()))
    if entries:
        await ledger.write_entries(driver, entries)
        await ledger.add_to_balances(
            driver, list(gains), [gain[0] for gain in gains.values()], [gain[1] for gain in gains.values()]
        )
    if earned:
        owners, assets, expiries = map(list, zip(*earned, strict=True))
        await lots.add_to_lots(driver, owners, assets, expiries, list(earned.values()), now)


def _moment(epoch_s: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(epoch_s, datetime.UTC)
