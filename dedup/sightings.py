"""What one report says of one act of a person, and how the clocks of two sources stand to each other. Pure.

All is whole numbers: seconds since the epoch, metres, watt-hours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

OrderRef = tuple[str, str]
"""Issuer and number, as text or as tokens: compared, never read."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One report of one act; who the person is stands nowhere in it.

    `amount` is what the scene measures: a distance in m or an energy in Wh. `tolerance_s` is how far the source's
    clock may be off. Regions are codes of any fineness, compared by their common length.
    """

    source: str
    scene: str
    start_s: int
    end_s: int
    tolerance_s: int
    amount: int | None = None
    order: OrderRef | None = None
    start_region: str | None = None
    end_region: str | None = None

    @property
    def length_s(self) -> int:
        """How long the act took by this report, s."""
        return self.end_s - self.start_s

    @property
    def group(self) -> str:
        """The family of its scene, such as `trip`."""
        return self.scene.partition(".")[0]


@dataclass(frozen=True, slots=True)
class PairClock:
    """The right source's clock is `ahead_s` ahead of the left one's, to within `tolerance_s`."""

    ahead_s: int
    tolerance_s: int
    measured: bool = False

    @property
    def mirrored(self) -> "PairClock":
        """The same two clocks, seen from the right one."""
        return PairClock(-self.ahead_s, self.tolerance_s, self.measured)


@dataclass(frozen=True, slots=True)
class ClockRule:
    """How the offset of two clocks is told from acts that both saw."""

    least_values: int
    latest_values: int
    near_s: int
    spreads: int
    at_least_s: int


def median(values: Sequence[int]) -> int:
    """The middle value; between two, their mean rounded towards zero, so that `median(-v)` is `-median(v)`."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    total = ordered[middle - 1] + ordered[middle]
    return total // 2 if total >= 0 else -(-total // 2)


def measured_clock(ahead_s: Sequence[int], rule: ClockRule) -> PairClock | None:
    """The offset of a pair of sources from acts that are known to be the same, the latest ones; None for too few.

    Each value is how far the right report's start, or end, lies after the left one's, s. The mean around the median:
    the median keeps what is cut or merged away, the mean sees below the minute that times are rounded to.
    """
    latest = ahead_s[-rule.latest_values :]
    if len(latest) < rule.least_values:
        return None
    middle = median(latest)
    near = [value for value in latest if abs(value - middle) <= rule.near_s]
    mean = _mean(near)
    spread = sum(abs(value - mean) for value in near) // len(near)
    return PairClock(mean, max(rule.at_least_s, rule.spreads * spread), measured=True)


def _mean(values: Sequence[int]) -> int:
    """Rounded towards zero, so that the mean of the negatives is the negative of the mean."""
    total = sum(values)
    return total // len(values) if total >= 0 else -(-total // len(values))


SAME_CLOCK_S: Final = 60
"""Two reports of one source have one clock; times to the minute still differ by up to a minute."""


class Clocks:
    """What is known of every pair of sources; what is not known follows from the two tolerances."""

    def __init__(self, measured: Mapping[tuple[str, str], PairClock] | None = None) -> None:
        self._pairs: dict[tuple[str, str], PairClock] = {}
        for (left, right), clock in (measured or {}).items():
            self._pairs[left, right] = clock
            self._pairs[right, left] = clock.mirrored

    def between(self, left: Sighting, right: Sighting) -> PairClock:
        """The clocks of the sources of two sightings; mirrored where the two change places."""
        if left.source == right.source:
            return PairClock(0, SAME_CLOCK_S, measured=True)
        known = self._pairs.get((left.source, right.source))
        return known or PairClock(0, left.tolerance_s + right.tolerance_s)
