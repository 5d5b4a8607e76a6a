"""Distances between metro stations, from a map file that is given, never from a table of ours.

Two kinds of file, told apart by their content:

- JSON by line (`shenzhen_Metro.json`): `id2name`, `center_gps` and one `"(0,1)"` section a pair of
  neighbours with the track as a polyline and its running length `dist`. The trip is the shortest way
  through the network. Many of these polylines have holes or are empty, so a section counts as its polyline
  or, where that is shorter than the straight line between the two stations, as the straight line.
- CSV with `name,lat,lng` (`sh_subway_wgs.csv`): the straight line between the two stations.

Both are lower bounds of what was ridden (the shortest way, and straight lines where the track is unknown),
and each section is rounded down to whole metres: nobody is credited for a metre that the map does not show.
"""

import heapq
import itertools
import unicodedata
from collections.abc import Mapping
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from typing import Any

import orjson

from app.replay.readers import values
from app.replay.readers.base import BadRow, FileRefused, RowRefused, table

Point = tuple[float, float]
"""(lng, lat) in degrees."""

_EARTH_RADIUS_M = 6_371_000
_MAX_DETOUR = 3
_MIN_NAME = 2


def normalise(name: str) -> str:
    """Return one form of a station's name: half-width, without blanks and the suffix 站."""
    text = "".join(unicodedata.normalize("NFKC", name).split())
    shorter = text.removesuffix("站")
    return shorter if len(shorter) >= _MIN_NAME else text


def straight_m(one: Point, other: Point) -> int:
    """Return the great-circle distance in whole metres, rounded down."""
    lat1, lat2 = radians(one[1]), radians(other[1])
    chord = sin((lat2 - lat1) / 2) ** 2
    chord += cos(lat1) * cos(lat2) * sin(radians(other[0] - one[0]) / 2) ** 2
    return int(2 * _EARTH_RADIUS_M * asin(sqrt(min(1.0, chord))))


class MetroMap:
    """Stations by name and the shortest way between two of them."""

    def __init__(
        self, stations: Mapping[str, Point], sections: Mapping[str, Mapping[str, int]] | None
    ) -> None:
        """Hold stations and, for a network, the metres between neighbours; without one, straight lines."""
        self._stations = stations
        self._sections = sections
        self._ways: dict[str, dict[str, int]] = {}

    def __contains__(self, name: object) -> bool:
        """Whether the map has a station of that normalised name."""
        return name in self._stations

    @property
    def is_network(self) -> bool:
        """Whether distances follow lines, or are straight."""
        return self._sections is not None

    def distance_m(self, one: str, other: str) -> int | None:
        """Return whole metres between two stations by normalised name; `None` where no way leads there."""
        if one not in self._stations or other not in self._stations:
            return None
        if self._sections is None:
            return straight_m(self._stations[one], self._stations[other])
        if one not in self._ways:
            self._ways[one] = _shortest(self._sections, one)
        return self._ways[one].get(other)


def _shortest(sections: Mapping[str, Mapping[str, int]], origin: str) -> dict[str, int]:
    """Dijkstra over all stations; whole metres."""
    found: dict[str, int] = {}
    queue = [(0, origin)]
    while queue:
        metres, name = heapq.heappop(queue)
        if name in found:
            continue
        found[name] = metres
        for neighbour, length in sections[name].items():
            if neighbour not in found:
                heapq.heappush(queue, (metres + length, neighbour))
    return found


def read_map(path: Path) -> MetroMap:
    """Read a map of either kind. Raises `FileRefused`."""
    try:
        start = path.open("rb").read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError as error:
        raise FileRefused(
            "stations.unreadable", f"{path} cannot be read: {error.strerror or error}"
        ) from None
    return _network(path) if start.startswith(b"{") else _points(path)


def _points(path: Path) -> MetroMap:
    stations: dict[str, Point] = {}
    for row in table(path, ("name", "lat", "lng"), "station"):
        if isinstance(row, BadRow):
            continue
        try:
            point = values.place(row, "lng", "lat")
        except RowRefused:
            continue
        if row["name"] and point is not None:
            stations.setdefault(normalise(row["name"]), point)
    return MetroMap(stations, None)


def _network(path: Path) -> MetroMap:
    stations: dict[str, Point] = {}
    sections: dict[str, dict[str, int]] = {}
    try:
        document = orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
        for line in document.values():
            if isinstance(line, dict):
                _add_line(line, stations, sections)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise FileRefused("stations.format", f"{path.name} is no station map that is known here") from None
    if not stations:
        raise FileRefused("stations.format", f"{path.name} names no stations")
    return MetroMap(stations, sections)


def _add_line(
    line: Mapping[str, Any], stations: dict[str, Point], sections: dict[str, dict[str, int]]
) -> None:
    names = {number: normalise(name) for number, name in _one(line["id2name"]).items()}
    points = {
        number: (float(point[0]), float(point[1])) for number, point in _one(line["center_gps"]).items()
    }
    for number, name in names.items():
        stations.setdefault(name, points[number])
        sections.setdefault(name, {})
    ordered = sorted(names, key=int)
    for one, other in itertools.pairwise(ordered):
        line_m = straight_m(points[one], points[other])
        track = line.get(f"({one},{other})") or line.get(f"({one}, {other})") or {}
        run = track.get("dist") or [0]
        track_m = int(run[-1])
        # A polyline that breaks off is too short, one that strays is too long: neither is a track.
        metres = track_m if line_m <= track_m <= line_m * _MAX_DETOUR else line_m
        for a, b in ((names[one], names[other]), (names[other], names[one])):
            sections[a][b] = min(metres, sections[a].get(b, metres))


def _one(value: Any) -> dict[str, Any]:
    """Unpack `[{...}]`, as the file wraps its tables."""
    found = value[0] if isinstance(value, list) else value
    return dict(found)
