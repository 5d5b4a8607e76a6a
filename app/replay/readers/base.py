"""What every reader yields, and how a text table is read row by row without ever stopping at a bad one.

A row is a line: none of these formats has line breaks inside a field, and an unclosed quote must not swallow
the rest of the file.
"""

import csv
import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

SHANGHAI = dt.timezone(dt.timedelta(hours=8), "Asia/Shanghai")
"""Local time of all files. China keeps no summer time since 1991; older times are refused."""

_MAX_LINE = 65_536
_SNIFF_BYTES = 262_144
_DELIMITERS = ",\t;|"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class FileRefused(Exception):
    """A file that is not of the format at all; `code` is stable, the text tells a person what to do."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class BadRow:
    """One or more rows that become no report: their line numbers (the header is line 1) and why."""

    lines: tuple[int, ...]
    reason: str


class RowRefused(Exception):
    """Raised while one row is read; its reader turns it into a `BadRow`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Trip:
    """One act of the file. `event_id` is its identity in the file's own time; nothing is judged here.

    Coordinates are (lng, lat) in degrees, distances in metres, energy in Wh.
    """

    event_id: str
    user: str
    scene: str
    region: str
    started_at: dt.datetime
    ended_at: dt.datetime
    lines: tuple[int, ...]
    distance_m: int | None = None
    energy_wh: int | None = None
    order_no: str | None = None
    asset_id: str | None = None
    start: tuple[float, float] | None = None
    end: tuple[float, float] | None = None

    def report(self, weeks: int = 0) -> dict[str, Any]:
        """Return the body of the report, all times moved by whole weeks.

        The weeks are part of the event id, so that a replay with another shift is another report and no
        conflict; the order number is not, so that the order itself is still claimed once.
        """
        shift = dt.timedelta(weeks=weeks)
        body: dict[str, Any] = {
            "event_id": f"{self.event_id}:{weeks:+d}w",
            "scene": self.scene,
            "region": self.region,
            "subject": {"scheme": "source_user", "value": self.user},
            "started_at": (self.started_at + shift).isoformat(),
            "ended_at": (self.ended_at + shift).isoformat(),
        }
        for name in ("distance_m", "energy_wh", "order_no", "asset_id"):
            value = getattr(self, name)
            if value is not None:
                body[name] = value
        if self.start is not None and self.end is not None:
            body["start"] = {"lng": self.start[0], "lat": self.start[1]}
            body["end"] = {"lng": self.end[0], "lat": self.end[1]}
        return body


class Reader(Protocol):
    """A format: reads a file as often as asked, always the same acts in the same order."""

    format: str
    notes: tuple[str, ...]
    """What a reader of the summary should know of this file; complete once `read` was exhausted."""

    def read(self, path: Path) -> Iterator[Trip | BadRow]:
        """Yield every row of the file, as part of a `Trip` or of a `BadRow`. Raises `FileRefused`."""
        ...


def identity(*parts: str) -> str:
    """Return 16 characters that tell acts of different files apart which carry the same number.

    Made of what the source says of the act and not of the file's name or place: the same trip in a longer
    extract stays the same act.
    """
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


class Row:
    """One row by column name; a missing cell is empty."""

    __slots__ = ("_cells", "_columns", "line")

    def __init__(self, line: int, columns: dict[str, int], cells: list[str]) -> None:
        self.line = line
        self._columns = columns
        self._cells = cells

    def __getitem__(self, name: str) -> str:
        index = self._columns.get(name)
        return self._cells[index].strip() if index is not None and index < len(self._cells) else ""


def table(path: Path, required: Sequence[str], format_name: str) -> Iterator[Row | BadRow]:
    """Yield the rows of a delimited text by header name, whatever the order of its columns.

    Takes UTF-8 with or without byte order mark, GB 18030 and UTF-16; comma, tab, semicolon or bar; any line
    ends; quotes; rows whose last columns are missing. Blank lines are no rows. Raises `FileRefused` where
    the file is away, empty, without rows, or has another header.
    """
    try:
        encoding = _encoding(path)
        with path.open(encoding=encoding, errors="surrogateescape", newline=None) as lines:
            yield from _rows(lines, required, format_name)
    except UnicodeError:  # only UTF-16 raises it: the escape above has no meaning there
        raise FileRefused("file.encoding", f"{path.name} is not readable text: save it as UTF-8") from None
    except OSError as error:
        raise FileRefused("file.unreadable", f"{path} cannot be read: {error.strerror or error}") from None


def _rows(lines: TextIO, required: Sequence[str], format_name: str) -> Iterator[Row | BadRow]:
    number = 0
    header = ""
    while not header.strip():
        header = lines.readline(_MAX_LINE)
        number += 1
        if not header:
            raise FileRefused("file.empty", f"the file is empty; a {format_name} file starts with a header")
    columns, delimiter = _header(header, required, format_name)
    found = False
    while line := lines.readline(_MAX_LINE):
        number += 1
        if not line.strip():
            continue
        found = True
        if len(line) >= _MAX_LINE and not line.endswith("\n"):
            while (rest := lines.readline(_MAX_LINE)) and not rest.endswith("\n"):
                pass
            yield BadRow((number,), "line_too_long")
            continue
        yield _row(number, line, columns, delimiter)
    if not found:
        raise FileRefused("file.no_rows", f"the file has a {format_name} header and no rows")


def _row(number: int, line: str, columns: dict[str, int], delimiter: str) -> Row | BadRow:
    line = line.rstrip("\n")
    if not line.isascii() and not _decoded(line):
        return BadRow((number,), "encoding")
    if any(character < " " and character != "\t" for character in line) or "\x7f" in line:
        return BadRow((number,), "control_character")
    if '"' in line:
        try:
            cells = next(csv.reader((line,), delimiter=delimiter, strict=True))
        except csv.Error:
            return BadRow((number,), "quoting")
    else:
        cells = line.split(delimiter)
    if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
        return BadRow((number,), "too_many_columns")
    return Row(number, columns, cells)


def _header(line: str, required: Sequence[str], format_name: str) -> tuple[dict[str, int], str]:
    if "\x00" in line or not _decoded(line):
        raise FileRefused("file.encoding", "the header is not readable text: save the file as UTF-8")
    best: list[str] = []
    for delimiter in _DELIMITERS:
        try:
            cells = next(csv.reader((line.rstrip("\n"),), delimiter=delimiter), [])
        except csv.Error:
            continue
        names = [cell.strip().strip("\ufeff").casefold() for cell in cells]
        wanted = {name.casefold(): name for name in required}
        missing = [name for folded, name in wanted.items() if folded not in names]
        if not missing:
            if repeated := sorted({name for name in wanted if names.count(name) > 1}):
                raise FileRefused("file.header", f"the header names a column twice: {', '.join(repeated)}")
            return {name: index for index, name in enumerate(names)}, delimiter
        if not best or len(missing) < len(best):
            best = missing
    raise FileRefused(
        "file.header", f"this is no {format_name} file: its header lacks the column(s) {', '.join(best)}"
    )


def _decoded(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _encoding(path: Path) -> str:
    """Tell the encoding from the beginning of the file: most lines decide, so one broken line does not."""
    with path.open("rb") as file:
        head = file.read(_SNIFF_BYTES)
    if head.startswith(_UTF16_MARKS):
        return "utf-16"
    lines = head.splitlines()
    if len(head) == _SNIFF_BYTES and len(lines) > 1:
        lines.pop()  # cut off in its middle
    utf8 = gb18030 = 0
    for line in lines:
        if not line.isascii():
            utf8 += _is(line, "utf-8")
            gb18030 += _is(line, "gb18030")
    return "gb18030" if gb18030 > utf8 else "utf-8-sig"


def _is(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
