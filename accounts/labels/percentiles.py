"""What is told of an industry's distribution: means of neighbouring ranks, coarse, never one enterprise's figure.

Each percentile is the mean of three ranks around it (of four in the middle of an even number), so that who is one of
them still knows but a sum of others; no rank is in two of them, so that no difference of two tells a figure; and it is
rounded to three digits. Fewer than k enterprises are withheld altogether.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

ASKED: Final = (10, 25, 50, 75, 90)
DIGITS: Final = 3


def windows(count: int) -> dict[int, range]:
    """Percentile → its ranks from 0, the least intensity first. The outer two only where all are disjoint."""
    found = {}
    for each in (10, 25):
        middle = (count - 1) * each // 100
        found[each] = range(middle - 1, middle + 2)
        found[100 - each] = range(count - 2 - middle, count + 1 - middle)
    found[50] = range((count - 1) // 2 - 1, count // 2 + 2)
    if found[10].start < 0 or found[10].stop > found[25].start:
        del found[10], found[90]
    return {each: found[each] for each in ASKED if each in found}


def coarse(value: Fraction) -> Fraction:
    """Three digits that matter, half up."""
    if value <= 0:
        return Fraction(0)
    step = Fraction(1)
    while value / step >= 10**DIGITS:
        step *= 10
    while value / step < 10 ** (DIGITS - 1):
        step /= 10
    return (value / step + Fraction(1, 2)) // 1 * step


def distribution(values: Sequence[Fraction], least: int) -> Mapping[int, Fraction] | None:
    """Percentile → what is told of it; None where there are too few."""
    if len(values) < least:
        return None
    ranked = sorted(values)
    return {
        each: coarse(sum((ranked[rank] for rank in ranks), Fraction(0)) / len(ranks))
        for each, ranks in windows(len(values)).items()
    }


def better_than(value: Fraction, values: Sequence[Fraction], least: int) -> int | None:
    """How many of a hundred others emit more per unit; `values` are all, this one among them."""
    if len(values) < least:
        return None
    return 100 * sum(other > value for other in values) // (len(values) - 1)
