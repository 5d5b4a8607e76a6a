"""Sessions of electric-car charging at work: one session a row.

`sessionId`, `userId`, `stationId`, `kwhTotal`, `created` and `ended`. Years are written `0014` for 2014;
times are read as local. kWh become whole Wh, rounded down; a session without energy is no act. Overlaps of
one user or one pile are left to the service, which lets a pile serve one claim at a time.
"""

from collections.abc import Iterator
from pathlib import Path

from app.replay.readers import values
from app.replay.readers.base import BadRow, Row, RowRefused, Trip, identity, table

COLUMNS = ("sessionId", "kwhTotal", "created", "ended", "userId", "stationId")
DEFAULT_REGION = "440300"
_CENTURY = 2000


class EvReader:
    """Reads charging sessions; `region` decides the grid factor."""

    format = "ev"

    def __init__(self, region: str = DEFAULT_REGION) -> None:
        self.region = region
        self.notes: tuple[str, ...] = ()

    def read(self, path: Path) -> Iterator[Trip | BadRow]:
        """Yield a session or a bad row for each row of the file, in its order."""
        for row in table(path, COLUMNS, self.format):
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                yield self._session(row)
            except RowRefused as refused:
                yield BadRow((row.line,), refused.reason)

    def _session(self, row: Row) -> Trip:
        session_id = values.identifier(row, "sessionid")
        user = values.identifier(row, "userid")
        station = values.identifier(row, "stationid")
        started_at = values.moment(row, "created", century=_CENTURY)
        ended_at = values.moment(row, "ended", century=_CENTURY)
        energy_wh = values.whole(values.number(row, "kwhtotal"), 1000)
        if energy_wh == 0:
            raise RowRefused("zero_energy")
        if ended_at <= started_at:
            raise RowRefused("zero_duration" if ended_at == started_at else "end_before_start")
        order_no = f"{session_id}-{identity(session_id, user, station, started_at.isoformat())}"
        return Trip(
            event_id=f"{self.format}:{order_no}",
            user=user,
            scene="charging.ev",
            region=self.region,
            started_at=started_at,
            ended_at=ended_at,
            lines=(row.line,),
            energy_wh=energy_wh,
            order_no=order_no,
            asset_id=station,
        )
