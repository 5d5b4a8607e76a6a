"""Platforms' views of true acts: the noise model of docs/dedup.md, seeded."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.bench.same_act.acts import Act
from dedup.same_act_rules import SameActRules
from dedup.sightings import Sighting

PLATFORMS: Final = ("city", "map", "pay")
_DAY_S: Final = 86_400
_WEEK_S: Final = 7 * _DAY_S


@dataclass(frozen=True, slots=True)
class Noise:
    """One level. Shares are of 1; `offset_s` and `drift_s` are standard deviations."""

    name: str
    shared: float
    """Of acts, that a second platform reports, too."""
    thrice: float
    """Of those, that the third reports as well."""
    offset_s: float
    drift_s: float
    """Of a clock, a day; it is set right to its offset every Monday."""
    grain_s: int
    """Times are rounded to it, the nearest."""
    amount: float
    """Of distance or energy, evenly either way."""
    cut: float
    """Of reports, in two pieces."""
    merged: float
    """Of reports, with the act that follows."""
    numberless: float
    """Of reports, that lack the order number."""
    followed: float
    """Of acts, by another true one at -2 to +5 minutes."""
    late: float
    """Of reports, that come 1 to 72 hours later; the others within 30 minutes."""


MEDIUM: Final = Noise("medium", 0.30, 0.10, 60, 5, 60, 0.08, 0.03, 0.02, 0.20, 0.25, 0.10)
LEVELS: Final = (
    Noise("low", 0.15, 0.05, 30, 2.5, 30, 0.04, 0.015, 0.01, 0.10, 0.125, 0.05),
    MEDIUM,
    Noise("high", 0.60, 0.20, 120, 10, 120, 0.16, 0.06, 0.04, 0.40, 0.50, 0.20),
)

Part = tuple[int, int, int]
"""(act, from, to): what of an act a report tells, in thousandths of its length."""
_WHOLE: Final = 1000


@dataclass(frozen=True, slots=True)
class Report:
    """What a platform sends, when it arrives, and, for the judge alone, what it truly tells."""

    person: str
    arrives_s: int
    sighting: Sighting
    truth: tuple[Part, ...]
    cut: bool = False
    merged: bool = False

    @property
    def scene(self) -> str:
        """Kind of act."""
        return self.sighting.scene


@dataclass(frozen=True, slots=True)
class _Clock:
    offset_s: float
    drift_s: float

    def shows(self, true_s: int) -> int:
        since_monday = (true_s - 4 * _DAY_S) % _WEEK_S  # the epoch was a Thursday
        return true_s + round(self.offset_s + self.drift_s * since_monday / _DAY_S)


def merging(noise: Noise, acts: Sequence[Act]) -> float:
    """How often a report that can be merged is, so that the level's share of all is: one of a kind must follow."""
    scenes = {act.key: act.scene for act in acts}
    can = sum(act.after is not None and scenes.get(act.after) == act.scene for act in acts)
    return min(1.0, noise.merged * len(acts) / can) if can else 0.0


class City:
    """Three platforms with clocks of their own, and what they report of the people of one city."""

    def __init__(self, noise: Noise, merging: float, rules: SameActRules, chance: random.Random) -> None:
        self._noise = noise
        self._merging = merging
        self._rules = rules
        self._chance = chance
        self._clocks = {
            name: _Clock(chance.gauss(0, noise.offset_s), chance.gauss(0, noise.drift_s))
            for name in PLATFORMS
        }

    def reports(self, acts: Sequence[Act]) -> list[Report]:
        """All reports of one person's acts, in no order."""
        chance, noise = self._chance, self._noise
        followers = {act.after: act for act in acts if act.after is not None}
        by_platform: dict[str, dict[int, Act]] = {name: {} for name in PLATFORMS}
        for act in acts:
            platforms = list(PLATFORMS)
            chance.shuffle(platforms)
            count = 1 if chance.random() >= noise.shared else 3 if chance.random() < noise.thrice else 2
            for name in platforms[:count]:
                by_platform[name][act.key] = act
        found: list[Report] = []
        for name in PLATFORMS:
            seen = by_platform[name]
            gone: set[int] = set()
            for key, act in seen.items():
                if key in gone:
                    continue
                following = followers.get(key)
                if following is not None and following.scene == act.scene and chance.random() < self._merging:
                    gone.add(following.key)
                    found.append(self._merged(name, act, following))
                elif chance.random() < noise.cut:
                    found += self._cut(name, act)
                else:
                    number = self._number(act)
                    found.append(self._report(name, act, number, ((key, 0, _WHOLE),)))
        return found

    def _merged(self, platform: str, act: Act, following: Act) -> Report:
        both = replace(act, end_s=max(act.end_s, following.end_s), amount=act.amount + following.amount)
        truth = ((act.key, 0, _WHOLE), (following.key, 0, _WHOLE))
        return replace(self._report(platform, both, self._number(act), truth), merged=True)

    def _cut(self, platform: str, act: Act) -> list[Report]:
        """Two pieces, parted somewhere in the middle 70 %; the second one has lost the order number."""
        at = self._chance.randint(150, 850)
        middle = act.start_s + (act.end_s - act.start_s) * at // _WHOLE
        amount = act.amount * at // _WHOLE
        first = replace(act, end_s=middle, amount=amount)
        second = replace(act, start_s=middle, amount=act.amount - amount)
        return [
            replace(self._report(platform, first, self._number(act), ((act.key, 0, at),)), cut=True),
            replace(self._report(platform, second, None, ((act.key, at, _WHOLE),)), cut=True),
        ]

    def _number(self, act: Act) -> str | None:
        return None if self._chance.random() < self._noise.numberless else act.number

    def _report(self, platform: str, act: Act, number: str | None, truth: tuple[Part, ...]) -> Report:
        chance, noise, clock = self._chance, self._noise, self._clocks[platform]
        start, end = (self._rounded(clock.shows(moment)) for moment in (act.start_s, act.end_s))
        late = chance.random() < noise.late
        delay = chance.randint(3_600, 72 * 3_600) if late else chance.randint(0, 1_800)
        amount = round(act.amount * (1 + chance.uniform(-noise.amount, noise.amount)))
        return Report(
            act.person,
            act.end_s + delay,
            Sighting(
                source=platform,
                scene=act.scene,
                start_s=start,
                end_s=max(end, start + noise.grain_s),
                tolerance_s=self._rules.groups[act.scene.partition(".")[0]].tolerance_s,
                amount=amount,
                order=None if number is None else (act.scene, number),
            ),
            truth,
        )

    def _rounded(self, moment: int) -> int:
        grain = self._noise.grain_s
        return (moment + grain // 2) // grain * grain
