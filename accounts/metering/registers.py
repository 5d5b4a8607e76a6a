"""What was used between two readings of a cumulative register: over its end, and across an exchange of the meter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Point(NamedTuple):
    """A register as it was read at the end of a quarter-hour."""

    quarter: int
    register: int
    measured: bool


@dataclass(frozen=True, slots=True)
class Exchange:
    """A meter exchanged at the end of a quarter-hour.

    `last` is where the old register stood, None where nobody knows; `first` is where the new one began; `wraps_at` is
    where the new one begins anew at 0, None where it does not.
    """

    quarter: int
    last: int | None
    first: int
    wraps_at: int | None


def difference(before: int, after: int, wraps_at: int | None) -> int | None:
    """What a register counted from one reading to the next, in base units; None where it cannot be told.

    A register that fell began anew at 0 if that explains it by less than half of its range; else it was misread.
    """
    if after >= before:
        return after - before
    if wraps_at is None or before >= wraps_at:
        return None
    counted = wraps_at - before + after
    return counted if counted * 2 < wraps_at else None


def used(
    before: Point | None, after: Point, exchanges: Sequence[Exchange], wraps_at: int | None
) -> tuple[int | None, bool]:
    """What was used up to a reading since the one before it, and whether all of that is known.

    `exchanges` are all of the meter, by time; `wraps_at` is of its first register. The first reading of all tells
    nothing, unless an exchange said where its register began.
    """
    register = None if before is None else before.register
    total, whole = 0, True
    for exchange in exchanges:
        if exchange.quarter >= after.quarter:
            break
        if before is None or exchange.quarter >= before.quarter:
            if register is not None and exchange.last is not None:
                part = difference(register, exchange.last, wraps_at)
                if part is None:
                    return None, False
                total += part
            else:
                whole = False
            register = exchange.first
        wraps_at = exchange.wraps_at
    if register is None:
        return None, False
    part = difference(register, after.register, wraps_at)
    return (None, False) if part is None else (total + part, whole)
