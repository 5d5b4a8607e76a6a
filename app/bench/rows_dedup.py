"""Rows of the decision whether two reports are of one act, on real trips and made-up noise; see docs/dedup.md."""

import asyncio
from typing import Final

from app.bench.lab import Lab, Trips
from app.bench.registry import Measured, RowSkipped, row
from app.bench.same_act.report import Results, run

_ran: "dict[tuple[Trips, bool], Results]" = {}
ROWS: Final = ("dedup_precision", "dedup_recall", "dedup_f1_gain")


@row("dedup_precision", unit="of 1", floor=0.995, aim=0.999, served=False)
async def dedup_precision(lab: Lab) -> Measured:
    """Of the reports that were refused at medium noise, the share that tell an act which is credited already."""
    results = await results_of(lab)
    counts = results.counts("medium", "decision")
    return Measured(
        counts.precision,
        f"medium noise, {counts.false:,} of {counts.hit + counts.false:,} refused reports wrongly; "
        f"{results.told}; by scene {results.by_scene('medium', 'precision')}",
    )


@row("dedup_recall", unit="of 1", floor=0.98, aim=0.995, served=False)
async def dedup_recall(lab: Lab) -> Measured:
    """Of the reports at medium noise that tell an act which is credited already, the share that were refused."""
    results = await results_of(lab)
    counts = results.counts("medium", "decision")
    return Measured(
        counts.recall,
        f"medium noise, {counts.missed:,} of {counts.hit + counts.missed:,} repeats missed; "
        f"{results.told}; by scene {results.by_scene('medium', 'recall')}",
    )


@row("dedup_f1_gain", unit="F1 - F1", floor=0.05, aim=0.15, served=False)
async def dedup_f1_gain(lab: Lab) -> Measured:
    """F1 of the decision less that of the better baseline, at high noise."""
    results = await results_of(lab)
    name, baseline = results.better_baseline("high")
    own = results.counts("high", "decision").f1
    return Measured(
        own - baseline,
        f"high noise, F1 {own:.4f}; {name} {baseline:.4f}, so that {1 - baseline:.3f} is the most there is; "
        f"{results.told}",
    )


async def results_of(lab: Lab) -> Results:
    """All rows, and the table of the command, are of one run."""
    key = lab.trips, lab.quick
    if key not in _ran:
        if not lab.trips.folder.is_dir():
            raise RowSkipped(f"there is no folder {lab.trips.folder} with real trips")
        _ran[key] = await asyncio.to_thread(run, lab.trips.folder, lab.trips.seed, quick=lab.quick)
    return _ran[key]
