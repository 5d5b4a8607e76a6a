"""A report among the acts that a person already has credit for. Pure.

The rule, also for chains: a report is compared with what holds a credit, and with nothing else. It is refused if any of
those is the same act or excludes it, and credited otherwise. So where A meets B, B meets C and A does not meet C,
whoever comes first decides: after A, B is refused and C credited; after B, both others are refused. In every order no
two credited reports meet, and each refused one meets a credited one.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from dedup.same_act import Decision, Verdict, decide
from dedup.sightings import Clocks, Sighting

if TYPE_CHECKING:
    from dedup.same_act_rules import SameActRules

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Held(Generic[Key]):
    """A credited act by the report that earned it."""

    key: Key
    sighting: Sighting


@dataclass(frozen=True, slots=True)
class Resolution(Generic[Key]):
    """Why a report is refused: the acts that it meets, the one that speaks loudest first, and the decision on it.

    `pieces` tells that two consecutive reports of one source together are the act of this one: a ride that one
    platform cut in two, or two rides that this one merged.
    """

    winners: tuple[Key, ...]
    decision: Decision
    pattern: Literal["whole", "pieces"]


def in_reach(one: Sighting, other: Sighting, reach_s: int) -> bool:
    """Whether two acts lie near enough to be compared, overlapping or not."""
    return one.start_s - reach_s < other.end_s and other.start_s < one.end_s + reach_s


def resolve(
    arriving: Sighting, held: Sequence[Held[Key]], rules: "SameActRules", clocks: Clocks
) -> Resolution[Key] | None:
    """Decide on a report, given what its person holds; None where it is to be credited."""
    near = [
        each
        for each in held
        if _same_number(arriving, each.sighting) or in_reach(arriving, each.sighting, rules.reach_s)
    ]
    met = [
        (each, decision)
        for each in near
        if (decision := decide(arriving, each.sighting, rules, clocks)).claimed
    ]
    joined = [
        (pair, decision)
        for pair in _consecutive(arriving, near, rules)
        if (decision := decide(arriving, _whole(pair), rules, clocks)).verdict is Verdict.SAME
    ]
    if joined:
        pair, decision = max(joined, key=lambda each: each[1].points)
        if not met or len(met) > 1 or decision.points > met[0][1].points:
            return Resolution((pair[0].key, pair[1].key), decision, "pieces")
    if not met:
        return None
    met.sort(key=lambda each: (each[1].verdict is not Verdict.SAME, -each[1].points))
    return Resolution(tuple(each.key for each, _ in met), met[0][1], "whole")


def _same_number(one: Sighting, other: Sighting) -> bool:
    return one.order is not None and one.order == other.order


def _consecutive(
    arriving: Sighting, near: Sequence[Held[Key]], rules: "SameActRules"
) -> Iterator[tuple[Held[Key], Held[Key]]]:
    """Pairs of reports of one other source, of the same kind, that follow each other closely."""
    group = rules.groups.get(arriving.group)
    if group is None:
        return
    others = [
        each
        for each in near
        if each.sighting.source != arriving.source
        and each.sighting.group == arriving.group
        and group.kind(each.sighting.scene) == group.kind(arriving.scene)
    ]
    others.sort(key=lambda each: (each.sighting.source, each.sighting.start_s, each.sighting.end_s))
    for first, second in itertools.pairwise(others):
        if first.sighting.source == second.sighting.source:
            gap_s = second.sighting.start_s - first.sighting.end_s
            if abs(gap_s) <= group.pieces_gap_s:
                yield first, second


def _whole(pair: tuple[Held[Key], Held[Key]]) -> Sighting:
    """What two consecutive reports are together; numbers are the pieces' own, so the whole has none."""
    first, second = pair[0].sighting, pair[1].sighting
    amounts = first.amount, second.amount
    return replace(
        first,
        end_s=max(first.end_s, second.end_s),
        amount=None if None in amounts else sum(a for a in amounts if a is not None),
        order=None,
        end_region=second.end_region,
    )
