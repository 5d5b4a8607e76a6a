"""Rows of the methodology engine, without HTTP and database."""

import asyncio
import datetime as dt
import statistics
import subprocess
import sys
import time
from typing import Any, Final

from app.bench.lab import Lab
from app.bench.registry import Measured, row
from dedup.periods import day_of
from methodologies import Catalogue, Refused, load_catalogue

Act = tuple[str, str, dt.date, dict[str, int]]
_INPUTS: Final[tuple[str, ...]] = ("distance_m", "mass_g", "energy_wh", "volume_ml", "price_fen", "count")
_REPEATS: Final = 5


@row("quantify_per_s", unit="acts/s", floor=150_000, aim=300_000, served=False)
async def quantify_per_s(lab: Lab) -> Measured:
    """Select the methodology and quantify, one act at a time on one core; the best of five repeats."""
    catalogue = load_catalogue(demonstration=True)
    acts = [_act(report) for _, report in lab.reports.take(50_000 if lab.quick else 300_000)]
    rates: list[float] = []
    counted = 0
    for _ in range(_REPEATS):
        began = time.perf_counter()
        counted = await asyncio.to_thread(_quantify, catalogue, acts)
        rates.append(len(acts) / (time.perf_counter() - began))
    scenes = len({act[1] for act in acts})
    return Measured(
        max(rates),
        f"one core, compiled formulas in Python; best of {_REPEATS} (worst {min(rates):,.0f}), "
        f"{len(acts):,} acts of {scenes} scenes, {counted / len(acts):.1%} quantified, the rest refused",
    )


# pint is imported by the first unit that is read; here it is imported before the clock starts.
_LOAD = """
import time
import pint
import yaml
from methodologies import load_catalogue
began = time.perf_counter()
load_catalogue(demonstration=True)
print(time.perf_counter() - began)
"""


@row("packs_load_s", unit="s", floor=0.5, aim=0.25, served=False)
async def packs_load_s(lab: Lab) -> Measured:
    """Read, check and compile every shipped pack in a fresh process, without its imports; the median of five."""
    took = [await asyncio.to_thread(_load_cold) for _ in range(2 if lab.quick else _REPEATS)]
    count = len(load_catalogue(demonstration=True).methodologies)
    return Measured(
        statistics.median(took),
        f"median of {len(took)} fresh processes (worst {max(took):.3f}), {count} methodologies, "
        "YAML, units, formulas and worked examples",
    )


def _load_cold() -> float:
    done = subprocess.run([sys.executable, "-c", _LOAD], capture_output=True, text=True, check=True)  # noqa: S603 - our own program
    return float(done.stdout)


def _quantify(catalogue: Catalogue, acts: list[Act]) -> int:
    counted = 0
    select = catalogue.select
    for region, scene, day, inputs in acts:
        methodology = select(region, scene, day)
        if methodology is None:
            continue
        try:
            methodology.quantify(inputs)
        except Refused:
            continue
        counted += 1
    return counted


def _act(report: dict[str, Any]) -> Act:
    inputs = {name: report[name] for name in _INPUTS if name in report}
    starts = dt.datetime.fromisoformat(report.get("started_at") or report["occurred_at"])
    if "ended_at" in report:
        inputs["duration_s"] = int((dt.datetime.fromisoformat(report["ended_at"]) - starts).total_seconds())
    return report["region"], report["scene"], day_of(int(starts.timestamp())), inputs
