"""Chooses points by counting on the choosing part: how often a level is seen in reports of one act and of two.

Points are 10 · log2 of the ratio of the two shares (Fellegi and Sunter 1969), each share drawn to the common one as if
five more pairs had been seen, so that a level that few pairs show says little. The threshold is the one with the best
F0.5 over all pairs: an act wrongly refused weighs more than one credited twice, as it does in the aims. What the order
number decides is left out of both.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.bench.same_act.acts import Act
from app.bench.same_act.judges import SameAct
from app.bench.same_act.measure import cities
from app.bench.same_act.noise import LEVELS, Report
from app.bench.same_act.truth import TOUCHING, repeats
from dedup.resolving import Held, in_reach
from dedup.same_act import Evidence, decide
from dedup.same_act_rules import SHAPES, GroupRules, SameActRules

_MOST: Final = 120
_DRAWN: Final = 5
_SEEDS: Final = 3

Level = tuple[str, str]
"""Feature, and the name of what was found; for the period the shape and the place of the share."""


@dataclass(frozen=True, slots=True)
class _Pair:
    same: bool
    levels: tuple[Level, ...]


def chosen(
    by_person: Mapping[str, Sequence[Act]], rules: SameActRules, seed: int
) -> dict[str, dict[str, Any]]:
    """The tables of points and the threshold of every group, in the form of the parameters."""
    pairs: dict[str, list[_Pair]] = {name: [] for name in rules.groups}
    for noise in LEVELS:
        for number in range(_SEEDS):
            for _, reports in cities(by_person, "choosing", noise, rules, seed + number):
                _collect(pairs, reports, rules)
    return {name: _tables(group, pairs[name]) for name, group in rules.groups.items()}


def _collect(pairs: dict[str, list[_Pair]], reports: Sequence[Report], rules: SameActRules) -> None:
    judge = SameAct(rules)
    for report, repeat in zip(reports, repeats(reports), strict=True):
        judge.learn(report)
        held = judge.held(report)
        seen = report.sighting
        group = rules.groups[seen.group]
        for each in held:
            other = each.sighting
            numbered = seen.order is not None and other.order is not None
            alike = seen.group == other.group and group.kind(seen.scene) == group.kind(other.scene)
            if alike and not numbered and in_reach(seen, other, group.reach_s):
                evidence = decide(seen, other, rules, judge.clocks).evidence
                levels = tuple(_level(one, group) for one in evidence if one.level != "missing")
                pairs[seen.group].append(_Pair(_one_act(report, each.key), levels))
        if not repeat:
            held.append(Held(report, seen))


def _one_act(left: Report, right: Report) -> bool:
    return any(
        act == other and min(to, end) - max(since, start) > TOUCHING
        for act, since, to in left.truth
        for other, start, end in right.truth
    )


def _level(evidence: Evidence, group: GroupRules) -> Level:
    if evidence.feature == "period" and evidence.value is not None and evidence.level != "apart":
        return "period", f"{evidence.level} {group.period.place(evidence.value)}"
    return evidence.feature, evidence.level


def _tables(group: GroupRules, pairs: Sequence[_Pair]) -> dict[str, Any]:
    counts: dict[bool, Counter[Level]] = {True: Counter(), False: Counter()}
    of_feature: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for pair in pairs:
        counts[pair.same].update(pair.levels)
        of_feature[pair.same].update(feature for feature, _ in pair.levels)

    def points(feature: str, name: str) -> int:
        level = feature, name
        ones, twos = (counts[same][level] for same in (True, False))
        all_ones, all_twos = (of_feature[same][feature] for same in (True, False))
        if ones + twos == 0:
            return 0
        common = (ones + twos) / (all_ones + all_twos)
        ratio = (ones + _DRAWN * common) / (all_ones + _DRAWN)
        ratio /= (twos + _DRAWN * common) / (all_twos + _DRAWN)
        return max(-_MOST, min(_MOST, round(10 * math.log2(ratio))))

    places = range(len(group.period.share_up_to) + 1)
    tables: dict[str, Any] = {
        "period": {shape: [points("period", f"{shape} {place}") for place in places] for shape in SHAPES[:-1]}
        | {"apart": points("period", "apart")}
    }
    banded = {
        "ends": group.ends_percent,
        "duration": group.duration_s,
        "amount": group.amount_percent,
        "rate": group.rate_percent,
    }
    for feature, bands in banded.items():
        tables[feature] = [points(feature, bands.level(place)) for place in range(len(bands.points))]
    tables["source"] = {name: points("source", name) for name in ("same", "other")}
    tables["same_from"] = _threshold([(sum(points(*level) for level in p.levels), p.same) for p in pairs])
    tables["pairs"] = {"of_one_act": sum(p.same for p in pairs), "of_two": sum(not p.same for p in pairs)}
    return tables


def _threshold(sums: list[tuple[int, bool]]) -> int:
    sums.sort(reverse=True)
    there = sum(same for _, same in sums)
    best, threshold, hit = 0.0, 0, 0
    for number, (total, same) in enumerate(sums, 1):
        hit += same
        if number < len(sums) and sums[number][0] == total:
            continue
        # F0.5 = 5 · hit / (5 · hit + 4 · false + missed)
        score = 5 * hit / (4 * number + there)
        if score > best:
            best, threshold = score, total
    return threshold
