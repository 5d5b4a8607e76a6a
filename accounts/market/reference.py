"""Reads daily prices of allowance markets out of the files that Wind exports. Pure."""

import csv
import datetime
import io
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

HEADERS = ("指标名称", "频率", "单位", "指标ID", "来源")
FEN = 100
_LARGEST = Decimal(10) ** 15
_CLOSE = ("收盘价", "最新价")
_AVERAGE = ("成交均价",)
_VOLUME = ("当日成交量", "成交量")
_TURNOVER = ("当日成交额", "成交金额")
_UNITS = {"元/吨": FEN, "元": FEN, "吨": 1}


class Unreadable(ValueError):
    """The file is none of this kind; the text names the line."""


@dataclass(frozen=True, slots=True)
class DayPrice:
    """A day with a closing price, which no trade may have made: fen per tonne, tonnes, fen."""

    day: datetime.date
    close_fen_per_t: int
    average_fen_per_t: int | None
    volume_t: int | None
    turnover_fen: int | None


@dataclass(frozen=True, slots=True)
class Series:
    """Prices of a market, the earliest day first, and where the file says they are from."""

    days: tuple[DayPrice, ...]
    source: str


def read_series(text: str) -> Series:
    """The priced days of a file; those without a price are left out. Raises `Unreadable`."""
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    head = {row[0]: row for row in rows[: len(HEADERS)] if row}
    if not set(HEADERS) <= set(head):
        raise Unreadable("the first five lines are to name indicators, frequency, units, ids and sources")
    names, units = head["指标名称"], head["单位"]
    close = _column(names, _CLOSE)
    if close is None:
        raise Unreadable("no column has a closing price")
    columns = {
        "average": _column(names, _AVERAGE),
        "volume": _column(names, _VOLUME),
        "turnover": _column(names, _TURNOVER),
    }
    found: dict[datetime.date, DayPrice] = {}
    for number, row in enumerate(rows[len(HEADERS) :], len(HEADERS) + 1):
        day = _day(row[0] if row else "")
        if day is None:
            continue
        price = _amount(row, close, units, number)
        if price is None:
            continue
        if price <= 0:
            raise Unreadable(f"line {number}: a price is above 0")
        if day in found:
            raise Unreadable(f"line {number}: the day stands twice")
        average, volume, turnover = (_amount(row, columns[name], units, number) for name in columns)
        found[day] = DayPrice(day, price, average or None, volume, turnover)
    if not found:
        raise Unreadable("no day has a price")
    return Series(tuple(found[day] for day in sorted(found)), head["来源"][close])


def _column(names: list[str], wanted: tuple[str, ...]) -> int | None:
    """The first column whose name has one of the words, as a part between colons."""
    for index, name in enumerate(names[1:], 1):
        if any(word in name.split(":") for word in wanted):
            return index
    return None


def _day(text: str) -> datetime.date | None:
    parts = text.strip().replace("-", "/").split("/")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):  # noqa: PLR2004
        return None
    try:
        return datetime.date(int(parts[0]), int(parts[1]), int(parts[2]))
    except ValueError:
        raise Unreadable("a day is none") from None


def _amount(row: list[str], column: int | None, units: list[str], number: int) -> int | None:
    """Whole fen or tonnes, rounded half up once; None where the cell is empty."""
    if column is None or column >= len(row) or not row[column].strip():
        return None
    scale = _UNITS.get(units[column])
    if scale is None:
        raise Unreadable(f"column {column + 1}: the unit is not known")
    try:
        value = Decimal(row[column].strip())
    except InvalidOperation:
        raise Unreadable(f"line {number}: what is no number stands for one") from None
    if not value.is_finite() or not 0 <= value < _LARGEST:
        raise Unreadable(f"line {number}: a number is out of range")
    return int((value * scale).quantize(Decimal(1), ROUND_HALF_UP))
