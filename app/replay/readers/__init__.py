"""Readers of real files, one module a format. Nothing here knows the service."""

from pathlib import Path

from app.replay.readers.base import BadRow, FileRefused, Reader, Trip
from app.replay.readers.ev import EvReader
from app.replay.readers.mobike import MobikeReader
from app.replay.readers.szt import SztReader

FORMATS = ("mobike", "szt", "ev")

__all__ = ["FORMATS", "BadRow", "FileRefused", "Reader", "Trip", "make_reader"]


def make_reader(format_name: str, *, region: str | None = None, stations: Path | None = None) -> Reader:
    """Return the reader of a format; without a region the city that its public extract is from.

    `stations` is the map of a metro for `szt`; see `metro_map.read_map`. Raises `FileRefused`.
    """
    if format_name == "mobike":
        return MobikeReader() if region is None else MobikeReader(region)
    if format_name == "ev":
        return EvReader() if region is None else EvReader(region)
    if format_name == "szt":
        return SztReader(stations) if region is None else SztReader(stations, region)
    raise FileRefused("format.unknown", f"unknown format {format_name!r}: one of {', '.join(FORMATS)}")
