"""The one way an activity becomes a credit: methodology, claims, ledger and points in one commit.

`credit` runs inside a transaction that its caller commits. Locks are taken kind by kind, each in key order, and
what they guard is read by the next statement, so that nothing is decided on a snapshot from before the wait.
"""

import asyncio
import datetime
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import dedup.repository as claims
from accounts import repository as ledger
from accounts.ids import epoch_ms, uuid7_batch
from accounts.models import HolderStatus
from app.crediting import repository
from app.crediting.bookings import book
from app.crediting.decision import Candidate, State, decide, window_start
from app.crediting.models import Outcome
from points import repository as lots

if TYPE_CHECKING:
    import asyncpg

    from app.crediting.bookings import Bookings
    from app.crediting.prepare import Prepared, Preparer


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
    driver: "asyncpg.Connection",
    preparer: "Preparer",
    batch: Sequence["Prepared"],
    now: datetime.datetime,
    locking: asyncio.Lock | None,
) -> list[Result | None]:
    """Answer the reports of a batch, in order. Needs the assets of the batch to be known.

    Two batches of a thousand out of a million holders share one on average. So that one does not wait for all of
    the other, `locking` (one batch of a process at a time) takes the locks that are free and answers None for reports
    of busy holders. They are for a transaction of their own, without `locking`, which waits: it holds no lock before
    its first, and takes all in id order, so no two wait for each other.
    """
    first_of = _first_of_each_event(batch)
    indexes = list(first_of.values())
    answers = await _round(driver, preparer, [batch[index] for index in indexes], now, locking)
    results: dict[int, Result] = {
        index: answer for index, answer in zip(indexes, answers, strict=True) if answer is not None
    }
    repeats = [
        (index, first_of[p.receipt_token])
        for index, p in enumerate(batch)
        if first_of[p.receipt_token] != index
    ]
    # Where the first of an event is in conflict with a receipt, a repeat may be what the receipt is of.
    compared = [index for index, first in repeats if results.get(first) is CONFLICT]
    if compared:
        await _answer_known(driver, batch, compared, results)
    for index, first in repeats:
        if index not in results and first in results:
            results[index] = _again(batch[first], batch[index], results[first])
    return [results.get(index) for index in range(len(batch))]


async def _round(
    driver: "asyncpg.Connection",
    preparer: "Preparer",
    batch: Sequence["Prepared"],
    now: datetime.datetime,
    locking: asyncio.Lock | None,
) -> list[Result | None]:
    """Answer the reports whose holders' locks are free; without `locking` wait for the locks, and answer all."""
    eligible, busy = await _eligible(driver, batch, locking)
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
    driver: "asyncpg.Connection", batch: Sequence["Prepared"], locking: asyncio.Lock | None
) -> tuple[Eligible, set[int]]:
    """Lock the holders; answers who may be credited, and which reports are of holders that are busy."""
    tokens = {p.identity_token for p in batch if p.identity_token is not None and p.refusal not in MENDABLE}
    people = await ledger.resolve(driver, list(tokens)) if tokens else {}
    if not people:
        return {}, set()
    holders = list({person[0] for person in people.values()})
    if locking is None:
        statuses = await ledger.lock_holders(driver, holders)
    else:
        async with locking:
            statuses = await ledger.lock_holders(driver, holders, wait=False)
    eligible: Eligible = {}
    busy: set[int] = set()
    asked: list[tuple[int, UUID, UUID, str, datetime.datetime]] = []
    for index, p in enumerate(batch):
        person = people.get(p.identity_token) if p.identity_token is not None else None
        if person is None or p.rule is None or p.refusal in MENDABLE:
            continue
        status = statuses.get(person[0])
        if status is None and locking is not None:
            busy.add(index)
        elif status == HolderStatus.ACTIVE:
            eligible[index] = person
            asked.append((index, person[0], p.source_id, p.rule.scene_group, p.started_at))
    if asked:
        indexes, owners, sources, groups, moments = map(list, zip(*asked, strict=True))
        granted = set(await ledger.consented(driver, owners, sources, groups, moments))
        for place, index in enumerate(indexes, 1):
            rule = batch[index].rule
            if (place, False) not in granted or (rule and rule.movement and (place, True) not in granted):
                del eligible[index]
    return eligible, busy


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
    known = await repository.read_outcomes(driver, [r[2] for r in receipts.values()]) if receipts else {}
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
    await _write(driver, book(candidates, preparer.rules, now), state, now)


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
        holders = list({holder for holder, _, _ in keys})
        state.caps = await repository.read_caps(driver, holders, [window for _, _, window in keys])


async def _write(
    driver: "asyncpg.Connection", bookings: "Bookings", state: State, now: datetime.datetime
) -> None:
    await repository.write_activities(driver, bookings.activities)
    if bookings.intervals:
        await claims.write_interval_claims(driver, bookings.intervals)
    if bookings.caps:
        holders, names, windows = map(list, zip(*bookings.caps, strict=True))
        used = [state.caps[key] for key in bookings.caps]
        await repository.write_caps(driver, holders, names, windows, used, list(bookings.caps.values()))
    if bookings.entries:
        await ledger.write_entries(driver, bookings.entries, now)
        gainers = list(bookings.grams_mg.keys() | bookings.points.keys())
        await ledger.add_to_balances(
            driver,
            gainers,
            [bookings.grams_mg.get(holder, 0) for holder in gainers],
            [bookings.points.get(holder, 0) for holder in gainers],
        )
    if bookings.lots:
        owners, assets, expiries = map(list, zip(*bookings.lots, strict=True))
        await lots.add_to_lots(driver, owners, assets, expiries, list(bookings.lots.values()), now)
