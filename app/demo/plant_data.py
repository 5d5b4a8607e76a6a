"""A made-up rolling mill: its meters, and what each of them used in every quarter-hour. Integers in base units."""

import datetime as dt
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from app.demo.city import SHANGHAI

NAME: Final = "衢江示范轧钢厂 Demo Rolling Mill"
USCC: Final = "91330800MADEM0001T"
REGION: Final = "330800"
LINES: Final = ("1号轧线", "2号热处理线")
DAYS: Final = 35
"""Of readings of every meter, the last of them the day that is shown: enough past to know what is usual."""
QUARTERS: Final = 96
IMPORT: Final = "E-IN"
METERS: Final[tuple[dict[str, Any], ...]] = (
    {"number": IMPORT, "carrier": "electricity", "flow": "import"},
    {"number": "E-PV", "carrier": "electricity", "flow": "generation"},
    {"number": "E-L1", "carrier": "electricity", "flow": "use", "counts": False, "line": 0},
    {"number": "E-L2", "carrier": "electricity", "flow": "use", "counts": False, "line": 1},
    {"number": "G-IN", "carrier": "gas", "flow": "use", "line": 1},
)
HOT_LINE: Final = "E-L2"
HOT: Final = 8
"""Quarter-hours in which that line runs hot, today, until `COOL` of them before the last reading."""
COOL: Final = 2
QUARTER: Final = dt.timedelta(minutes=15)
_HOT_PERCENT = 135
_BASE_WH = 45_000
_ROLLING = range(24, 88)
_SUNNY = range(26, 71)
_SATURDAY = 5


def first_day(day: dt.date) -> dt.date:
    """From which day on there are readings, where `day` is the one that is shown."""
    return day - dt.timedelta(days=DAYS - 1)


def readings(until: dt.datetime) -> Iterator[dict[str, Any]]:
    """Every reading of the last days up to the quarter-hour that ends at `until`, in order of time."""
    day = until.astimezone(SHANGHAI).date() - dt.timedelta(days=1)
    cools = until - COOL * QUARTER
    return _between(first_day(day), until, lambda ends: cools - HOT * QUARTER < ends <= cools, METERS)


def earlier_readings(day: dt.date) -> Iterator[dict[str, Any]]:
    """Readings of the meters that count from the first day of last year on, up to those of `readings`."""
    until = dt.datetime.combine(first_day(day), dt.time(), SHANGHAI)
    meters = tuple(meter for meter in METERS if meter.get("counts", True))
    return _between(dt.date(day.year - 1, 1, 1), until, lambda _: False, meters)


def _between(
    first: dt.date, until: dt.datetime, hot: Callable[[dt.datetime], bool], meters: tuple[dict[str, Any], ...]
) -> Iterator[dict[str, Any]]:
    names = [str(meter["number"]) for meter in meters]
    ends = dt.datetime.combine(first, dt.time(), SHANGHAI)
    while (ends := ends + QUARTER) <= until:
        begins = ends - QUARTER
        at = ends.isoformat()
        used = _used(begins.date(), begins.hour * 4 + begins.minute // 15, hot=hot(ends))
        for number in names:
            name, amount = used[number]
            yield {"meter": number, "at": at, name: amount}


def _used(date: dt.date, quarter: int, *, hot: bool) -> dict[str, tuple[str, int]]:
    """Meter → (field, amount) of one quarter-hour."""
    rolls = date.weekday() < _SATURDAY and quarter in _ROLLING
    rolling = 240_000 * _about(date, quarter, "rolling") // 100 if rolls else 6_000
    heating = 118_000 * _about(date, quarter, "heating") // 100
    if hot:
        heating = heating * _HOT_PERCENT // 100
    height = (quarter - _SUNNY.start) * (_SUNNY.stop - 1 - quarter) if quarter in _SUNNY else 0
    clear = 40 + zlib.crc32(f"{date}:sky".encode()) % 60
    solar = height * clear * 14 // 10
    return {
        IMPORT: ("energy_wh", rolling + heating + _BASE_WH - solar),
        "E-PV": ("energy_wh", solar),
        "E-L1": ("energy_wh", rolling),
        HOT_LINE: ("energy_wh", heating),
        "G-IN": ("volume_l", heating * 11 // 100),
    }


def _about(date: dt.date, quarter: int, what: str) -> int:
    """97 to 103 per cent, the same whenever it is asked for."""
    return 97 + zlib.crc32(f"{date}:{quarter}:{what}".encode()) % 7
