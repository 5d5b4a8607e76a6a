"""Periods of acts as half-open ranges ``[start, end)`` of whole epoch seconds.

Clocks differ and platforms cut rides differently, so the claimed period is the act's own, trimmed
at both ends, and one claim is made for each local day that it touches (design section 5). Local means
Asia/Shanghai, a fixed UTC+8 since the last summer time ended in September 1991 (IANA tz database,
``asia``); acts before 1992 are refused before they come here.
"""

from datetime import date, timedelta, timezone
from functools import lru_cache
from typing import Final, Literal

UTC_OFFSET_S: Final = 8 * 3600
"""Asia/Shanghai ahead of UTC, seconds."""
LOCAL: Final = timezone(timedelta(seconds=UTC_OFFSET_S), "Asia/Shanghai")
"""The zone of all local days."""
DAY_S: Final = 86_400
"""Length of a local day, seconds."""
MAX_TRIM_S: Final = 60
"""Most that is cut off each end, seconds."""
TRIM_DIVISOR: Final = 8
"""At most one part in so many is cut off each end: a quarter of the length in all."""

_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_CACHED_DAYS: Final = 4096

Piece = tuple[date, int, int]
"""A local day and the part ``[start, end)`` of a period that lies in it, epoch seconds."""


class PeriodRefused(ValueError):
    """A period that holds no second; ``code`` is stable: period_empty."""

    def __init__(self) -> None:
        super().__init__("period_empty")
        self.code: Literal["period_empty"] = "period_empty"


def trimmed(start_s: int, end_s: int) -> tuple[int, int]:
    """Return the claimed part of the act ``[start_s, end_s)``, epoch seconds.

    Each end loses ``min(60, length // 8)`` seconds: at most a quarter in all, so at least one second
    is left. Raises ``PeriodRefused`` where the act itself is shorter than one second.
    """
    length = end_s - start_s
    if length < 1:
        raise PeriodRefused
    cut = min(MAX_TRIM_S, length // TRIM_DIVISOR)
    return start_s + cut, end_s - cut


@lru_cache(_CACHED_DAYS)
def _date(day_number: int) -> date:
    return date.fromordinal(_EPOCH_ORDINAL + day_number)


@lru_cache(_CACHED_DAYS)
def _month(day_number: int) -> str:
    return f"{_date(day_number):%Y-%m}"


def day_of(epoch_s: int) -> date:
    """Return the local day (Asia/Shanghai) of an instant in epoch seconds."""
    return _date((epoch_s + UTC_OFFSET_S) // DAY_S)


def month_of(epoch_s: int) -> str:
    """Return the local month (Asia/Shanghai) ``YYYY-MM`` of an instant in epoch seconds."""
    return _month((epoch_s + UTC_OFFSET_S) // DAY_S)


def by_local_day(start_s: int, end_s: int) -> list[Piece]:
    """Split ``[start_s, end_s)`` (epoch seconds) at local midnights, earliest first.

    The pieces tile the period: none is empty, each ends where the next begins. Raises
    ``PeriodRefused`` where the period holds no second.
    """
    if end_s <= start_s:
        raise PeriodRefused
    first = (start_s + UTC_OFFSET_S) // DAY_S
    last = (end_s - 1 + UTC_OFFSET_S) // DAY_S
    if first == last:
        return [(_date(first), start_s, end_s)]
    pieces: list[Piece] = []
    for number in range(first, last + 1):
        midnight = number * DAY_S - UTC_OFFSET_S
        pieces.append((_date(number), max(start_s, midnight), min(end_s, midnight + DAY_S)))
    return pieces


def overlap_s(left: tuple[int, int], right: tuple[int, int]) -> int:
    """Return how many seconds two half-open periods share; 0 where they only touch. Symmetric."""
    return max(0, min(left[1], right[1]) - max(left[0], right[0]))
