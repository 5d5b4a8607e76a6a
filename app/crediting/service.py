"""The one way an activity becomes a credit: methodology, claims, ledger and points in one commit.

`credit` runs inside a transaction that its caller commits. Locks are taken kind by kind, each in key order, and
what they guard is read by functions that see what is true behind them, and not a snapshot from before the wait.
"""

import asyncio
import contextlib
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
from accounts.postings import append_entries
from app.crediting import repository, sameness
from app.crediting.bookings import book
from app.crediting.campaigns import acts_of, award, book_awards, write_awards
from app.crediting.comparisons import write_comparisons
from app.crediting.corroboration import write_corroborations
from app.crediting.decision import Candidate, State, decide, let_aggregate, window_start, windows_of
from app.crediting.models import Outcome
from app.neighbours.repository import write_ledger
from app.review import signals
from app.webhooks import outbox
from dedup.periods import day_of
from dedup.writes import Writes, columns
from points import receivables
from points import repository as lots

if TYPE_CHECKING:
    import asyncpg

    from app.crediting.bookings import Bookings
    from app.crediting.campaigns import Awards
    from app.crediting.prepare import Prepared, Preparer
    from app.neighbours.repository import LedgerRow


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
    aggregated_mg: int = 0


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
    state = State(clocks=preparer.rules.clocks)
    eligible, aggregating, busy, owing = await _eligible(driver, batch, state, locking)
    new = await _acquire(driver, preparer, batch, eligible, state, now) if eligible else {}
    results: dict[int, Result] = {}
    others = [index for index in range(len(batch)) if index not in new and index not in busy]
    if others:
        await _answer_known(driver, batch, others, results)
    if eligible:
        candidates = list(new.values())
        for index in aggregating & new.keys():
            let_aggregate(new[index])
        weighed = signals.NOTHING
        if preparer.rules.reviews:
            weighed = await signals.weigh(driver, preparer.rules.reviews, candidates, state)
        decide(candidates, state)
        owed = await receivables.read_owed(driver, list(owing)) if owing else None
        bookings = book(candidates, preparer.rules, now, owed)
        awards = None
        if preparer.rules.campaigns:
            today = day_of(int(now.timestamp()))
            awards = await award(driver, acts_of(candidates, preparer.rules, today), today)
            book_awards(bookings, awards, owed)
        events = outbox.credited(preparer.listeners, candidates)
        exchanged = await preparer.ledger.rows(driver, preparer, candidates) if preparer.ledger else ()
        await _write(driver, bookings, state, now, awards, events, weighed, candidates, exchanged)
        for index, candidate in new.items():
            results[index] = Result(
                candidate.outcome,
                candidate.reason,
                candidate.activity_id,
                candidate.co2e_mg,
                candidate.points,
                candidate.winner_id,
                aggregated_mg=candidate.aggregated_mg,
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
        aggregated_mg=result.aggregated_mg,
    )


Eligible = dict[int, tuple[UUID, bytes]]
"""Index in the batch → (holder, person key) of the reports that may be credited as far as consent goes."""


async def _eligible(
    driver: "asyncpg.Connection", batch: Sequence["Prepared"], state: State, locking: asyncio.Lock | None
) -> tuple[Eligible, set[int], set[int], set[UUID]]:
    """Lock the holders and read what their locks guard.

    Answers who may be credited, whose reductions the source may take, who is busy, who owes.
    """
    indexes: list[int] = []
    asked: list[tuple[UUID, UUID, str, datetime.datetime]] = []
    windows: set[datetime.date] = set()
    for index, p in enumerate(batch):
        if p.identity_token is not None and p.rule is not None and p.refusal not in MENDABLE:
            indexes.append(index)
            asked.append((p.identity_token, p.source_id, p.rule.scene_group, p.started_at))
            windows.update(windows_of(p.rule, p.started_s))
    if not asked:
        return {}, set(), set(), set()
    async with locking or contextlib.nullcontext():
        people = await repository.lock_people(driver, asked, windows, wait=locking is None)
    state.caps = people.caps
    eligible: Eligible = {}
    busy: set[int] = set()
    aggregating: set[int] = set()
    for place, (index, (token, _, group, _)) in enumerate(zip(indexes, asked, strict=True), 1):
        person = people.known.get(token)
        if person is None:
            continue
        status = people.statuses.get(person[0])
        if status is None and locking is not None:
            busy.add(index)
            continue
        rule = batch[index].rule
        if (
            status != HolderStatus.ACTIVE
            or (place, group) not in people.granted
            or (rule and rule.movement and (place, ledger.MOVEMENT) not in people.granted)
        ):
            continue
        eligible[index] = person
        if rule and rule.aggregation and (place, ledger.AGGREGATION) in people.granted:
            aggregating.add(index)
    return eligible, aggregating, busy, people.owing


async def _acquire(
    driver: "asyncpg.Connection",
    preparer: "Preparer",
    batch: Sequence["Prepared"],
    eligible: Eligible,
    state: State,
    now: datetime.datetime,
) -> dict[int, Candidate]:
    """Take the receipts and every token that is claimed; read who holds those that are not free.

    Answers the candidates whose receipts are new. Tokens of the others are taken too, for one statement is faster than
    two, and given back when the batch is written.
    """
    ids = uuid7_batch(epoch_ms(now), len(eligible))
    candidates = {
        index: _candidate(preparer, batch[index], person, activity_id)
        for (index, person), activity_id in zip(eligible.items(), ids, strict=True)
    }
    wanted: dict[UUID, UUID] = {}
    for candidate in candidates.values():
        for _, token in candidate.whole:
            wanted.setdefault(token, candidate.activity_id)
    intervals = {(token, day) for c in candidates.values() for _, token, day, _, _ in c.intervals}
    intervals.update(near for c in candidates.values() for near in c.near)
    held = await claims.take(
        driver,
        [(c.prepared.receipt_token, c.prepared.mac, c.holder_id, c.activity_id) for c in candidates.values()],
        wanted,
        intervals,
    )
    state.acquired, state.whole = held.acquired, held.whole
    state.intervals, state.seen = held.intervals, held.seen
    return {index: c for index, c in candidates.items() if c.prepared.receipt_token in held.receipts}


def _candidate(
    preparer: "Preparer", prepared: "Prepared", person: tuple[UUID, bytes], activity_id: UUID
) -> Candidate:
    candidate = Candidate(prepared, person, activity_id)
    candidate.elsewhere = prepared.elsewhere is True
    if prepared.refusal is None and prepared.rule is not None:
        candidate.whole, candidate.intervals = preparer.claims(prepared, candidate.person_key)
        sameness.arm(candidate, preparer.tokens)
        candidate.caps = [
            (cap, (candidate.holder_id, cap.key, window_start(cap.per, prepared.started_s)))
            for cap in prepared.rule.caps
        ]
    return candidate


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
                Outcome(row[1]),
                row[2],
                row[0],
                row[3],
                row[4],
                row[5],
                row[6],
                replayed=True,
                aggregated_mg=row[7],
            )


def _correct_whole(writes: Writes, state: State) -> None:
    """Tokens were acquired for the first act that wanted them; give each to the act that got the credit."""
    moved = [token for token, owner in state.acquired.items() if state.whole.get(token, owner) != owner]
    if moved:
        claims.hand_over_whole(writes, moved, [state.whole[token] for token in moved])
    unused = [token for token in state.acquired if token not in state.whole]
    if unused:
        claims.release_whole(writes, unused, [state.acquired[token] for token in unused])


async def _write(
    driver: "asyncpg.Connection",
    bookings: "Bookings",
    state: State,
    now: datetime.datetime,
    awards: "Awards | None",
    events: Sequence[outbox.Event],
    weighed: signals.Weighed,
    candidates: Sequence[Candidate],
    exchanged: "Sequence[LedgerRow]",
) -> None:
    writes = Writes()
    if exchanged:
        write_ledger(writes, exchanged, now)
    signals.write(writes, weighed, now)
    write_comparisons(writes, candidates)
    write_corroborations(writes, candidates, now)
    _correct_whole(writes, state)
    if bookings.activities:
        repository.write_activities(writes, bookings.activities)
    if bookings.intervals:
        claims.write_interval_claims(writes, bookings.intervals)
    if bookings.caps:
        holders, names, windows = columns(list(bookings.caps))
        used = [state.caps[key] for key in bookings.caps]
        repository.write_caps(writes, holders, names, windows, used, list(bookings.caps.values()))
    write_credits(writes, bookings, now)
    if awards is not None:
        write_awards(writes, awards)
    outbox.tell(writes, events, now)
    await writes.execute(driver)


def write_credits(writes: Writes, bookings: "Bookings", now: datetime.datetime) -> None:
    """Book what the bookings credit: entries, balances, lots and what is repaid of locked holders."""
    if bookings.entries:
        ledger.write_entries(writes, bookings.entries, now)
    append_entries(writes, bookings.bonuses, now)
    repaid: dict[UUID, int] = {}
    for (holder, _), points in bookings.repaid.items():
        repaid[holder] = repaid.get(holder, 0) + points
    if gainers := list(bookings.grams_mg.keys() | bookings.points.keys() | repaid.keys()):
        ledger.add_to_balances(
            writes,
            gainers,
            [bookings.grams_mg.get(holder, 0) for holder in gainers],
            [bookings.points.get(holder, 0) for holder in gainers],
            [-repaid.get(holder, 0) for holder in gainers] if repaid else None,
        )
    receivables.repay(writes, bookings.repaid)
    if bookings.lots:
        owners, assets, expiries = columns(list(bookings.lots))
        lots.add_to_lots(writes, owners, assets, expiries, list(bookings.lots.values()), now)
