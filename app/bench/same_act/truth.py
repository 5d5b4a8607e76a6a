"""What should become of each report, and the counts that precision and recall are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.bench.same_act.noise import Report

TOUCHING: Final = 50
"""Thousandths of an act that the pieces of two platforms may share and still be two different parts of it."""


def repeats(reports: Sequence[Report]) -> list[bool]:
    """Whether each report, in order of arrival, tells a part of an act that is credited already.

    Who knew the truth would credit a report where no part of it is credited yet, and refuse it otherwise: every act is
    then credited once, whatever the platforms cut and merge.
    """
    credited: dict[int, list[tuple[int, int]]] = {}
    found: list[bool] = []
    for report in reports:
        repeat = any(
            min(to, end) - max(since, start) > TOUCHING
            for act, since, to in report.truth
            for start, end in credited.get(act, ())
        )
        found.append(repeat)
        if not repeat:
            for act, since, to in report.truth:
                credited.setdefault(act, []).append((since, to))
    return found


@dataclass(slots=True)
class Counts:
    """Reports by what they are and what they were judged: `hit` is a repeat that was refused."""

    hit: int = 0
    false: int = 0
    missed: int = 0
    passed: int = 0

    def count(self, *, repeat: bool, refused: bool) -> None:
        """Add one report."""
        if refused:
            self.hit += repeat
            self.false += not repeat
        else:
            self.missed += repeat
            self.passed += not repeat

    @property
    def precision(self) -> float:
        """Of the refused reports, the share that are repeats; 1 where none is refused."""
        refused = self.hit + self.false
        return self.hit / refused if refused else 1.0

    @property
    def recall(self) -> float:
        """Of the repeats, the share that is refused; 1 where there is none."""
        there = self.hit + self.missed
        return self.hit / there if there else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        total = 2 * self.hit + self.false + self.missed
        return 2 * self.hit / total if total else 1.0
