"""Shenzhen Tong taps: one touch of a card a row, paired into metro trips.

`deal_date` when, `card_no` (masked), `deal_type` (地铁入站 in, 地铁出站 out, 巴士 bus), `station` (of a
bus, its route), `equ_no` the gate. Other columns are not needed; fares are not used.

*Pairs.* The taps of a card are put in order of time, whatever their order in the file, and an entry
followed by an exit within six hours is a trip. What is left over is reported and never guessed: `orphan_in`,
`orphan_out`, `repeated_tap` (the very same tap twice), and `out_of_order` for taps of one second whose order
time cannot tell. How many taps stood in the wrong order in the file is told in `notes`.

*Stations.* A name is normalised (`metro_map.normalise`), a few old names are mapped in `szt_stations.yaml`.
Where the file has `-` for a name, the first six digits of the gate's number tell the station, learned from
the other taps of the same file and only where all of them agree.

*Distance.* The shortest way through the station map that is given, or found next to the file; a lower bound
of what was ridden (see `metro_map`). Without a map, or off it, a pair has no distance and is reported as
`no_station_map`, `station_unknown` or `station_not_on_map`; in and out at one station is `same_station`. A
fare would give a distance only under a tariff that no source here states, so it is not used.

*Buses.* One tap, no exit, no distance: `bus_no_distance`.

Taps are kept in an SQLite file of their own while they are sorted, so that memory does not grow with rows.
"""

import contextlib
import datetime as dt
import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

import yaml

from app.replay.readers import values
from app.replay.readers.base import SHANGHAI, BadRow, Row, RowRefused, Trip, identity, table
from app.replay.readers.metro_map import MetroMap, normalise, read_map

COLUMNS = ("deal_date", "card_no", "deal_type", "station")
DEFAULT_REGION = "440300"
MAX_STAY_S: Final = 6 * 3600
"""The longest time between an entry and its exit: beyond it, they belong to two trips."""

_GATE_STATION_DIGITS = 6
_NO_NAME = "-"
_CHUNK = 5_000
_TABLE = "CREATE TABLE tap (card TEXT, at INTEGER, kind INTEGER, gate TEXT, station TEXT, line INTEGER)"
_MAP_PATTERN = "*henzhen*etro*.json"


class Kind(IntEnum):
    """What a metro tap does."""

    ENTRY = 0
    EXIT = 1


_KINDS = {"地铁入站": Kind.ENTRY, "地铁出站": Kind.EXIT}
_BUSES = frozenset(("巴士", "公交"))


@dataclass(frozen=True, slots=True, order=True)
class Tap:
    """A metro tap of one card: epoch seconds, what, where, and its line in the file."""

    at: int
    kind: Kind
    gate: str
    station: str
    line: int

    @property
    def place(self) -> tuple[int, Kind, str, str]:
        """All but the line."""
        return self.at, self.kind, self.gate, self.station


def pair(taps: Iterable[Tap]) -> Iterator[tuple[Tap, Tap] | tuple[Tap, str]]:
    """Pair the taps of one card; yields (entry, exit), or (tap, reason) for what is left over.

    Each tap comes out exactly once; the result depends on what the taps are and not on their order.
    """
    entry: Tap | None = None
    for moment, repeated in _moments(taps):
        for tap in repeated:
            yield tap, "repeated_tap"
        # Of one second, only "out of the last trip, into the next" has one possible order.
        changes = entry is not None and [tap.kind for tap in moment] == [Kind.ENTRY, Kind.EXIT]
        clear = len(moment) == 1 or changes
        for tap in reversed(moment):
            if clear and entry is not None and tap.kind is Kind.EXIT and tap.at - entry.at <= MAX_STAY_S:
                yield entry, tap
                entry = None
                continue
            if entry is not None:
                yield entry, "orphan_in"
                entry = None
            if not clear:
                yield tap, "out_of_order"
            elif tap.kind is Kind.EXIT:
                yield tap, "orphan_out"
            else:
                entry = tap
    if entry is not None:
        yield entry, "orphan_in"


def _moments(taps: Iterable[Tap]) -> Iterator[tuple[list[Tap], list[Tap]]]:
    """Yield the taps of each second in order of time: those that differ, and those that repeat one."""
    for _, group in itertools.groupby(sorted(taps), key=lambda tap: tap.at):
        moment: list[Tap] = []
        repeated: list[Tap] = []
        for tap in group:
            same = bool(moment) and moment[-1].place == tap.place
            (repeated if same else moment).append(tap)
        yield moment, repeated


class SztReader:
    """Reads taps; `stations` is a station map, by default the one that lies beside the file."""

    format = "szt"

    def __init__(self, stations: Path | None = None, region: str = DEFAULT_REGION) -> None:
        self.region = region
        self.notes: tuple[str, ...] = ()
        self._stations = stations
        self._aliases = _aliases()
        self._map: MetroMap | None = None

    def read(self, path: Path) -> Iterator[Trip | BadRow]:
        """Yield bad rows and bus taps in the file's order, then trips and orphans card by card."""
        self._map, map_name = self._find_map(path)
        with contextlib.closing(sqlite3.connect("", check_same_thread=False)) as store:
            store.execute(_TABLE)
            yield from self._store_taps(path, store)
            named = self._gate_names(store)
            displaced = resolved = 0
            query = store.execute("SELECT * FROM tap ORDER BY card, at, kind, gate, station, line")
            for card, rows in itertools.groupby(query, key=lambda row: str(row[0])):
                taps = [Tap(at, Kind(kind), gate, station, line) for _, at, kind, gate, station, line in rows]
                displaced += sum(after.line < before.line for before, after in itertools.pairwise(taps))
                for first, second in pair(taps):
                    if isinstance(second, str):
                        yield BadRow((first.line,), second)
                        continue
                    resolved += (first.station == "") + (second.station == "")
                    yield self._trip(card, first, second, named)
        self.notes = tuple(_notes(map_name, self._map, displaced, resolved))

    def _find_map(self, path: Path) -> tuple[MetroMap | None, str]:
        found = self._stations or next(iter(sorted(path.parent.glob(_MAP_PATTERN))), None)
        return (None, "") if found is None else (read_map(found), found.name)

    def _store_taps(self, path: Path, store: sqlite3.Connection) -> Iterator[BadRow]:
        waiting: list[tuple[str, int, int, str, str, int]] = []
        for row in table(path, COLUMNS, self.format):
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                waiting.append(self._tap(row))
            except RowRefused as refused:
                yield BadRow((row.line,), refused.reason)
            if len(waiting) >= _CHUNK:
                store.executemany("INSERT INTO tap VALUES (?, ?, ?, ?, ?, ?)", waiting)
                waiting.clear()
        store.executemany("INSERT INTO tap VALUES (?, ?, ?, ?, ?, ?)", waiting)

    def _tap(self, row: Row) -> tuple[str, int, int, str, str, int]:
        kind_text = values.given(row, "deal_type")
        if kind_text in _BUSES:
            raise RowRefused("bus_no_distance")
        kind = _KINDS.get(kind_text)
        if kind is None:
            raise RowRefused("unknown_deal_type")
        card = values.identifier(row, "card_no")
        at = int(values.moment(row, "deal_date").timestamp())
        name = row["station"]
        station = "" if name in ("", _NO_NAME) else self._named(name)
        return card, at, int(kind), row["equ_no"], station, row.line

    def _named(self, name: str) -> str:
        station = normalise(name)
        return self._aliases.get(station, station)

    @staticmethod
    def _gate_names(store: sqlite3.Connection) -> dict[str, str]:
        """Station by the first digits of a gate's number, where every named tap of those gates agrees."""
        rows = store.execute(
            "SELECT substr(gate, 1, ?) AS place, min(station) FROM tap"
            " WHERE station <> '' AND length(gate) > ? GROUP BY place HAVING count(DISTINCT station) = 1",
            (_GATE_STATION_DIGITS, _GATE_STATION_DIGITS),
        )
        return dict(rows.fetchall())

    def _trip(self, card: str, entry: Tap, leave: Tap, named: dict[str, str]) -> Trip | BadRow:
        lines = (entry.line, leave.line)
        start = entry.station or named.get(entry.gate[:_GATE_STATION_DIGITS], "")
        end = leave.station or named.get(leave.gate[:_GATE_STATION_DIGITS], "")
        if not start or not end:
            return BadRow(lines, "station_unknown")
        if start == end:
            return BadRow(lines, "same_station")
        if self._map is None:
            return BadRow(lines, "no_station_map")
        distance_m = self._map.distance_m(start, end)
        if distance_m is None:
            return BadRow(lines, "station_not_on_map")
        order_no = identity(card, str(entry.at), entry.gate, start, str(leave.at), leave.gate, end)
        return Trip(
            event_id=f"{self.format}:{order_no}",
            user=card,
            scene="trip.metro",
            region=self.region,
            started_at=dt.datetime.fromtimestamp(entry.at, SHANGHAI),
            ended_at=dt.datetime.fromtimestamp(leave.at, SHANGHAI),
            lines=lines,
            distance_m=distance_m,
            order_no=order_no,
        )


def _aliases() -> dict[str, str]:
    text = Path(__file__).with_name("szt_stations.yaml").read_text(encoding="utf-8")
    return {normalise(str(old)): normalise(str(new)) for old, new in yaml.safe_load(text).items()}


def _notes(map_name: str, metro: MetroMap | None, displaced: int, resolved: int) -> Iterator[str]:
    if metro is None:
        yield "no station map was given or found beside the file, so no trip has a distance (--stations FILE)"
    elif metro.is_network:
        yield f"distances are the shortest way through {map_name}, a lower bound of what was ridden"
    else:
        yield f"distances are straight lines between stations of {map_name}, a lower bound of what was ridden"
    if displaced:
        yield f"{displaced} taps stood before an earlier one of their card and were put in order of time"
    if resolved:
        yield f"{resolved} paired taps without a station's name were looked up by the number of their gate"
