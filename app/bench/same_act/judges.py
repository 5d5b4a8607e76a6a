"""Who judges reports in order of arrival: the decision of `dedup`, and simpler rules to hold it against."""

from collections.abc import Callable
from typing import Final, Protocol

from app.bench.same_act.noise import Report
from dedup.periods import trimmed
from dedup.resolving import Held, in_reach, resolve
from dedup.same_act import decide
from dedup.same_act_rules import SameActRules
from dedup.sightings import Clocks, PairClock, Sighting, measured_clock

_HOUR_S: Final = 3_600


class Judge(Protocol):
    """Refuses a report or credits it, knowing what it was given before and nothing else."""

    def refuses(self, report: Report) -> bool:
        """Whether the report is one too many."""
        ...


class ExactKey:
    """What platforms do: the same order number, or the same scene from the same minute to the same minute."""

    def __init__(self) -> None:
        self._keys: set[object] = set()

    def refuses(self, report: Report) -> bool:
        """Whether a key is there."""
        seen = report.sighting
        keys: set[object] = {(report.person, seen.scene, seen.start_s, seen.end_s)}
        if seen.order is not None:
            keys.add((report.person, seen.order))
        if keys & self._keys:
            return True
        self._keys |= keys
        return False


class Overlap:
    """Two reports of a person that overlap by a second are of one act; `period` says which part of each counts."""

    def __init__(self, period: Callable[[Sighting], tuple[int, int]], *, numbers: bool) -> None:
        self._period = period
        self._numbers = numbers
        self._held: dict[str, list[tuple[int, int]]] = {}
        self._keys: set[object] = set()

    def refuses(self, report: Report) -> bool:
        """Whether one overlaps, or has the order number."""
        start, end = self._period(report.sighting)
        key = (report.person, report.sighting.order)
        if self._numbers and report.sighting.order is not None and key in self._keys:
            return True
        held = self._held.setdefault(report.person, [])
        if any(start < other_end and other_start < end for other_start, other_end in held):
            return True
        held.append((start, end))
        self._keys.add(key)
        return False


def any_overlap() -> Judge:
    """The reported periods, as they are."""
    return Overlap(lambda seen: (seen.start_s, seen.end_s), numbers=False)


def claims_alone() -> Judge:
    """The claims without the decision: trimmed periods, and order numbers."""
    return Overlap(lambda seen: trimmed(seen.start_s, seen.end_s), numbers=True)


class SameAct:
    """The decision, with clocks measured from order numbers that two sources have both reported so far."""

    def __init__(self, rules: SameActRules, *, measuring: bool = True) -> None:
        self._rules = rules
        self._measuring = measuring
        self._held: dict[str, list[Held[Report]]] = {}
        self._refused: dict[str, list[Report]] = {}
        self._ahead_s: dict[tuple[str, str], list[int]] = {}
        self._numbered: dict[object, list[Sighting]] = {}
        self._hour = 0
        self._chained: set[int] = set()
        self.clocks = Clocks()
        self.pieces = 0

    @property
    def chains(self) -> int:
        """How many refused reports met two acts that did not meet each other."""
        return len(self._chained)

    def held(self, report: Report) -> list[Held[Report]]:
        """What a report is compared with."""
        return self._held.setdefault(report.person, [])

    def refuses(self, report: Report) -> bool:
        """Whether the decision finds an act that it is of, or that excludes it."""
        self.learn(report)
        held = self.held(report)
        refused = self._refused.setdefault(report.person, [])
        resolution = resolve(report.sighting, held, self._rules, self.clocks)
        if resolution is None:
            held.append(Held(report, report.sighting))
            self._chained.update(id(each) for each in refused if self._meet(report, each))
            return False
        refused.append(report)
        self.pieces += resolution.pattern == "pieces"
        if len(resolution.winners) > 1:
            self._chained.add(id(report))
        return True

    def learn(self, report: Report) -> None:
        """Measure the clocks anew every hour, then take the report among what they are measured by."""
        hour = report.arrives_s // _HOUR_S
        if hour != self._hour:
            self._hour = hour
            self.clocks = Clocks(self._measured())
        seen = report.sighting
        if not self._measuring or seen.order is None:
            return
        others = self._numbered.setdefault((report.person, seen.order), [])
        for other in others:
            if other.source != seen.source:
                left, right = sorted((other, seen), key=lambda each: each.source)
                ahead_s = self._ahead_s.setdefault((left.source, right.source), [])
                ahead_s += right.start_s - left.start_s, right.end_s - left.end_s
        others.append(seen)

    def _meet(self, one: Report, other: Report) -> bool:
        if not in_reach(one.sighting, other.sighting, self._rules.reach_s):
            return False
        return decide(one.sighting, other.sighting, self._rules, self.clocks).claimed

    def _measured(self) -> dict[tuple[str, str], PairClock]:
        rule = self._rules.clock.rule
        clocks = {pair: measured_clock(values, rule) for pair, values in self._ahead_s.items()}
        return {pair: clock for pair, clock in clocks.items() if clock is not None}
