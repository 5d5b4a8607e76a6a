"""Faults injected into the half year of a real plant, each looked for by what its past alone taught.

The meter is learnt once a week from the eight weeks before, as the service does it. Every kind of fault is tried at the
same number of moments after that, drawn evenly by a seed, one at a time; it is found where an alert of its kind is
opened between its first quarter-hour and an hour after its last one. False alarms are counted on the file as it is.
"""

import csv
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from accounts.alerts import steps
from accounts.alerts.expectation import QUARTERS, WEEK, Amounts, Profile, learn
from accounts.alerts.looking import Finding, Kind, look
from accounts.alerts.service import LEARNT_DAYS, QUARTER, QUIET

FILE: Final = Path("energy/steel_plant_2018_h1.csv")
FIRST_WEEKDAY: Final = 0
"""1 January 2018 was a Monday."""
BEGIN: Final = LEARNT_DAYS * QUARTERS
LATE: Final = 4
"""Quarter-hours after the end of a fault in which it still counts as found."""
MONTH: Final = 30 * QUARTERS
TIMES: Final = 400
LEVELS: Final = (5_000, 60_000)
"""Wh a quarter-hour: below the first the plant stands, above the second all of it runs."""


@dataclass(frozen=True)
class Fault:
    """What is done to the readings of so many quarter-hours."""

    name: str
    kind: Kind
    quarters: int
    change: Callable[[Amounts, int], int | None]


FAULTS: Final = (
    Fault("+20 % for 2 h", Kind.DEVIATION, 8, lambda was, place: (was[place] or 0) * 6 // 5),
    Fault("stuck for 4 h", Kind.STUCK, 16, lambda was, _place: was[0]),
    Fault("register stuck for 4 h", Kind.STUCK, 16, lambda _was, _place: 0),
    Fault("gap of 2 h", Kind.GAP, 8, lambda _was, _place: None),
)


@dataclass
class Score:
    """Of a fault: how many there were and were found, by how much the plant used."""

    tried: list[int] = field(default_factory=lambda: [0] * (len(LEVELS) + 1))
    found: list[int] = field(default_factory=lambda: [0] * (len(LEVELS) + 1))

    @property
    def share(self) -> float:
        """Of all."""
        return sum(self.found) / sum(self.tried)


@dataclass(frozen=True)
class Results:
    """What an evaluation found."""

    scores: dict[str, Score]
    alarms: dict[Kind, int]
    months: float

    @property
    def found(self) -> float:
        """Of the three kinds, each counting the same."""
        stuck = [score.share for name, score in self.scores.items() if "stuck" in name]
        others = [score.share for name, score in self.scores.items() if "stuck" not in name]
        return (sum(others) + sum(stuck) / len(stuck)) / (len(others) + 1)

    @property
    def false_per_month(self) -> float:
        """Of one meter."""
        return sum(self.alarms.values()) / self.months


def read_plant(folder: Path) -> list[int]:
    """The file's quarter-hours in Wh, whole days only; its rows are in order, and each closes its interval."""
    with (folder / FILE).open(encoding="utf-8-sig", newline="") as file:
        # Two digits after the point at most, so that thousandths are whole numbers.
        amounts = [_thousandths(row["Usage_kWh"]) for row in csv.DictReader(file)]
    return amounts[: len(amounts) // QUARTERS * QUARTERS]


def _thousandths(text: str) -> int:
    whole, _, rest = text.partition(".")
    return int(whole) * 1000 + int(rest.ljust(3, "0"))


def evaluate(plant: list[int], seed: int, times: int = TIMES) -> Results:
    """Learn, look at the file as it is, then at each fault."""
    profiles = {
        week: _learnt(plant, week)
        for week in range(BEGIN // QUARTERS // WEEK, len(plant) // QUARTERS // WEEK + 1)
    }
    alarms = dict.fromkeys(Kind, 0)
    for kind in Kind:
        last: int | None = None
        for place, findings in _looks(plant, profiles, BEGIN, len(plant)):
            if any(each.kind is kind for each in findings):
                # What is quiet for less than two hours is the same episode, as for the service.
                alarms[kind] += last is None or place - last > QUIET // QUARTER
                last = place
    rng = random.Random(seed)
    scores = {fault.name: Score() for fault in FAULTS}
    for fault in FAULTS:
        for _ in range(times):
            start = rng.randrange(BEGIN, len(plant) - fault.quarters - LATE)
            was = plant[start : start + fault.quarters]
            level = sum(sum(was) // fault.quarters >= limit for limit in LEVELS)
            scores[fault.name].tried[level] += 1
            scores[fault.name].found[level] += _is_found(plant, profiles, start, fault)
    return Results(scores, alarms, (len(plant) - BEGIN) / MONTH)


def _learnt(plant: list[int], week: int) -> Profile:
    end = week * WEEK * QUARTERS
    profile = learn(plant[max(0, end - BEGIN) : end], FIRST_WEEKDAY)
    if profile is None:
        raise ValueError("eight weeks are enough to learn from")
    return profile


def _looks(
    plant: Amounts, profiles: dict[int, Profile], since: int, until: int
) -> Iterator[tuple[int, list[Finding]]]:
    """Look at each quarter-hour of a period when it is over, as the service does."""
    run = 1
    for place in range(max(1, since - 2 * QUARTERS), until):
        run = run + 1 if plant[place] == plant[place - 1] else 1
        if place >= since:
            days, slot = divmod(place, QUARTERS)
            recent = plant[place + 1 - steps.LONGEST : place + 1]
            yield place, look(recent, days % WEEK, slot, profiles[days // WEEK], run)


def _is_found(plant: list[int], profiles: dict[int, Profile], start: int, fault: Fault) -> bool:
    changed: list[int | None] = list(plant)
    was = plant[start : start + fault.quarters]
    changed[start : start + fault.quarters] = [fault.change(was, place) for place in range(fault.quarters)]
    looks = _looks(changed, profiles, start, start + fault.quarters + LATE)
    return any(each.kind is fault.kind for _, findings in looks for each in findings)
