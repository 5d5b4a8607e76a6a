"""Decides a batch from what was read under its locks. Pure: item order in, outcomes and writes out.

The state is everything that the batch's tokens, caps and holders hold; deciding an item changes it for those
behind it, exactly as if they had come one after the other.
"""

import datetime
import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from app.crediting import sameness
from app.crediting.models import Outcome
from app.crediting.rules import aggregation_key
from dedup.periods import day_of
from dedup.sightings import Clocks

if TYPE_CHECKING:
    from app.crediting.prepare import Interval, Prepared
    from app.crediting.rules import CapRule, Rule
    from dedup.repository import Remembered, Seen

HOLDING = frozenset({Outcome.CREDITED, Outcome.CAPPED, Outcome.PENDING})

HELD = "held_for_review"


class Verdict(enum.StrEnum):
    """What signals have done with an act, where an operator said so."""

    HOLD = "hold"
    REJECT = "reject"


CapKey = tuple[UUID, str, datetime.date]
"""(holder, rule, first day of the window)."""


class Candidate:
    """A report with a consent and a receipt: it will be kept, whatever the outcome."""

    __slots__ = (
        "activity_id",
        "aggregated_mg",
        "aggregation",
        "caps",
        "co2e_mg",
        "comparison",
        "elsewhere",
        "holder_id",
        "intervals",
        "near",
        "outcome",
        "person_key",
        "points",
        "prepared",
        "reason",
        "seen",
        "verdict",
        "whole",
        "winner_id",
    )

    def __init__(self, prepared: "Prepared", person: tuple[UUID, bytes], activity_id: UUID) -> None:
        self.prepared = prepared
        self.holder_id, self.person_key = person
        self.activity_id = activity_id
        self.whole: list[tuple[str, UUID]] = []
        self.intervals: list[Interval] = []
        self.near: list[tuple[UUID, datetime.date]] = []
        """Tokens of the days next to those of the act, where something within reach of it may be held."""
        self.seen: Seen | None = None
        """What later acts of the person are compared with; None where it claims no time of a person."""
        self.comparison: dict[str, Any] | None = None
        self.caps: list[tuple[CapRule, CapKey]] = []
        self.aggregation: tuple[int, CapKey] | None = None
        """Where the person lets the platform take the reduction: the threshold in mg, and its window."""
        self.verdict: Verdict | None = None
        self.elsewhere = False
        """Whether a neighbour's claim excludes it."""
        self.outcome = Outcome.REJECTED
        self.reason: str | None = None
        self.winner_id: UUID | None = None
        self.co2e_mg = 0
        self.aggregated_mg = 0
        self.points = 0

    @property
    def earns(self) -> bool:
        """Whether the act holds its claims."""
        return self.outcome in HOLDING


@dataclass(slots=True)
class State:
    """What the database held when the locks were taken, and what the batch adds to it."""

    acquired: dict[UUID, UUID] = field(default_factory=dict)
    """Whole tokens that were free, each with the activity that has it in the database for now."""
    whole: dict[UUID, UUID] = field(default_factory=dict)
    intervals: dict[UUID, list[tuple[int, int, UUID]]] = field(default_factory=dict)
    seen: "dict[UUID, Remembered]" = field(default_factory=dict)
    """Of the activities among `intervals` what later ones are compared with, where it was kept."""
    caps: dict[CapKey, int] = field(default_factory=dict)
    clocks: Clocks = field(default_factory=Clocks, compare=False)
    """What is known of how far the sources' clocks are apart."""


def window_start(per: str, started_s: int) -> datetime.date:
    """First day of the cap's window that an act's own day falls in."""
    day = day_of(started_s)
    if per == "day":
        return day
    if per == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1)


def windows_of(rule: "Rule", started_s: int) -> set[datetime.date]:
    """First days of all windows that an act is counted in."""
    kinds = {cap.per for cap in rule.caps}
    if rule.aggregation:
        kinds.add(rule.aggregation.per)
    return {window_start(per, started_s) for per in kinds}


def let_aggregate(candidate: Candidate) -> None:
    """The person lets the source take the reduction: what the text says of it is to count."""
    prepared = candidate.prepared
    if prepared.refusal is None and prepared.rule is not None and (rule := prepared.rule.aggregation):
        key = aggregation_key(rule, prepared.source_id)
        window = window_start(rule.per, prepared.started_s)
        candidate.aggregation = (rule.limit, (candidate.holder_id, key, window))


def decide(candidates: list[Candidate], state: State) -> None:
    """Give each candidate its outcome, in order; `state` ends as what is to be stored."""
    for candidate in candidates:
        prepared = candidate.prepared
        if prepared.refusal is not None:
            candidate.reason = prepared.refusal
            continue
        if candidate.verdict is Verdict.REJECT:
            candidate.reason = "rejected_by_signal"
            continue
        if _claimed(candidate, state):
            continue
        if candidate.elsewhere:
            candidate.outcome, candidate.reason = Outcome.DUPLICATE, "claimed_elsewhere"
            continue
        credited = _within_caps(candidate, state)
        if credited is None:
            candidate.reason = "cap_reached"
            continue
        _take(candidate, state, credited)
        if candidate.aggregation is not None:
            _give_to_platform(candidate, candidate.aggregation, state)
        if candidate.verdict is Verdict.HOLD:
            candidate.outcome, candidate.reason = Outcome.PENDING, HELD
        if prepared.programme.counts(prepared.evidence):
            candidate.points = prepared.programme.points(
                prepared.scene, prepared.inputs, candidate.co2e_mg, prepared.quantified_mg
            )


def _claimed(candidate: Candidate, state: State) -> bool:
    for rule, token in candidate.whole:
        owner = state.whole.get(token)
        if owner is not None:
            candidate.outcome = Outcome.DUPLICATE
            candidate.reason = "claimed_" + rule
            candidate.winner_id = owner
            return True
    if candidate.seen is not None:
        return sameness.refused(candidate, state)
    for rule, token, _, start, end in candidate.intervals:
        for other_start, other_end, owner in state.intervals.get(token, ()):
            if start < other_end and other_start < end:
                candidate.outcome = Outcome.DUPLICATE
                candidate.reason = "claimed_" + rule
                candidate.winner_id = owner
                return True
    return False


def _within_caps(candidate: Candidate, state: State) -> int | None:
    """How many mg the caps leave; None where one of them has no headroom left."""
    credited = candidate.prepared.full_mg
    for cap, key in candidate.caps:
        headroom = cap.limit - state.caps.get(key, 0)
        if headroom <= 0:
            return None
        if not cap.counted:
            credited = min(credited, headroom)
    return credited


def _take(candidate: Candidate, state: State, credited: int) -> None:
    full = credited == candidate.prepared.full_mg
    prepared = candidate.prepared
    if (prepared.rule is not None and prepared.rule.collected) or prepared.programme.collection is not None:
        candidate.outcome = Outcome.PENDING
    else:
        candidate.outcome = Outcome.CREDITED if full else Outcome.CAPPED
    candidate.reason = None if full else "cap_crossed"
    candidate.co2e_mg = credited
    for _, token in candidate.whole:
        state.whole[token] = candidate.activity_id
    for _, token, _, start, end in candidate.intervals:
        state.intervals.setdefault(token, []).append((start, end, candidate.activity_id))
    for cap, key in candidate.caps:
        state.caps[key] = state.caps.get(key, 0) + (1 if cap.counted else credited)


def _give_to_platform(candidate: Candidate, aggregation: tuple[int, CapKey], state: State) -> None:
    """Split what was credited: the platform's until the threshold of its window is reached, then the person's."""
    threshold_mg, key = aggregation
    used = state.caps.get(key, 0)
    aggregated = min(candidate.co2e_mg, threshold_mg - used)
    if aggregated <= 0:
        return
    state.caps[key] = used + aggregated
    candidate.aggregated_mg = aggregated
    candidate.co2e_mg -= aggregated
    if candidate.reason is None:
        candidate.reason = "aggregated"
