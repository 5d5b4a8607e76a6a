"""Files of readings, as items of the door of batches."""

import csv
import datetime
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from accounts.metering.marks import MAX_VALUE
from dedup.periods import LOCAL

PLANT_COLUMNS: Final = ("date", "Usage_kWh")
_WEEK = datetime.timedelta(weeks=1)
_DAY = datetime.timedelta(days=1)


class FileRefused(Exception):
    """The file is not what it should be; the text says where."""


def read_plant(path: Path, meter: str, move_to: datetime.date | None = None) -> Iterator[dict[str, Any]]:
    """A plant's quarter-hours (`date`, day first, and `Usage_kWh`), by line; others of its columns are left alone.

    The row of 00:00 carries the date of the day it closes, as such files have it: it is of the midnight after.
    `move_to` shifts all times by the same whole weeks, the first to that date or up to six days before.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if not set(PLANT_COLUMNS) <= set(rows.fieldnames or ()):
            raise FileRefused(f"the first line names no columns {' and '.join(PLANT_COLUMNS)}")
        shift: datetime.timedelta | None = None
        for row in rows:
            try:
                moment = datetime.datetime.strptime(row["date"], "%d/%m/%Y %H:%M").replace(tzinfo=LOCAL)
                energy_wh = Decimal(row["Usage_kWh"]) * 1000
                whole = energy_wh == energy_wh.to_integral_value() and 0 <= energy_wh <= MAX_VALUE
            except (ValueError, TypeError, InvalidOperation):
                whole = False
            if not whole:
                raise FileRefused(f"line {rows.line_num}: no date with a use in whole Wh")
            if not moment.hour and not moment.minute:
                moment += _DAY
            if shift is None:
                weeks = 0 if move_to is None else (move_to - moment.date()) // _WEEK
                shift = weeks * _WEEK
            yield {"meter": meter, "at": (moment + shift).isoformat(), "energy_wh": int(energy_wh)}
