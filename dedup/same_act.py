"""Whether two reports of one person are of one act, with the evidence. Pure, exact and symmetric.

The model is that of Fellegi and Sunter (1969): every feature adds points, tenths of a bit of evidence
(10 · log2 of how much more often its level is seen in reports of one act than in reports of two), to a sum that
is compared with a threshold. Two things stand above the sum: one number of one issuer is one act, and two
numbers of one issuer are two. And a person is in one place: two acts that share most of their time exclude each other
even where they are not one.
"""

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dedup.sightings import Clocks, PairClock, Sighting

if TYPE_CHECKING:
    from dedup.same_act_rules import (
        Excluding,
        GroupRules,
        OrderLevel,
        RegionLevel,
        SameActRules,
        Shape,
        SourceLevel,
    )

_NO_CLOCKS: Final = Clocks()
_CENT: Final = 100


class Verdict(enum.StrEnum):
    """What two reports are to each other."""

    SAME = "same"
    DIFFERENT = "different"
    EXCLUDES = "excludes"
    """Two acts, of which one person cannot have done both."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One feature: what was found, as a level of the parameters, its measure where it has one, and its points."""

    feature: str
    level: str
    value: int | None
    points: int


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, what it stands on, and by which rule. `same_from` is the threshold of the sum."""

    verdict: Verdict
    rule: str
    points: int
    same_from: int
    evidence: tuple[Evidence, ...]

    @property
    def claimed(self) -> bool:
        """Whether only one of the two reports can be credited."""
        return self.verdict is not Verdict.DIFFERENT


@dataclass(frozen=True, slots=True)
class Lie:
    """How two periods lie to each other on one clock, s. `shared_s` is below 0 where a gap parts them."""

    starts_s: int
    ends_s: int
    shared_s: int
    shorter_s: int
    shape: "Shape"

    @property
    def share_percent(self) -> int:
        """How much of the shorter period the two share."""
        return max(0, self.shared_s) * _CENT // self.shorter_s


def lie_of(left: Sighting, right: Sighting, clock: PairClock) -> Lie:
    """Bring two periods to one clock and say how they lie; the same where left and right change places."""
    start_s, end_s = right.start_s - clock.ahead_s, right.end_s - clock.ahead_s
    first, last = start_s - left.start_s, end_s - left.end_s
    shared_s = min(left.end_s, end_s) - max(left.start_s, start_s)
    shorter_s = max(1, min(left.length_s, right.length_s))
    tolerance = clock.tolerance_s
    near_start, near_end = abs(first) <= tolerance, abs(last) <= tolerance
    within = (first >= -tolerance and last <= tolerance) or (first <= tolerance and last >= -tolerance)
    shape: Shape
    if near_start and near_end:
        shape = "aligned"
    elif shared_s <= 0:
        shape = "apart"
    elif within:
        shape = "inside_at_end" if near_start or near_end else "inside"
    else:
        shape = "crossing"
    return Lie(abs(first), abs(last), shared_s, shorter_s, shape)


def decide(left: Sighting, right: Sighting, rules: "SameActRules", clocks: Clocks = _NO_CLOCKS) -> Decision:
    """Decide between two reports of one person; of scenes without parameters only the order number speaks."""
    order = _order_level(left, right)
    group = rules.groups.get(left.group) if left.group == right.group else None
    if order == "same":
        found = (
            () if group is None else tuple(_evidence(left, right, group, clocks.between(left, right), order))
        )
        return Decision(
            Verdict.SAME,
            "one_order_number",
            sum(each.points for each in found),
            0 if group is None else group.same_from,
            (Evidence("order", "same", None, 0), *found),
        )
    if group is None:
        return Decision(Verdict.DIFFERENT, "other_kind", 0, 0, ())
    clock = clocks.between(left, right)
    lie = lie_of(left, right, clock)
    if group.kind(left.scene) != group.kind(right.scene):
        kind = Evidence("kind", "different", None, 0)
        return _parted(left, right, group, lie, clock, "other_kind", 0, (kind, _period(lie, group)))
    evidence = tuple(_evidence(left, right, group, clock, order))
    points = sum(each.points for each in evidence)
    if order == "different":
        return _parted(left, right, group, lie, clock, "two_order_numbers", points, evidence)
    if points >= group.same_from:
        return Decision(Verdict.SAME, "evidence", points, group.same_from, evidence)
    return _parted(left, right, group, lie, clock, "evidence", points, evidence)


def _parted(
    left: Sighting,
    right: Sighting,
    group: "GroupRules",
    lie: Lie,
    clock: PairClock,
    rule: str,
    points: int,
    evidence: tuple[Evidence, ...],
) -> Decision:
    """Two acts, of which one person has done both, or cannot have."""
    if (
        left.scene not in group.beside
        and right.scene not in group.beside
        and _excludes(lie, clock, group.excluding)
    ):
        return Decision(Verdict.EXCLUDES, "one_place_at_a_time", points, group.same_from, evidence)
    return Decision(Verdict.DIFFERENT, rule, points, group.same_from, evidence)


def _excludes(lie: Lie, clock: PairClock, excluding: "Excluding | None") -> bool:
    if excluding is None or (excluding.at_an_end and lie.shape not in ("aligned", "inside_at_end")):
        return False
    surely_s = lie.shared_s - max(0, clock.tolerance_s - excluding.sure_within_s)
    return surely_s >= excluding.at_least_s and surely_s * _CENT >= excluding.share_percent * lie.shorter_s


def _evidence(
    left: Sighting, right: Sighting, group: "GroupRules", clock: PairClock, order: str
) -> list[Evidence]:
    lie = lie_of(left, right, clock)
    aligned = lie.shape == "aligned"
    found = [_period(lie, group)]
    if aligned:
        off = max(lie.starts_s, lie.ends_s) * _CENT // max(1, clock.tolerance_s)
        band = group.ends_percent.band(off)
        found.append(Evidence("ends", group.ends_percent.level(band), off, group.ends_percent.points[band]))
        longer_s = abs(left.length_s - right.length_s)
        band = group.duration_s.band(longer_s)
        found.append(
            Evidence("duration", group.duration_s.level(band), longer_s, group.duration_s.points[band])
        )
    found.append(_amount(left, right, group, aligned=aligned))
    if order != "same":
        level: OrderLevel = "different" if order == "different" else "missing"
        found.append(Evidence("order", level, None, group.order[level]))
    region = _region_level(left, right)
    found.append(Evidence("region", region, None, group.region[region]))
    source: SourceLevel = "same" if left.source == right.source else "other"
    found.append(Evidence("source", source, None, group.source[source]))
    return found


def _period(lie: Lie, group: "GroupRules") -> Evidence:
    if lie.shape == "apart":
        return Evidence("period", "apart", lie.shared_s, group.period.apart)
    points: tuple[int, ...] = getattr(group.period, lie.shape)
    return Evidence("period", lie.shape, lie.share_percent, points[group.period.place(lie.share_percent)])


def _amount(left: Sighting, right: Sighting, group: "GroupRules", *, aligned: bool) -> Evidence:
    """Aligned reports of one act agree in the amount; a piece and the whole agree in the amount a second."""
    if left.amount is None or right.amount is None:
        return Evidence("amount", "missing", None, 0)
    one, other = left.amount, right.amount
    bands, feature = group.amount_percent, "amount"
    if not aligned:
        one, other = one * right.length_s, other * left.length_s
        bands, feature = group.rate_percent, "rate"
    larger = max(one, other)
    off = 0 if larger == 0 else abs(one - other) * _CENT // larger
    band = bands.band(off)
    return Evidence(feature, bands.level(band), off, bands.points[band])


def _order_level(left: Sighting, right: Sighting) -> str:
    if left.order is None or right.order is None or left.order[0] != right.order[0]:
        return "missing"
    return "same" if left.order[1] == right.order[1] else "different"


def _region_level(left: Sighting, right: Sighting) -> "RegionLevel":
    known = differing = 0
    for one, other in ((left.start_region, right.start_region), (left.end_region, right.end_region)):
        if one is None or other is None:
            continue
        known += 1
        length = min(len(one.rstrip("0")), len(other.rstrip("0")))
        differing += one[:length] != other[:length]
    if not known:
        return "missing"
    return "same" if differing == 0 else "both_differ" if differing == known else "end_differs"
