"""Steps of a steady load: up by some percent, steady for a while, down again. Pure, in integers."""

from collections.abc import Sequence
from statistics import median_low
from typing import Final

BEFORE: Final = 4
AFTER: Final = 2
WIDTHS: Final = (8, 12)
"""Quarter-hours that a step may last."""
LONGEST: Final = BEFORE + WIDTHS[-1] + AFTER
LEAST_MILLI: Final = 40
MOST_MILLI: Final = 650
"""A step of more is a machine that starts; one of less is noise."""
FLOOR_MILLI: Final = 10
"""Noise that every load has."""
MILLI: Final = 1000

Amounts = Sequence[int | None]


def score(amounts: Amounts, end: int, width: int) -> int:
    """How much a step of so many quarter-hours, over by those before `end`, stands out: height by noise, in milli.

    0 where there is none.
    """
    down = end - AFTER
    up = down - width
    if up < BEFORE:
        return 0
    first, last_before = amounts[up], amounts[up - 1]
    last, first_after = amounts[down - 1], amounts[down]
    if not (first and last and last_before and first_after):
        return 0
    # The two edges are the cheapest to look at, and few places have both.
    edges = first * MILLI // last_before - MILLI, last * MILLI // first_after - MILLI
    if min(edges) < LEAST_MILLI or max(edges) > MOST_MILLI:
        return 0
    parts = [amounts[up - BEFORE : up], amounts[up:down], amounts[down:end]]
    levels, noise = [], 0
    for part in parts:
        found = [each for each in part if each]
        if len(found) < len(part):
            return 0
        level = median_low(found)
        levels.append(level)
        noise += sum(abs(each - level) for each in found) * MILLI // level
    before, within, after = levels
    heights = within * MILLI // before - MILLI, within * MILLI // after - MILLI
    if max(heights) > MOST_MILLI:
        return 0
    height = min(*heights, *edges)
    return height * MILLI // (noise // (end - up + BEFORE) + FLOOR_MILLI) if height >= LEAST_MILLI else 0
