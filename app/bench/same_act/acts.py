"""The true acts: the trips of real files, moved to one period, and further acts right after some of them."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from app.bench.registry import BenchError
from app.replay.readers import FORMATS, FileRefused, Trip, make_reader

_WEEK_S: Final = 7 * 86_400
_MONDAY_S: Final = 1_470_009_600
"""2016-08-01 00:00 UTC, a Monday: where all files are moved to, by whole weeks."""


@dataclass(frozen=True, slots=True)
class Act:
    """One true act of one person, in true time; `number` is the order number that its issuer gave it."""

    key: int
    person: str
    scene: str
    start_s: int
    end_s: int
    amount: int
    number: str
    after: int | None = None
    """The act that it follows at once."""


def real_acts(folder: Path) -> dict[str, list[Act]]:
    """The acts of every CSV file in a folder, and below, that a reader knows, by person; `BenchError` where none is.

    Of a file to the minute the seconds within it are made up, the same in every run.
    """
    by_person: dict[str, list[Act]] = {}
    events: set[str] = set()
    for path in sorted(folder.rglob("*.csv")):
        format_name, trips = _read(path)
        new = [trip for trip in trips if trip.event_id not in events]
        events.update(trip.event_id for trip in new)
        _add(by_person, format_name, new)
    if not by_person:
        raise BenchError(f"{folder} has no file of trips that can be read: {', '.join(FORMATS)}")
    for acts in by_person.values():
        acts.sort(key=lambda act: (act.start_s, act.key))
    return by_person


def _read(path: Path) -> tuple[str, list[Trip]]:
    """The trips of a file and its format, which its header tells."""
    for format_name in FORMATS:
        try:
            return format_name, [one for one in make_reader(format_name).read(path) if isinstance(one, Trip)]
        except FileRefused:
            continue
    return "", []


def _add(by_person: dict[str, list[Act]], format_name: str, trips: Sequence[Trip]) -> None:
    if not trips:
        return
    first = min(int(trip.started_at.timestamp()) for trip in trips)
    shift = (first - _MONDAY_S) // _WEEK_S * _WEEK_S
    chance = random.Random(f"seconds {format_name}")
    to_the_minute = all(trip.started_at.second == 0 and trip.ended_at.second == 0 for trip in trips)
    key = sum(map(len, by_person.values()))
    for trip in trips:
        start, end = int(trip.started_at.timestamp()) - shift, int(trip.ended_at.timestamp()) - shift
        if to_the_minute:
            start += chance.randrange(60)
            end = max(start + 60, end + chance.randrange(60))
        key += 1
        amount = trip.distance_m if trip.distance_m is not None else trip.energy_wh or 0
        person = f"{format_name}:{trip.user}"
        number = trip.order_no or trip.event_id
        by_person.setdefault(person, []).append(Act(key, person, trip.scene, start, end, amount, number))


def followed(
    acts: Sequence[Act], pools: Mapping[str, Sequence[Act]], share: float, chance: random.Random
) -> list[Act]:
    """The acts of a person with another true act after a share of them, 2 minutes before their end to 5 after.

    The one that follows is a real trip of another person, moved: of the same kind as often as of the other one (bike
    after metro, metro after bike); after a charging session another one. None is put where the person's own
    next act would be run over.
    """
    found: list[Act] = []
    for act, later in pairwise([*acts, None]):
        if act is None:
            continue
        found.append(act)
        if chance.random() >= share:
            continue
        scenes = [scene for scene in pools if scene.partition(".")[0] == act.scene.partition(".")[0]]
        same_kind = chance.random() < 1 / 2
        others = [scene for scene in scenes if (scene == act.scene) == same_kind] or [act.scene]
        model = chance.choice(pools[chance.choice(others)])
        start = act.end_s + chance.randint(-120, 300)
        end = start + model.end_s - model.start_s
        if start <= act.start_s or (later is not None and end > later.start_s):
            continue
        found.append(
            replace(
                model,
                key=-act.key,
                person=act.person,
                start_s=start,
                end_s=end,
                number=f"{model.number}+{act.key}",
                after=act.key,
            )
        )
    return found
