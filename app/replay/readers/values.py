"""Cells of a table as exact values. Each function raises `RowRefused` with a reason and never a value."""

import datetime as dt
import re
from decimal import ROUND_FLOOR, Decimal

from app.replay.readers.base import SHANGHAI, Row, RowRefused

_EMPTY = frozenset(("", "na", "n/a", "nan", "null", "none", "\\n", "-"))
# Bounded on purpose: a Decimal such as 1E+3000000 would stop a core for minutes.
_NUMBER = re.compile(r"([+-]?)([0-9]{1,15})(?:\.([0-9]{0,40}))?(?:[eE]([+-]?[0-9]{1,2}))?")
_TIME = re.compile(
    r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})[ T]+"
    r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]{1,9})?)?"
    r"\s*(?:(Z)|([+-])([0-9]{2}):?([0-9]{2}))?"
)
_MAX_ID = 60
EARLIEST_YEAR = 1992
LATEST_YEAR = 2199


def given(row: Row, name: str) -> str:
    """Return a cell that must be there; `missing_<name>` where it is empty, absent or a word for nothing."""
    text = row[name]
    if text.casefold() in _EMPTY:
        raise RowRefused(f"missing_{name}")
    return text


def identifier(row: Row, name: str) -> str:
    """Return an opaque identifier of at most 60 characters."""
    text = given(row, name)
    if len(text) > _MAX_ID or not text.isprintable():
        raise RowRefused(f"bad_{name}")
    return text


def number(row: Row, name: str) -> Decimal:
    """Return a number of zero or more, exactly as written."""
    match = _NUMBER.fullmatch(given(row, name))
    if match is None:
        raise RowRefused(f"bad_{name}")
    value = Decimal(match[0])
    if value < 0:
        raise RowRefused(f"negative_{name}")
    return value


def whole(value: Decimal, per: int = 1) -> int:
    """Return `value * per` as an integer, rounded down."""
    return int((value * per).to_integral_value(ROUND_FLOOR))


def moment(row: Row, name: str, *, century: int = 0) -> dt.datetime:
    """Return a time; local (Asia/Shanghai) where it names no offset.

    `century` is added to a year below 100, for files that write `0014` for 2014.
    """
    match = _TIME.fullmatch(given(row, name))
    if match is None:
        raise RowRefused(f"bad_{name}")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if year < 100:  # noqa: PLR2004 - two digits
        year += century
    if not EARLIEST_YEAR <= year <= LATEST_YEAR:
        raise RowRefused(f"out_of_range_{name}")
    zone = SHANGHAI
    if match[7]:
        zone = dt.UTC
    elif match[8]:
        offset = dt.timedelta(hours=int(match[9]), minutes=int(match[10]))
        if offset >= dt.timedelta(hours=24):
            raise RowRefused(f"bad_{name}")
        zone = dt.timezone(-offset if match[8] == "-" else offset)
    try:
        return dt.datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(SHANGHAI)
    except ValueError:
        raise RowRefused(f"bad_{name}") from None


def place(row: Row, lng: str, lat: str) -> tuple[float, float] | None:
    """Return (lng, lat), or `None` where either is missing; the service checks and drops it."""
    east, north = row[lng], row[lat]
    if east.casefold() in _EMPTY or north.casefold() in _EMPTY:
        return None
    if _NUMBER.fullmatch(east) is None or _NUMBER.fullmatch(north) is None:
        raise RowRefused("bad_coordinate")
    point = float(east), float(north)
    if not (-180 <= point[0] <= 180 and -90 <= point[1] <= 90):  # noqa: PLR2004 - degrees
        raise RowRefused("bad_coordinate")
    return point
