"""The row engine: each act through `Methodology.quantify` and the caps, one after the other.

Slow, and right for every methodology; the other engines are held against it.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from app.backtest.acts import EPOCH, earned, inputs_of
from app.backtest.export import Export
from app.backtest.figures import (
    SUMS,
    TOP,
    CapReached,
    Findings,
    Group,
    HolderSums,
    Refusals,
    Sums,
    deciles_of,
)
from app.backtest.formula import REASONS
from app.crediting.rules import CapRule, cap_rules
from methodologies import Methodology, Refused
from points.programmes import Programme

BATCH = 20_000
_LEVELS = ("day", "month", "year")


@dataclass(frozen=True, slots=True)
class Decided:
    """What one side makes of an act: mg CO2e, points, and the key of the cap that held it back."""

    mg: int = 0
    points: int = 0
    cap: str | None = None


class Side:
    """One side of the comparison: what each act earns under its methodology, its holder's caps with it."""

    def __init__(self, versions: list[Methodology], scene: str) -> None:
        self._rules = [(each, _ordered(cap_rules(each))) for each in versions]
        self._used: dict[tuple[str, dt.date], int] = {}
        self._scene = scene
        self.refused: Counter[str] = Counter()
        self.capped: Counter[str] = Counter()

    def next_holder(self) -> None:
        """Forget the caps of the last holder."""
        self._used.clear()

    def decide(
        self,
        version: int,
        act: dict[str, Any],
        inputs: dict[str, int | str],
        programme: Programme,
        counted: bool,
    ) -> Decided:
        """Decide one act as the crediting does; what is refused or capped is counted in acts of the period."""
        methodology, caps = self._rules[version]
        try:
            quantified, full = earned(methodology, act, inputs)
        except Refused as refused:
            if counted:
                self.refused[refused.code] += 1
            return Decided()
        credited, cap = self._within(caps, act["day"], full)
        if cap is not None and counted:
            self.capped[cap] += 1
        if credited is None:
            return Decided(cap=cap)
        return Decided(credited, programme.points(self._scene, inputs, credited, quantified), cap)

    def _within(self, caps: tuple[CapRule, ...], day: int, full: int) -> tuple[int | None, str | None]:
        """What the caps leave, None for nothing, and which held it back; `caps` from days to years."""
        windows = [(cap, (cap.key, _window(cap.per, day))) for cap in caps]
        credited, cut, used_up = full, None, None
        for cap, key in windows:
            headroom = cap.limit - self._used.get(key, 0)
            if headroom <= 0:
                used_up = cap.key
            elif not cap.counted and headroom < credited:
                credited, cut = headroom, cap.key
        if used_up is not None:
            return None, used_up
        for cap, key in windows:
            self._used[key] = self._used.get(key, 0) + (1 if cap.counted else credited)
        return credited, cut


def _ordered(caps: tuple[CapRule, ...]) -> tuple[CapRule, ...]:
    return tuple(sorted(caps, key=lambda cap: _LEVELS.index(cap.per)))


def find(export: Export, before: Methodology | None, after: Methodology) -> Findings:
    """Compute an export again; `before` is None where each act's own methodology is meant."""
    manifest = export.manifest
    first_day = (manifest.first_day - EPOCH).days
    own = before is None
    sides = (
        Side(export.versions() if before is None else [before], manifest.scene),
        Side([after], manifest.scene),
    )
    holder = 0
    cells: dict[int, dict[tuple[int, int], list[int]]] = defaultdict(dict)
    newly: dict[str, Counter[int]] = defaultdict(Counter)
    stored = [0, 0]
    for act in _acts(export):
        if act["holder"] != holder:
            holder = act["holder"]
            for side in sides:
                side.next_holder()
        counted = act["day"] >= first_day
        inputs = inputs_of(act, manifest.kinds)
        programme = manifest.programmes[act["programme"]]
        one = sides[0].decide(act["version"] if own else 0, act, inputs, programme, counted)
        two = sides[1].decide(0, act, inputs, programme, counted)
        if not counted:
            continue
        stored[0] += act["stored_mg"]
        stored[1] += act["stored_points"]
        sums = cells[holder].setdefault((act["region"], act["month"]), [0] * len(SUMS))
        capped = (one.cap is not None, two.cap is not None)
        newly_capped = capped[1] and not capped[0]
        added = (1, one.mg, two.mg, one.points, two.points, *capped, newly_capped)
        for place, value in enumerate(added):
            sums[place] += value
        if two.cap is not None and newly_capped:
            newly[two.cap][holder] += 1
    return _findings(cells, stored, sides, newly)


def _acts(export: Export) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(export.acts) as file:
        for batch in file.iter_batches(BATCH):
            yield from batch.to_pylist()


def _findings(
    cells: dict[int, dict[tuple[int, int], list[int]]],
    stored: list[int],
    sides: tuple[Side, Side],
    newly: dict[str, Counter[int]],
) -> Findings:
    holders = [HolderSums(holder, _sums(list(own.values()))) for holder, own in cells.items()]
    regions: dict[int, list[list[int]]] = defaultdict(list)
    months: dict[int, list[list[int]]] = defaultdict(list)
    region_holders: Counter[int] = Counter()
    month_holders: Counter[int] = Counter()
    for own in cells.values():
        for (region, month), sums in own.items():
            regions[region].append(sums)
            months[month].append(sums)
        region_holders.update({region for region, _ in own})
        month_holders.update({month for _, month in own})
    gain = sorted(holders, key=lambda each: (-each.sums.change_mg, each.holder))[:TOP]
    lose = sorted(holders, key=lambda each: (each.sums.change_mg, each.holder))[:TOP]
    return Findings(
        total=_sums([sums for own in cells.values() for sums in own.values()]),
        holders=len(holders),
        holders_newly_capped=sum(h.sums.after_capped > 0 and h.sums.before_capped == 0 for h in holders),
        stored_mg=stored[0],
        stored_points=stored[1],
        regions=tuple(
            Group(str(key), _sums(rows), region_holders[key]) for key, rows in sorted(regions.items())
        ),
        months=tuple(
            Group(month_text(key), _sums(rows), month_holders[key]) for key, rows in sorted(months.items())
        ),
        deciles=deciles_of(holders),
        gain=tuple(each for each in gain if each.sums.change_mg > 0),
        lose=tuple(each for each in lose if each.sums.change_mg < 0),
        caps=tuple(
            CapReached(key, before, after, newly[key].total(), len(newly[key]))
            for key in sorted({*sides[0].capped, *sides[1].capped})
            for before, after in [(sides[0].capped[key], sides[1].capped[key])]
        ),
        refused=tuple(
            Refusals(reason, sides[0].refused[reason], sides[1].refused[reason])
            for reason in sorted({*sides[0].refused, *sides[1].refused}, key=_place)
        ),
    )


def month_text(month: int) -> str:
    """Write 202611 as 2026-11."""
    return f"{month // 100}-{month % 100:02d}"


def _sums(rows: list[list[int]]) -> Sums:
    return Sums(*map(sum, zip(*rows, strict=True)))


def _place(reason: str) -> tuple[int, str]:
    return (REASONS.index(reason) if reason in REASONS else len(REASONS), reason)


def _window(per: str, day: int) -> dt.date:
    date = EPOCH + dt.timedelta(days=day)
    if per == "day":
        return date
    return date.replace(day=1) if per == "month" else date.replace(month=1, day=1)
