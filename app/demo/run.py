"""Plays the made-up week through the HTTP API, as two platforms and an operator would."""

import asyncio
import datetime as dt
import itertools
import time
from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from app.demo.city import CITY_METRO, PLATFORM_NAMES, City, Report, week_before
from app.demo.market import REGION as SHOPPING
from app.replay.api import Api
from app.replay.flight import Flight
from app.replay.progress import Advance, track
from app.replay.summary import Summary

BATCH_SIZE = 1_000
_IN_FLIGHT = 2
_WATCHED = 50
_SHOPPERS = 8


async def run_demo(
    api_operator: Api,
    platforms: Sequence[tuple[Api, str]],
    *,
    seed: int,
    residents: int,
    now: dt.datetime,
    progress: Console | None = None,
    summary: Summary | None = None,
) -> Summary:
    """Onboard the made-up residents, report the seven full days before `now`, return what became of them.

    `platforms` are the two platforms of `app.demo.city.PLATFORM_NAMES`, each with its `Api` and source id.
    The same seed and week again adds nothing: all is answered as before, but for reports without consent or
    methodology, which the service keeps open. `summary.look` names a `holder_id`, an `activity_id` and a
    `duplicate_id` that are worth a look; both activities are the second platform's. Raises `ApiError`.
    """
    if len(platforms) != len(PLATFORM_NAMES):
        raise ValueError(f"the demonstration needs {len(PLATFORM_NAMES)} platforms")
    summary = Summary() if summary is None else summary
    city = await asyncio.to_thread(City, seed, residents)
    days = week_before(now)
    total = await asyncio.to_thread(city.count, days)
    started = time.monotonic()
    play = _Play(city, [api for api, _ in platforms], summary)
    try:
        with track(progress, "Onboarding the made-up residents", len(city.residents)) as advance:
            await play.onboard(api_operator, [source_id for _, source_id in platforms], advance)
        with track(progress, "Replaying their week", total) as advance:
            for date in days:
                day = await asyncio.to_thread(city.day, date)
                await play.report(day.first, advance)
                await play.report(day.second, advance)
    except asyncio.CancelledError:
        summary.interrupted = True
        raise
    finally:
        summary.seconds += time.monotonic() - started
        play.point_out()
    return summary


class _Play:
    """One run: reports, counts, and remembers a few people to look at."""

    def __init__(self, city: City, platforms: Sequence[Api], summary: Summary) -> None:
        self._city = city
        self._platforms = platforms
        self._summary = summary
        self._watched = {resident.metro_user: resident.index for resident in city.residents[:_WATCHED]}
        self._holders: list[str] = []
        self._credits: Counter[int] = Counter()
        self._example: dict[int, str] = {}
        self._duplicates: dict[str, str] = {}

    async def onboard(self, operator: Api, source_ids: Sequence[str], advance: Advance) -> None:
        """Onboard everybody, in batches."""
        holders = self._city.holders(source_ids)
        while batch := list(itertools.islice(holders, BATCH_SIZE)):
            items = await operator.onboard(batch)
            self._summary.take_holders(items)
            self._holders += [
                str(item.get("holder_id") or "") for item in items[: _WATCHED - len(self._holders)]
            ]
            advance(len(items))

    async def report(self, by_platform: Sequence[Sequence[Report]], advance: Advance) -> None:
        """Report for all platforms at the same time, a few batches of each in flight; then all is answered."""
        async with Flight(len(by_platform)) as flights:
            for platform, reports in enumerate(by_platform):
                await flights.start(self._report_one(platform, reports, advance))

    async def _report_one(self, platform: int, reports: Sequence[Report], advance: Advance) -> None:
        async with Flight(_IN_FLIGHT) as flight:
            for start in range(0, len(reports), BATCH_SIZE):
                await flight.start(self._send(platform, reports[start : start + BATCH_SIZE], advance))

    async def _send(self, platform: int, batch: Sequence[Report], advance: Advance) -> None:
        items = await self._platforms[platform].report(batch)
        self._summary.take(batch, items)
        for report, item in zip(batch, items, strict=True):
            if platform != CITY_METRO:
                continue
            if item["outcome"] == "duplicate":
                self._duplicates[report["event_id"]] = str(item["activity_id"])
            index = self._watched.get(report["subject"]["value"])
            if index is not None and item["outcome"] == "credited":
                self._credits[index] += 1
                self._example.setdefault(index, str(item["activity_id"]))
        advance(len(items))

    def point_out(self) -> None:
        """Choose the watched person who was credited most, and one duplicate."""
        if self._duplicates:
            self._summary.look["duplicate_id"] = self._duplicates[min(self._duplicates)]
        self._summary.shoppers = [
            self._holders[index]
            for index, _ in self._credits.most_common()
            if index < len(self._holders) and self._city.residents[index].town.region == SHOPPING
        ][:_SHOPPERS]
        for index, _ in self._credits.most_common(1):
            if index < len(self._holders):
                self._summary.look["holder_id"] = self._holders[index]
                self._summary.look["activity_id"] = self._example[index]
