"""The daily file of a bank: CSV in UTF-8, a line for each green loan that was granted on the day."""

import csv
import datetime
import io
from dataclasses import dataclass
from typing import Final

HEAD: Final = ("number", "amount_fen", "rate_bp", "granted_on", "state")
_MOST_FEN: Final = 10**15
_LONGEST_NUMBER: Final = 64


class FileUnreadable(ValueError):
    """Not what is agreed, or cut short."""


@dataclass(frozen=True, slots=True)
class FileLine:
    """A loan as the bank's books have it."""

    number: str
    amount_fen: int
    rate_bp: int
    granted_on: datetime.date
    state: str


def read_file(content: bytes, count: int) -> list[FileLine]:
    """The lines of a file that was announced with so many. Raises `FileUnreadable`."""
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise FileUnreadable("not a CSV in UTF-8") from None
    if not rows or tuple(rows[0]) != HEAD:
        raise FileUnreadable("the head is another one")
    lines = [_line(row) for row in rows[1:] if row]
    if len(lines) != count or len({line.number for line in lines}) != count:
        raise FileUnreadable("other lines than were announced")
    return lines


def _line(row: list[str]) -> FileLine:
    try:
        number, amount, rate, day, state = row
        line = FileLine(number, _whole(amount), _whole(rate), datetime.date.fromisoformat(day), state)
    except ValueError:
        raise FileUnreadable("a line that is none") from None
    if not line.number or len(line.number) > _LONGEST_NUMBER or state not in ("granted", "cancelled"):
        raise FileUnreadable("a line that is none")
    return line


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text[:17]) > _MOST_FEN:
        raise ValueError("no amount")
    return int(text)
