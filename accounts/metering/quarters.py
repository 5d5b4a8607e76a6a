"""Quarter-hours, numbered from 1970-01-01 00:00 in Asia/Shanghai, a fixed UTC+8 since 1992.

A reading's time closes the quarter-hour that ends then: 00:00 belongs to the day before.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

from dedup.periods import LOCAL, UTC_OFFSET_S

QUARTER_S: Final = 900
QUARTERS_A_DAY: Final = 96
QUARTERS_AN_HOUR: Final = 4
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHIFT: Final = UTC_OFFSET_S // QUARTER_S
_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
_SECOND: Final = timedelta(seconds=1)


def boundary_of(moment: datetime) -> int | None:
    """The quarter-hour that begins at a zoned moment; None where none does."""
    seconds, rest = divmod(moment - _EPOCH, _SECOND)
    if rest or seconds % QUARTER_S:
        return None
    return seconds // QUARTER_S + _SHIFT


def closed_by(moment: datetime) -> int | None:
    """The quarter-hour that ends at a zoned moment; None where none does."""
    boundary = boundary_of(moment)
    return None if boundary is None else boundary - 1


def first_after(moment: datetime) -> int:
    """The quarter-hour in which a zoned moment lies, or that begins then."""
    return (moment - _EPOCH) // _SECOND // QUARTER_S + _SHIFT


def last_before(moment: datetime) -> int:
    """The quarter-hour in which a zoned moment lies, or that ends then."""
    return -((_EPOCH - moment) // _SECOND // QUARTER_S) + _SHIFT - 1


def begins_at(quarter: int) -> datetime:
    """When a quarter-hour begins, in Asia/Shanghai."""
    return datetime.fromtimestamp((quarter - _SHIFT) * QUARTER_S, LOCAL)


def ends_at(quarter: int) -> datetime:
    """When a quarter-hour ends: the time of its reading."""
    return begins_at(quarter + 1)


@lru_cache(4096)
def day_of(quarter: int) -> date:
    """The local day of a quarter-hour."""
    return date.fromordinal(_FIRST_DAY + quarter // QUARTERS_A_DAY)


def first_of(day: date) -> int:
    """The first quarter-hour of a local day."""
    return (day.toordinal() - _FIRST_DAY) * QUARTERS_A_DAY


def place_of(quarter: int) -> int:
    """The place of a quarter-hour in its day, from 0."""
    return quarter % QUARTERS_A_DAY
