"""A made-up city life for demonstrations: people, organisations and a week of their acts.

Everything follows from the seed and the calendar day, not from when or how large it is run: the acts of a
day are the same whenever the day is asked for, and more residents only add to them. So a second run with the
same seed and week sends the very same reports, and one a day later adds one day.

All persons are invented. Phone numbers begin with 140, a range that serves no person's telephone.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

SHANGHAI = dt.timezone(dt.timedelta(hours=8), "Asia/Shanghai")
WEEK_DAYS: Final = 7
MAX_RESIDENTS: Final = 1_000_000

GREEN_MAP: Final = 0
CITY_METRO: Final = 1
PLATFORM_NAMES: Final = ("绿行地图 Green Map", "城市地铁 City Metro")
"""What the two platforms are called; a report's platform is an index into this."""

CONSENT_TEXT: Final = "2026-01"
CONSENTED_AT: Final = "2024-01-01T00:00:00+08:00"

_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CODES = ("gm", "cm")
_ORGANISATIONS = (
    ("440300", "深圳绿行物流"),
    ("440300", "深圳湾科技园"),
    ("310000", "上海浦江快运"),
    ("310000", "上海碳普惠示范园"),
    ("420100", "武汉江汉出租"),
    ("420100", "武汉光谷园区"),
)
_ISSUERS = ("电网", "水务", "燃气")
_SATURDAY = 5

# Odds, per mille.
_CONSENTS = 985
_CONSENTS_TO_MOVEMENT = 980
_OWNS_PILE = 60
_RIDES_TO_STATION = 320
_GOES_TO_WORK = 880
_RIDES_AT_NOON = 80
_BAG = 300
_E_CARD = 1
_CHARGES = 350
_BILL_SHARED = 20
_NO_METHODOLOGY = 15
_COORDINATES = 200
_SPEEDS = 3
_SENT_AGAIN = 5
_SEEN_BY_OTHER = 100

Report = dict[str, Any]


@dataclass(frozen=True)
class Mode:
    """A way to travel: how far, in metres, and how fast, in metres a minute."""

    scene: str
    shortest_m: int
    longest_m: int
    slowest: int
    fastest: int


_METRO = Mode("trip.metro", 2_500, 26_000, 480, 640)
_BUS = Mode("trip.bus", 1_500, 11_000, 240, 370)
_BIKE = Mode("trip.shared_bike", 500, 4_200, 150, 240)
_E_BIKE = Mode("trip.e_bike", 1_500, 8_500, 270, 380)
_FERRY = Mode("trip.ferry", 2_500, 26_000, 480, 640)
_EV = Mode("trip.ev_ride", 3_000, 28_000, 330, 700)


@dataclass(frozen=True)
class Town:
    """A city: how people get to work, per cent, and a point in its middle (lng, lat)."""

    region: str
    share: int
    commutes: tuple[tuple[Mode, int], ...]
    middle: tuple[float, float]
    bag: bool = False
    """Whether shops report own bags."""
    bus_by_count: bool = False
    """Whether a bus trip counts as such, without its distance."""


TOWNS: Final = (
    Town("440300", 45, ((_METRO, 44), (_BUS, 20), (_BIKE, 14), (_E_BIKE, 12)), (114.06, 22.54)),
    Town("310000", 33, ((_METRO, 50), (_BUS, 16), (_BIKE, 16), (_E_BIKE, 8)), (121.47, 31.23)),
    Town(
        "420100",
        22,
        ((_BUS, 38), (_BIKE, 20), (_E_BIKE, 14), (_EV, 16)),
        (114.30, 30.59),
        bag=True,
        bus_by_count=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Resident:
    """One invented person, the same for a seed and index."""

    index: int
    town: Town
    phone: str
    metro_user: str
    commute: Mode | None
    """None stays at home."""
    rides_to_it: bool
    consents: bool
    movement: bool
    """Consents to movement data as well."""
    pile: str | None
    """The charging pile of a car owner."""

    def subject(self, platform: int) -> dict[str, str]:
        """Return how a platform names this person."""
        if platform == CITY_METRO:
            return {"scheme": "source_user", "value": self.metro_user}
        return {"scheme": "phone", "value": self.phone}


@dataclass(slots=True)
class Day:
    """Reports of one day by platform, in order of time.

    `first` holds each act once. `second` comes later: what the other platform saw of the same acts, and what
    cheats send again.
    """

    first: tuple[list[Report], ...] = field(default_factory=lambda: ([], []))
    second: tuple[list[Report], ...] = field(default_factory=lambda: ([], []))

    def __len__(self) -> int:
        return sum(len(reports) for reports in (*self.first, *self.second))


class City:
    """Three cities' people and their days, by seed."""

    def __init__(self, seed: int, residents: int = 4_000) -> None:
        if not 0 < residents <= MAX_RESIDENTS:
            raise ValueError(f"residents must lie between 1 and {MAX_RESIDENTS}")
        self.seed = seed
        self.residents = tuple(self._resident(index) for index in range(residents))
        self.organisations = tuple(
            (region, _uscc(Random(f"{seed}:organisation:{index}"), region))
            for index, (region, _) in enumerate(_ORGANISATIONS)
        )

    def holders(self, source_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield everybody as the onboarding takes them; `source_ids` are the platforms, in their order."""
        for resident in self.residents:
            groups = ["trip", "payment", "green", "charging", *(("movement",) if resident.movement else ())]
            yield {
                "kind": "person",
                "region": resident.town.region,
                "identities": [
                    {"scheme": "phone", "value": resident.phone},
                    {
                        "scheme": "source_user",
                        "value": resident.metro_user,
                        "source_id": source_ids[CITY_METRO],
                    },
                ],
                "consents": self._consents(source_ids, groups, resident.index) if resident.consents else [],
            }
        for index, (region, code) in enumerate(self.organisations):
            yield {
                "kind": "organisation",
                "region": region,
                "identities": [{"scheme": "uscc", "value": code}],
                "consents": self._consents(source_ids, ["charging"], MAX_RESIDENTS + index),
            }

    def day(self, date: dt.date) -> Day:
        """Return all reports of one local day."""
        day = Day()
        for resident in self.residents:
            _DayOf(self.seed, resident, date, day).live()
        self._fleets(date, day)
        for reports in (*day.first, *day.second):
            reports.sort(
                key=lambda report: (report.get("started_at") or report["occurred_at"], report["event_id"])
            )
        return day

    def count(self, days: Sequence[dt.date]) -> int:
        """Return how many reports some days have."""
        return sum(len(self.day(date)) for date in days)

    def _consents(self, source_ids: Sequence[str], groups: list[str], index: int) -> list[dict[str, Any]]:
        return [
            {
                "source_id": source_id,
                "scene_groups": groups,
                "text_version": CONSENT_TEXT,
                "receipt_id": f"demo-{code}-{self.seed}-{index:06d}",
                "granted_at": CONSENTED_AT,
            }
            for code, source_id in zip(_CODES, source_ids, strict=True)
        ]

    def _resident(self, index: int) -> Resident:
        chance = Random(f"{self.seed}:person:{index}")
        town = chance.choices(TOWNS, [town.share for town in TOWNS])[0]
        modes = [mode for mode, _ in town.commutes]
        weights = [weight for _, weight in town.commutes]
        commute = chance.choices([*modes, None], [*weights, 100 - sum(weights)])[0]
        return Resident(
            index=index,
            town=town,
            phone=f"140{self.seed % 100:02d}{index:06d}",
            metro_user=f"cm{self.seed:d}-{index:06d}",
            commute=commute,
            rides_to_it=commute in (_METRO, _BUS) and _happens(chance, _RIDES_TO_STATION),
            consents=_happens(chance, _CONSENTS),
            movement=_happens(chance, _CONSENTS_TO_MOVEMENT),
            pile=f"pile-{town.region}-{index:06d}" if _happens(chance, _OWNS_PILE) else None,
        )

    def _fleets(self, date: dt.date, day: Day) -> None:
        """Charge the cars of organisations; the fourth charge of a day is more than the cap allows."""
        for number, (region, code) in enumerate(self.organisations):
            chance = Random(f"{self.seed}:{date}:fleet:{number}")
            for charge in range(4):
                starts = _at(date, 6 * 3600 + charge * 4 * 3600 + chance.randrange(1800))
                seconds = chance.randrange(3_600, 3 * 3600)
                day.first[GREEN_MAP].append(
                    {
                        "event_id": f"gm-{self.seed}-{date:%y%m%d}-o{number:02d}-{charge}",
                        "scene": "charging.ev",
                        "region": region,
                        "subject": {"scheme": "uscc", "value": code},
                        "started_at": starts.isoformat(),
                        "ended_at": (starts + dt.timedelta(seconds=seconds)).isoformat(),
                        "energy_wh": seconds * 11,
                        "asset_id": f"fleet-{region}-{number:02d}",
                    }
                )


class _DayOf:
    """One day of one person, in order of time, so that nobody is in two places at once but for cheats."""

    def __init__(self, seed: int, resident: Resident, date: dt.date, day: Day) -> None:
        self._seed = seed
        self._who = resident
        self._date = date
        self._day = day
        self._chance = Random(f"{seed}:{date}:{resident.index}")
        self._clock_s = 0
        self._acts = 0

    def live(self) -> None:
        chance = self._chance
        commute = self._who.commute
        at_work = self._date.weekday() < _SATURDAY and _happens(chance, _GOES_TO_WORK)
        self._clock_s = 6 * 3600 + 1800 + chance.randrange(5400)
        if at_work and commute is not None:
            self._commute(commute, first_mile=True)
            self._clock_s = max(self._clock_s, 12 * 3600)
            if _happens(chance, _RIDES_AT_NOON):
                self._trip(_BIKE)
            self._clock_s = max(self._clock_s, 17 * 3600 + 1800 + chance.randrange(5400))
            self._commute(commute, first_mile=False)
        else:
            self._clock_s += 2 * 3600 + chance.randrange(3 * 3600)
            for _ in range(chance.choices((0, 1, 2), (30, 30, 40))[0]):
                self._trip(chance.choice((_BIKE, commute or _BUS, _BUS)))
                self._clock_s += 1800 + chance.randrange(7200)
        self._moments()

    def _commute(self, mode: Mode, *, first_mile: bool) -> None:
        legs = [_BIKE, mode] if self._who.rides_to_it else [mode]
        for leg in legs if first_mile else reversed(legs):
            self._trip(leg)

    def _trip(self, mode: Mode) -> None:
        chance = self._chance
        town = self._who.town
        if town.bus_by_count and mode is _BUS and _happens(chance, _NO_METHODOLOGY):
            mode = _FERRY  # a scene that this city has no methodology for
        distance_m = chance.randrange(mode.shortest_m, mode.longest_m)
        seconds = max(90, distance_m * 60 // chance.randrange(mode.slowest, mode.fastest))
        starts = _at(self._date, self._clock_s)
        self._clock_s += seconds + chance.randrange(120, 900)
        platform = CITY_METRO if mode in (_METRO, _BUS, _FERRY) else GREEN_MAP
        report = self._report(platform, mode.scene)
        report["started_at"] = starts.isoformat()
        report["ended_at"] = (starts + dt.timedelta(seconds=seconds)).isoformat()
        if town.bus_by_count and mode is _BUS:
            report["count"] = 1
        else:
            report["distance_m"] = distance_m
        report["order_no"] = f"{report['event_id']}-order"
        if mode is _BIKE and _happens(chance, _COORDINATES):
            self._coordinates(report, distance_m)
        if _happens(chance, _SPEEDS) and "distance_m" in report:
            report.pop("start", None)
            report.pop("end", None)
            report["distance_m"] = seconds * 60  # 216 km/h
        elif _happens(chance, _SENT_AGAIN):
            again = report | {"event_id": f"{report['event_id']}-again"}
            self._day.second[platform].append(again)
        elif _happens(chance, _SEEN_BY_OTHER):
            self._seen_by_other(platform, report, starts, seconds)
        self._day.first[platform].append(report)

    def _seen_by_other(self, platform: int, report: Report, starts: dt.datetime, seconds: int) -> None:
        """Report the trip as the other platform saw it: another clock, other ends, another order number."""
        chance = self._chance
        other = 1 - platform
        twin = self._report(other, report["scene"])
        begins = starts + dt.timedelta(seconds=chance.randrange(-25, 26))
        ends = starts + dt.timedelta(seconds=seconds + chance.randrange(-25, 26))
        twin["started_at"], twin["ended_at"] = begins.isoformat(), ends.isoformat()
        if "count" in report:
            twin["count"] = report["count"]
        else:
            twin["distance_m"] = report["distance_m"] * chance.randrange(970, 1031) // 1000
        twin["order_no"] = f"{twin['event_id']}-order"
        self._day.second[other].append(twin)

    def _moments(self) -> None:
        """Acts of a moment, and the evening's charge."""
        chance = self._chance
        town = self._who.town
        if town.bag and _happens(chance, _BAG):
            report = self._moment("green.own_bag", 18 * 3600)
            report["order_no"] = f"{report['event_id']}-till"
        self._bills()
        if _happens(chance, _E_CARD):
            report = self._moment("payment.e_card", 10 * 3600)
            report["order_no"] = f"{report['event_id']}-card"
        if self._who.pile is not None and _happens(chance, _CHARGES):
            report = self._report(GREEN_MAP, "charging.ev")
            starts = _at(self._date, 19 * 3600 + chance.randrange(3600))
            seconds = chance.randrange(2 * 3600, 3 * 3600 + 1800)
            report["started_at"] = starts.isoformat()
            report["ended_at"] = (starts + dt.timedelta(seconds=seconds)).isoformat()
            report["energy_wh"] = seconds * chance.randrange(150, 195) // 100
            report["asset_id"] = self._who.pile
            self._day.first[GREEN_MAP].append(report)

    def _bills(self) -> None:
        """Bills and statements come once a month each, on days of their own."""
        who, date = self._who, self._date
        due = Random(f"{self._seed}:{date:%Y-%m}:bills:{who.index}")
        days = [due.randrange(1, 29) for _ in range(len(_ISSUERS) + 1)]
        shared = _happens(due, _BILL_SHARED)
        for issuer, due_day in zip(_ISSUERS, days, strict=False):
            if due_day == date.day:
                report = self._moment("payment.e_bill", 20 * 3600)
                report["issuer"] = f"{who.town.region}-{issuer}"
                report["bill_no"] = f"{date:%Y%m}-{self._seed}-{who.index:06d}"
                if shared and who.index > 0:
                    # The neighbour sends the same bill.
                    phone = f"{who.phone[:5]}{who.index - 1:06d}"
                    subject = {"scheme": "phone", "value": phone}
                    again = report | {"event_id": f"{report['event_id']}-shared", "subject": subject}
                    self._day.second[GREEN_MAP].append(again)
        if days[-1] == date.day:
            report = self._moment("payment.e_statement", 9 * 3600)
            report["issuer"] = f"{who.town.region}-银行"

    def _moment(self, scene: str, from_s: int) -> Report:
        report = self._report(GREEN_MAP, scene)
        report["occurred_at"] = _at(self._date, from_s + self._chance.randrange(5400)).isoformat()
        report["count"] = 1
        self._day.first[GREEN_MAP].append(report)
        return report

    def _report(self, platform: int, scene: str) -> Report:
        self._acts += 1
        return {
            "event_id": f"{_CODES[platform]}-{self._seed}-{self._date:%y%m%d}-{self._who.index:06d}-{self._acts}",
            "scene": scene,
            "region": self._who.town.region,
            "subject": self._who.subject(platform),
        }

    def _coordinates(self, report: Report, distance_m: int) -> None:
        """Two points that lie at most as far apart as the ride was long."""
        chance = self._chance
        lng, lat = self._who.town.middle
        start = lng + chance.uniform(-0.08, 0.08), lat + chance.uniform(-0.05, 0.05)
        north = distance_m / 111_200 * chance.uniform(0.5, 0.95)
        report["start"] = {"lng": round(start[0], 5), "lat": round(start[1], 5)}
        report["end"] = {"lng": round(start[0], 5), "lat": round(start[1] + north, 5)}


def week_before(now: dt.datetime) -> tuple[dt.date, ...]:
    """Return the seven full local days before `now`, oldest first."""
    today = now.astimezone(SHANGHAI).date()
    return tuple(today - dt.timedelta(days=back) for back in range(WEEK_DAYS, 0, -1))


def _happens(chance: Random, per_mille: int) -> bool:
    return chance.randrange(1000) < per_mille


def _at(date: dt.date, seconds: int) -> dt.datetime:
    return dt.datetime.combine(date, dt.time(), SHANGHAI) + dt.timedelta(seconds=seconds)


def _uscc(chance: Random, region: str) -> str:
    """Make a unified social credit code with its check character (GB 32100-2015)."""
    body = f"91{region}" + "".join(chance.choices(_USCC_ALPHABET, k=9))
    total = sum(_USCC_ALPHABET.index(char) * pow(3, place, 31) for place, char in enumerate(body))
    return body + _USCC_ALPHABET[-total % 31]
