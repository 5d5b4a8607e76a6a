"""Rows of alerts on the half year of a real plant; see docs/alerts.md."""

import asyncio
from typing import Final

from app.bench.faults import FILE, TIMES, Results, evaluate, read_plant
from app.bench.lab import Lab
from app.bench.registry import Also, Measured, RowSkipped, row

QUICK_TIMES: Final = 50
_ran: dict[bool, Results] = {}


@row(
    "alerts_found",
    unit="of 1",
    floor=0.9,
    aim=0.95,
    also=("alerts_found_deviation", "alerts_found_stuck", "alerts_found_register", "alerts_found_gap"),
    served=False,
)
async def alerts_found(lab: Lab) -> Measured:
    """Of the injected faults, the share that was found; deviations, stuck meters and gaps count the same."""
    results = await _results_of(lab)
    names = ("alerts_found_deviation", "alerts_found_stuck", "alerts_found_register", "alerts_found_gap")
    also = []
    for name, (fault, score) in zip(names, results.scores.items(), strict=True):
        parts = zip(("stands", "runs in part", "runs"), score.found, score.tried, strict=True)
        told = ", ".join(f"{level} {found} of {tried}" for level, found, tried in parts)
        also.append(Also(name, "of 1", score.share, f"{fault}: {told}"))
    low = min(results.scores, key=lambda name: results.scores[name].share)
    return Measured(
        results.found,
        f"least of {low}: batch load goes up and down by more than 20 % of itself; learnt from the eight weeks before",
        also,
    )


@row("alerts_false_per_month", unit="a meter and month", floor=1.0, aim=0.5, served=False)
async def alerts_false_per_month(lab: Lab) -> Measured:
    """Alerts on the file as it is, each counted as false."""
    results = await _results_of(lab)
    kinds = ", ".join(f"{kind} {number}" for kind, number in results.alarms.items())
    return Measured(
        results.false_per_month, f"{results.months:.1f} months after the first eight weeks: {kinds}"
    )


async def _results_of(lab: Lab) -> Results:
    if lab.quick not in _ran:
        folder = lab.trips.folder
        if not (folder / FILE).is_file():
            raise RowSkipped(f"there is no file {folder / FILE}")
        times = QUICK_TIMES if lab.quick else TIMES
        _ran[lab.quick] = await asyncio.to_thread(evaluate, read_plant(folder), lab.trips.seed, times)
    return _ran[lab.quick]
