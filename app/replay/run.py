"""Replays a file through the HTTP API: onboards its people, moves its times, reports its acts in batches.

The file is read twice, first for the number of its acts and the first of them, then in chunks as they are
sent, so memory does not grow with the file. Running it again sends the same reports under the same event ids
and adds nothing.
"""

import asyncio
import datetime as dt
import hashlib
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from app.replay.api import MAX_BATCH, Api
from app.replay.flight import Flight
from app.replay.progress import Advance, track
from app.replay.readers import BadRow, FileRefused, Reader, Trip, make_reader
from app.replay.readers.base import SHANGHAI
from app.replay.readers.values import EARLIEST_YEAR, LATEST_YEAR
from app.replay.summary import Summary
from methodologies.catalogue import BUILT_IN
from methodologies.pack import read_scenes

BATCH_SIZE = 1_000
IN_FLIGHT = 2
CONSENT_TEXT = "2026-01"
_WEEK_DAYS = 7
# A chunk ends after so many rows for each wanted trip, so that a file of bad rows does not pile up.
_ROWS_PER_TRIP = 20


@dataclass(frozen=True, slots=True)
class Survey:
    """What a file holds, known before anything is sent."""

    trips: int
    first: dt.datetime | None
    """Start of the earliest act."""
    last: dt.datetime | None
    """Latest end of an act."""


def survey(reader: Reader, path: Path) -> Survey:
    """Read the file once. Raises `FileRefused`."""
    trips = 0
    first: dt.datetime | None = None
    last: dt.datetime | None = None
    for row in reader.read(path):
        if isinstance(row, Trip):
            trips += 1
            if first is None or row.started_at < first:
                first = row.started_at
            if last is None or row.ended_at > last:
                last = row.ended_at
    return Survey(trips, first, last)


def weeks_to(first: dt.datetime, move_to: dt.date | None) -> int:
    """Return the whole weeks that bring the first act to its own weekday on, or last before, `move_to`.

    Raises `FileRefused` where `move_to` is no day that an act can have.
    """
    if move_to is None:
        return 0
    if not EARLIEST_YEAR <= move_to.year <= LATEST_YEAR:
        raise FileRefused("move_to.range", f"--move-to must lie between {EARLIEST_YEAR} and {LATEST_YEAR}")
    return (move_to - first.astimezone(SHANGHAI).date()).days // _WEEK_DAYS


async def replay(
    api_operator: Api,
    api_platform: Api,
    source_id: str,
    path: Path,
    format_name: str,
    *,
    region: str | None = None,
    move_to: dt.date | None = None,
    limit: int | None = None,
    stations: Path | None = None,
    batch_size: int = BATCH_SIZE,
    progress: Console | None = None,
    now: dt.datetime | None = None,
    summary: Summary | None = None,
) -> Summary:
    """Report every act of a file and return what became of them.

    `api_operator` onboards the people of the file (a platform's own `Api` with that scope serves as well),
    `api_platform` reports as the source `source_id`. `limit` is the most acts to report. A `summary` that is
    handed in is filled as answers come, so that it can be shown after Ctrl-C. Raises `FileRefused` and
    `ApiError`; cancelled in the middle, it has lost nothing and can be run again.
    """
    summary = Summary() if summary is None else summary
    reader = make_reader(format_name, region=region, stations=stations)
    with track(progress, f"Reading {path.name}", None):
        found = await asyncio.to_thread(survey, reader, path)
    total = found.trips if limit is None else min(found.trips, limit)
    summary.notes += reader.notes
    weeks = 0 if found.first is None else weeks_to(found.first, move_to)
    summary.shift_weeks = weeks
    now = now or dt.datetime.now(dt.UTC)
    if found.last is not None and found.last + dt.timedelta(weeks=weeks) > now:
        summary.notes.append("the last acts lie after now; the service refuses them as in_future")
    started = time.monotonic()
    with track(progress, f"Replaying {path.name}", total) as advance:
        run = _Run(api_operator, api_platform, source_id, summary, advance, weeks)
        run.granted_at = _granted_at(found.first, weeks, now)
        run.size = max(1, min(batch_size, MAX_BATCH))
        try:
            await run.send(reader, path, total if limit is not None else None)
        except asyncio.CancelledError:
            summary.interrupted = True
            raise
        finally:
            summary.seconds += time.monotonic() - started
    return summary


def _granted_at(first: dt.datetime | None, weeks: int, now: dt.datetime) -> dt.datetime:
    """Consents are older than the first act, and never in the future."""
    if first is None:
        return now
    before = first + dt.timedelta(weeks=weeks, days=-1)
    return min(before.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0), now)


class _Run:
    """One pass over the file."""

    granted_at: dt.datetime
    size: int = BATCH_SIZE

    def __init__(
        self,
        api_operator: Api,
        api_platform: Api,
        source_id: str,
        summary: Summary,
        advance: Advance,
        weeks: int,
    ) -> None:
        self._operator = api_operator
        self._platform = api_platform
        self._source_id = source_id
        self._summary = summary
        self._advance = advance
        self._weeks = weeks
        self._known: set[str] = set()
        self._scenes = read_scenes(BUILT_IN)

    async def send(self, reader: Reader, path: Path, limit: int | None) -> None:
        """Report chunk after chunk, a few in flight; a chunk's new people are onboarded before it."""
        rows = reader.read(path)
        left = limit
        async with Flight(IN_FLIGHT) as flight:
            while left is None or left > 0:
                wanted = self.size if left is None else min(self.size, left)
                chunk = await asyncio.to_thread(_take, rows, wanted, self.size * _ROWS_PER_TRIP)
                if not chunk:
                    break
                trips = self._count(chunk)
                left = None if left is None else left - len(trips)
                if trips:
                    await self._onboard(trips)
                    await flight.start(self._report(trips))

    def _count(self, chunk: Sequence[Trip | BadRow]) -> list[Trip]:
        for row in chunk:
            self._summary.take_row(row)
        return [row for row in chunk if isinstance(row, Trip)]

    async def _onboard(self, trips: Sequence[Trip]) -> None:
        new = {trip.user: trip for trip in trips if trip.user not in self._known}
        if new:
            items = await self._operator.onboard([self._holder(trip) for trip in new.values()])
            self._summary.take_holders(items)
            self._known.update(new)

    def _holder(self, trip: Trip) -> dict[str, Any]:
        scene = self._scenes[trip.scene]
        groups = [scene.group, *(("movement",) if scene.movement else ())]
        granted_at = self.granted_at.isoformat()
        # The receipt of a made-up consent: stable, and without the user's id.
        digest = hashlib.blake2b(f"{self._source_id}\0{trip.user}\0{granted_at}".encode(), digest_size=12)
        return {
            "kind": "person",
            "region": trip.region,
            "identities": [{"scheme": "source_user", "value": trip.user, "source_id": self._source_id}],
            "consents": [
                {
                    "source_id": self._source_id,
                    "scene_groups": groups,
                    "text_version": CONSENT_TEXT,
                    "receipt_id": f"replay-{digest.hexdigest()}",
                    "granted_at": granted_at,
                }
            ],
        }

    async def _report(self, trips: Sequence[Trip]) -> None:
        reports = [trip.report(self._weeks) for trip in trips]
        items = await self._platform.report(reports)
        self._summary.take(reports, items)
        self._advance(len(items))


def _take(rows: Iterator[Trip | BadRow], trips: int, most: int) -> list[Trip | BadRow]:
    """Take rows until there are so many trips, or so many rows, in hand."""
    taken: list[Trip | BadRow] = []
    for row in itertools.islice(rows, most):
        taken.append(row)
        trips -= isinstance(row, Trip)
        if trips <= 0:
            break
    return taken
