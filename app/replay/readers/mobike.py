"""Shared-bike trips as the Mobike extracts write them: one trip a row.

`ID` trip, `BID` bike, `UID` user, `ST` local start to the minute, `DU` minutes, `DS` length of the track in
metres, `SX,SY` and `EX,EY` start and end (lng, lat), often missing. The end is `ST` plus `DU`; metres are
rounded down. Speed and hours are not judged here: the service refuses what cannot be.

Numbers in `ID` start anew in every extract, so a trip is told by its number together with user, bike and
start.
"""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from app.replay.readers import values
from app.replay.readers.base import BadRow, Row, RowRefused, Trip, identity, table

COLUMNS = ("ID", "UID", "ST", "DU", "DS")
DEFAULT_REGION = "310000"
_MAX_MINUTES = 1_000_000


class MobikeReader:
    """Reads shared-bike trips; `region` is where they were ridden."""

    format = "mobike"

    def __init__(self, region: str = DEFAULT_REGION) -> None:
        self.region = region
        self.notes: tuple[str, ...] = ()

    def read(self, path: Path) -> Iterator[Trip | BadRow]:
        """Yield a trip or a bad row for each row of the file, in its order."""
        for row in table(path, COLUMNS, self.format):
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                yield self._trip(row)
            except RowRefused as refused:
                yield BadRow((row.line,), refused.reason)

    def _trip(self, row: Row) -> Trip:
        trip_id = values.identifier(row, "id")
        user = values.identifier(row, "uid")
        started_at = values.moment(row, "st")
        minutes = values.number(row, "du")
        if not 0 < minutes <= _MAX_MINUTES:
            raise RowRefused("zero_duration" if minutes == 0 else "bad_du")
        seconds = values.whole(minutes, 60)
        if seconds == 0:
            raise RowRefused("zero_duration")
        order_no = f"{trip_id}-{identity(trip_id, user, row['bid'], started_at.isoformat())}"
        return Trip(
            event_id=f"{self.format}:{order_no}",
            user=user,
            scene="trip.shared_bike",
            region=self.region,
            started_at=started_at,
            ended_at=started_at + dt.timedelta(seconds=seconds),
            lines=(row.line,),
            distance_m=values.whole(values.number(row, "ds")),
            order_no=order_no,
            start=values.place(row, "sx", "sy"),
            end=values.place(row, "ex", "ey"),
        )
