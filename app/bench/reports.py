"""An endless stream of reports, mixed as in the demonstration: its towns, ways to travel, scenes and platforms.

Each person has each day of the last week at most once, so that the only duplicates are the 3 % that are meant.
"""

import datetime as dt
import heapq
from collections.abc import Iterator
from itertools import accumulate
from random import Random
from typing import Any, Final

import orjson

from app.demo.city import CITY_METRO, GREEN_MAP, TOWNS, Mode, Town, week_before

Report = dict[str, Any]
Sent = tuple[int, Report]
"""Platform and report."""
Drawn = list[tuple[Sent, bool]]
"""Each with whether it repeats the act before it."""

SEED: Final = 42
_STRIDE: Final = 1_618_033_987
"""A prime: its multiples visit every person-day once before any comes again."""
_APART: Final = 15_000
_SPREAD: Final = 9_000
"""So many reports lie between two acts of a person's day, as in a city of a million: batches that are under way at
the same time have a holder in common by chance only."""
_LATER: Final = (5_000, 8_000)
"""So many reports later comes what another platform saw, or an order again."""
_RUN_IN: Final = 80_000
"""Until then the stream has too few second acts; what comes before is thrown away."""
_SEEN_BY_OTHER: Final = 27
_ORDER_AGAIN: Final = 6
_SPEEDS: Final = 3
_CODES: Final = ("gm", "cm")
_SATURDAY: Final = 5
_MODES: Final = {mode.scene: mode for town in TOWNS for mode, _ in town.commutes}
_BIKE: Final = _MODES["trip.shared_bike"]
_BUS: Final = _MODES["trip.bus"]
_BY_METRO: Final = ("trip.metro", "trip.bus")
_SHARES: Final = tuple(accumulate(town.share for town in TOWNS))


def phone(index: int) -> str:
    """The phone number of a made-up person."""
    return f"140{SEED:02d}{index:06d}"


def metro_user(index: int) -> str:
    """What the second platform calls a made-up person."""
    return f"cm{SEED}-{index:06d}"


def town_of(index: int) -> Town:
    """Where a made-up person lives."""
    place = _scattered(index, 1) % 100
    return next(town for town, share in zip(TOWNS, _SHARES, strict=True) if place < share)


def _scattered(index: int, salt: int) -> int:
    return ((index + salt * 0x9E3779B9) * 0x85EBCA6B & 0xFFFFFFFF) >> 9


class Reports:
    """The stream; each report is drawn once, by whichever row comes next."""

    def __init__(self, holders: int, now: dt.datetime) -> None:
        self._chance = Random(SEED)
        self._holders = holders
        self._days = week_before(now)
        self._drawn = 0
        self._numbered = 0
        self._stream = self._mixed()

    def take(self, count: int) -> list[Sent]:
        """The next reports."""
        stream = self._stream
        return [next(stream) for _ in range(count)]

    def batches(self, count: int, size: int) -> Iterator[tuple[int, bytes]]:
        """Platform and JSON array of the next batches, each of one platform."""
        open_: tuple[list[Report], list[Report]] = ([], [])
        made = 0
        for platform, report in self._stream:
            batch = open_[platform]
            batch.append(report)
            if len(batch) == size:
                yield platform, orjson.dumps(batch)
                batch.clear()
                made += 1
                if made == count:
                    return

    def _mixed(self) -> Iterator[Sent]:
        chance = self._chance
        held: list[tuple[int, int, Sent]] = []
        at = 0
        while True:
            acts = 0
            turn = 0
            for sent, again in self._person_day():
                if not again:
                    turn = at + acts * _APART + int(chance.random() * _SPREAD)
                    acts += 1
                due = turn + (chance.randrange(*_LATER) if again else 0)
                at += 1
                heapq.heappush(held, (due, at, sent))
            while held and held[0][0] <= at:
                _, _, following = heapq.heappop(held)
                if at > _RUN_IN:
                    yield following

    def _person_day(self) -> Drawn:
        chance = self._chance
        place = self._drawn * _STRIDE % (self._holders * len(self._days))
        self._drawn += 1
        index, day = divmod(place, len(self._days))
        date = self._days[day]
        town = town_of(index)
        sent: Drawn = []
        clock = 6 * 3600 + 1800 + chance.randrange(5400)
        for mode, at in self._trips(index, town, working=date.weekday() < _SATURDAY):
            clock = max(clock, at)
            clock += self._trip(sent, index, town, mode, (date, clock)) + chance.randrange(120, 900)
        self._moments(sent, index, town, date)
        return sent

    def _trips(self, index: int, town: Town, *, working: bool) -> list[tuple[Mode, int]]:
        """The day's trips, each with the second of the day before which it does not begin."""
        chance = self._chance
        place = _scattered(index, 2) % 100
        modes = [mode for mode, weight in town.commutes for _ in range(weight)]
        commute = modes[place] if place < len(modes) else None
        if not working or commute is None or chance.random() > 0.88:  # noqa: PLR2004 - as in the demonstration
            count = chance.choices((0, 1, 2), (30, 30, 40))[0]
            mode = chance.choice((_BIKE, commute or _BUS, _BUS))
            return [(mode, (9 + 4 * part) * 3600) for part in range(count)]
        evening = 17 * 3600 + chance.randrange(5400)
        if commute.scene in _BY_METRO and _scattered(index, 3) % 1000 < 320:  # noqa: PLR2004
            return [(_BIKE, 0), (commute, 0), (commute, evening), (_BIKE, evening)]
        return [(commute, 0), (commute, evening)]

    def _trip(self, sent: Drawn, index: int, town: Town, mode: Mode, starts: tuple[dt.date, int]) -> int:
        chance = self._chance
        date, clock = starts
        distance = chance.randrange(mode.shortest_m, mode.longest_m)
        seconds = max(90, distance * 60 // chance.randrange(mode.slowest, mode.fastest))
        platform = CITY_METRO if mode.scene in _BY_METRO else GREEN_MAP
        report = self._report(platform, mode.scene, index, town)
        report["started_at"], report["ended_at"] = _at(date, clock), _at(date, clock + seconds)
        by_count = town.bus_by_count and mode is _BUS
        if by_count:
            report["count"] = 1
        else:
            report["distance_m"] = distance
        report["order_no"] = report["event_id"] + "-order"
        sent.append(((platform, report), False))
        luck = chance.randrange(1000)
        if luck < _SPEEDS and not by_count:
            report["distance_m"] = seconds * 60  # 216 km/h
        elif luck < _SPEEDS + _SEEN_BY_OTHER:
            twin = self._report(1 - platform, mode.scene, index, town)
            twin["started_at"] = _at(date, clock + chance.randrange(-25, 26))
            twin["ended_at"] = _at(date, clock + seconds + chance.randrange(-25, 26))
            if by_count:
                twin["count"] = 1
            else:
                twin["distance_m"] = distance * chance.randrange(970, 1031) // 1000
            twin["order_no"] = twin["event_id"] + "-order"
            sent.append(((1 - platform, twin), True))
        elif luck < _SPEEDS + _SEEN_BY_OTHER + _ORDER_AGAIN:
            again = self._report(platform, mode.scene, index, town)
            sent.append(((platform, {**report, "event_id": again["event_id"]}), True))
        elif mode is _BIKE and luck > 800:  # noqa: PLR2004
            self._coordinates(report, town, distance)
        return seconds

    def _coordinates(self, report: Report, town: Town, distance_m: int) -> None:
        lng = round(town.middle[0] + self._chance.uniform(-0.08, 0.08), 5)
        lat = town.middle[1] + self._chance.uniform(-0.05, 0.05)
        report["start"] = {"lng": lng, "lat": round(lat, 5)}
        report["end"] = {"lng": lng, "lat": round(lat + distance_m / 111_200 * 0.8, 5)}

    def _moments(self, sent: Drawn, index: int, town: Town, date: dt.date) -> None:
        """Bags, bills, statements, cards and charges, as often as in the demonstration."""
        chance = self._chance
        if town.bag and chance.random() < 0.3:  # noqa: PLR2004
            bag = self._moment(sent, "green.own_bag", index, town, (date, 18))
            bag["order_no"] = bag["event_id"] + "-till"
        due = chance.randrange(28)
        if due < 3:  # noqa: PLR2004
            bill = self._moment(sent, "payment.e_bill", index, town, (date, 20))
            bill["issuer"] = f"{town.region}-{('电网', '水务', '燃气')[due]}"
            bill["bill_no"] = f"{date:%Y%m}-{due}-{index:06d}"
        elif due == 3:  # noqa: PLR2004
            statement = self._moment(sent, "payment.e_statement", index, town, (date, 9))
            statement["issuer"] = f"{town.region}-银行"
        if chance.random() < 0.001:  # noqa: PLR2004
            card = self._moment(sent, "payment.e_card", index, town, (date, 10))
            card["order_no"] = card["event_id"] + "-card"
        if _scattered(index, 4) % 1000 < 60 and chance.random() < 0.35:  # noqa: PLR2004
            report = self._report(GREEN_MAP, "charging.ev", index, town)
            starts = 19 * 3600 + chance.randrange(3600)
            seconds = chance.randrange(7200, 12_600)
            report["started_at"], report["ended_at"] = _at(date, starts), _at(date, starts + seconds)
            report["energy_wh"] = seconds * chance.randrange(150, 195) // 100
            report["asset_id"] = f"pile-{index:06d}"
            sent.append(((GREEN_MAP, report), False))

    def _moment(self, sent: Drawn, scene: str, index: int, town: Town, at: tuple[dt.date, int]) -> Report:
        report = self._report(GREEN_MAP, scene, index, town)
        report["occurred_at"] = _at(at[0], at[1] * 3600 + self._chance.randrange(5400))
        report["count"] = 1
        sent.append(((GREEN_MAP, report), False))
        return report

    def _report(self, platform: int, scene: str, index: int, town: Town) -> Report:
        self._numbered += 1
        metro = platform == CITY_METRO
        return {
            "event_id": f"{_CODES[platform]}-{SEED}-{self._numbered:09d}",
            "scene": scene,
            "region": town.region,
            "subject": {
                "scheme": "source_user" if metro else "phone",
                "value": metro_user(index) if metro else phone(index),
            },
        }


def _at(date: dt.date, seconds: int) -> str:
    return f"{date}T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}+08:00"
