"""What a decided batch writes: rows for the tables of all packages, gathered in one pass. Pure."""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from accounts.ids import epoch_ms, uuid7_batch
from accounts.models import AccountKind, EntryKind
from app.crediting.models import Outcome
from dedup.periods import day_of
from dedup.repository import NOTHING_SEEN

if TYPE_CHECKING:
    from accounts.postings import Posting
    from accounts.repository import EntryRow
    from app.crediting.decision import Candidate, CapKey
    from app.crediting.repository import ActivityRow
    from app.crediting.rules import Rules
    from dedup.repository import IntervalRow
    from points.receivables import Owed

LotKey = tuple[UUID, int, datetime.date]
"""(holder, asset, expiry date)."""


@dataclass(slots=True)
class Bookings:
    """Rows of a batch; amounts of one holder, lot or cap window are added up."""

    activities: list["ActivityRow"] = field(default_factory=list)
    intervals: list["IntervalRow"] = field(default_factory=list)
    entries: list["EntryRow"] = field(default_factory=list)
    grams_mg: dict[UUID, int] = field(default_factory=dict)
    points: dict[UUID, int] = field(default_factory=dict)
    lots: dict[LotKey, int] = field(default_factory=dict)
    repaid: "Owed" = field(default_factory=dict)
    bonuses: list["Posting"] = field(default_factory=list)
    caps: dict["CapKey", int] = field(default_factory=dict)


def book(
    candidates: Sequence["Candidate"], rules: "Rules", now: datetime.datetime, owed: "Owed | None" = None
) -> Bookings:
    """Gather what decided candidates write at the moment of booking; what holders owe is repaid first."""
    bookings = Bookings()
    if not candidates:
        return bookings
    now_ms = epoch_ms(now)
    today = day_of(now_ms // 1000)
    aggregating = sum(1 for candidate in candidates if candidate.aggregated_mg)
    entry_ids = iter(uuid7_batch(now_ms, (3 if owed else 2) * len(candidates) + aggregating))
    for candidate in candidates:
        prepared = candidate.prepared
        if prepared.rule is None:
            continue
        tokens = b""
        if candidate.earns:
            tokens = _claim(candidate, bookings)
            if candidate.outcome is not Outcome.PENDING:
                add_credit(
                    bookings,
                    *(candidate.holder_id, candidate.activity_id),
                    (rules.asset(prepared.asset_key), candidate.co2e_mg) if candidate.co2e_mg else None,
                    (rules.asset(prepared.points_key), candidate.points) if candidate.points else None,
                    *(prepared.programme.expires_on(today), entry_ids.__next__),
                    owed=owed,
                )
            if candidate.aggregated_mg:
                _aggregate(candidate, bookings)
                if candidate.outcome is not Outcome.PENDING:
                    _book_aggregate(candidate, bookings, rules.asset(prepared.asset_key), next(entry_ids))
        elif candidate.outcome is Outcome.DUPLICATE:
            # Claimed by nobody: what it would claim, should the claim be moved to it.
            wanted = [token for _, token in candidate.whole]
            wanted += [interval[1] for interval in candidate.intervals]
            tokens = b"".join([token.bytes for token in wanted])
        bookings.activities.append(
            (
                candidate.holder_id,
                candidate.activity_id,
                prepared.source_id,
                prepared.scene,
                prepared.region,
                prepared.started_s,
                prepared.ended_s,
                prepared.evidence,
                orjson.dumps(prepared.inputs).decode(),
                candidate.outcome.value,
                candidate.reason,
                prepared.rule.methodology_id,
                candidate.co2e_mg,
                prepared.full_mg,
                candidate.points,
                candidate.winner_id,
                tokens,
                candidate.aggregated_mg,
            )
        )
    return bookings


def _claim(candidate: "Candidate", bookings: Bookings) -> bytes:
    prepared = candidate.prepared
    tokens = [token.bytes for _, token in candidate.whole]
    seen = candidate.seen or NOTHING_SEEN
    for _, token, day, start, end in candidate.intervals:
        tokens.append(token.bytes)
        bookings.intervals.append(
            (token, day, candidate.activity_id, start, end, prepared.started_s, prepared.ended_s, seen)
        )
    for cap, key in candidate.caps:
        bookings.caps[key] = cap.limit
    return b"".join(tokens)


def _aggregate(candidate: "Candidate", bookings: Bookings) -> None:
    """Gather the use of the platform's threshold, also of what waits."""
    if candidate.aggregation is None:
        raise ValueError("only with the person's consent")
    limit, key = candidate.aggregation
    bookings.caps[key] = limit


def _book_aggregate(candidate: "Candidate", bookings: Bookings, asset: int, entry_id: UUID) -> None:
    """Gather the platform's part: an entry beside the person's."""
    accounts = (AccountKind.ISSUANCE_SIDE, AccountKind.PLATFORM_AGGREGATE)
    bookings.entries.append(
        (
            *(candidate.holder_id, entry_id, candidate.activity_id, asset, EntryKind.CREDIT),
            *(*accounts, candidate.aggregated_mg),
        )
    )


def add_credit(
    bookings: Bookings,
    holder_id: UUID,
    activity_id: UUID,
    reduction: tuple[int, int] | None,
    points: tuple[int, int] | None,
    expires_on: datetime.date,
    next_id: Callable[[], UUID],
    *,
    owed: "Owed | None" = None,
) -> None:
    """Gather entries, balances and lot of one credit; reduction in mg and points as (asset, amount).

    What the holder owes is repaid first; `owed` is what is left of it.
    """
    if reduction is not None:
        asset, amount = reduction
        bookings.grams_mg[holder_id] = bookings.grams_mg.get(holder_id, 0) + amount
        accounts = (AccountKind.ISSUANCE_SIDE, AccountKind.HOLDER_OPEN)
        bookings.entries.append(
            (holder_id, next_id(), activity_id, asset, EntryKind.CREDIT, *accounts, amount)
        )
    if points is not None:
        asset, amount = points
        if owed and (debt := min(amount, owed.get((holder_id, asset), 0))):
            owed[holder_id, asset] -= debt
            bookings.repaid[holder_id, asset] = bookings.repaid.get((holder_id, asset), 0) + debt
            accounts = (AccountKind.PROGRAMME, AccountKind.HOLDER_OWED)
            bookings.entries.append(
                (holder_id, next_id(), activity_id, asset, EntryKind.REPAYMENT, *accounts, debt)
            )
            amount -= debt
            if not amount:
                return
        bookings.points[holder_id] = bookings.points.get(holder_id, 0) + amount
        lot = (holder_id, asset, expires_on)
        bookings.lots[lot] = bookings.lots.get(lot, 0) + amount
        accounts = (AccountKind.PROGRAMME, AccountKind.HOLDER_POINTS)
        bookings.entries.append(
            (holder_id, next_id(), activity_id, asset, EntryKind.CREDIT, *accounts, amount)
        )
