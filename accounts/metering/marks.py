"""Which of two readings of one quarter-hour counts: pure, and the same in whatever order they come.

A mark is one byte: 0 where nothing was received, 1 to 63 the revision of an estimate, 65 to 127 that of a measured
value and 64. So the higher mark counts: what was measured before any estimate, a later revision before an earlier one.
"""

import enum
from typing import Final

NOTHING: Final = 0
MEASURED: Final = 64
PLAIN: Final = MEASURED + 1
"""Measured, and never corrected."""
MAX_REVISION: Final = 63
MAX_VALUE: Final = 10**15
"""Of one reading, in base units: beyond any plant, and far from where sums of 64 bits end."""


class Outcome(enum.StrEnum):
    """What became of a reading."""

    STORED = "stored"
    KNOWN = "known"
    CORRECTED = "corrected"
    SUPERSEDED = "superseded"
    REFUSED = "refused"


def mark_of(revision: int, *, estimated: bool) -> int:
    """The mark of a reading that is received."""
    return revision if estimated else MEASURED + revision


def is_measured(mark: int) -> bool:
    """Whether it was measured."""
    return mark > MEASURED


def revision_of(mark: int) -> int:
    """The revision that a mark tells."""
    return mark % MEASURED


def decide(mark: int, value: int | None, new_mark: int, new_value: int) -> Outcome:
    """What becomes of a new reading, given the one that counts so far.

    `REFUSED` is another value of the same revision: a correction states a higher one. `KNOWN` may still raise the
    mark, where a later revision says the same.
    """
    if mark == NOTHING:
        return Outcome.STORED
    same = value == new_value
    if new_mark > mark:
        if same and is_measured(mark) == is_measured(new_mark):
            return Outcome.KNOWN
        return Outcome.CORRECTED
    if same:
        return Outcome.KNOWN
    return Outcome.REFUSED if new_mark == mark else Outcome.SUPERSEDED
