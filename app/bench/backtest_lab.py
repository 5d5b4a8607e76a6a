"""Makes up an export of activities and runs `tanpuhui backtest` over it."""

import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from app.backtest import rows
from app.backtest.acts import EPOCH, INPUTS, SCHEMA
from app.backtest.engines import MEMORY_LIMIT, THREADS
from app.backtest.export import ACTS_FILE, FORMAT, Export, Manifest, write_manifest
from app.bench.registry import BenchError
from methodologies import Methodology
from methodologies.pack import read_methodologies
from points.programmes import load_programmes

FIRST: Final = dt.date(2026, 1, 1)
LAST: Final = dt.date(2026, 3, 31)
CITY: Final = "440300"
ACTS_PER_HOLDER: Final = 20
_ACTS_PER_DAY: Final = 4
_DAYS_APART: Final = 20
_DISTRICTS: Final = (440303, 440304, 440305, 440306, 440307, 440308)
_SEED: Final = 20_261_121
_ROW_ENGINE_ACTS: Final = 200_000
_KIB_PER_MIB: Final = 1024
_ERROR_SHOWN: Final = 2_000

_VERSION: Final = """
region: "440300"
scene: trip.metro
code: BENCH.metro
version: "{version}"
title: {{zh: 测速用, en: For measuring}}
authority: null
document: {{title: made up for the benchmark}}
filing_no: null
in_force: {{from: 2025-01-01, to: null}}
status: demonstration
confidence: example
demonstration_only: true
inputs:
  - {{name: distance_m, unit: m, min: 1, max: 200000}}
  - {{name: duration_s, unit: s, min: 0, max: 172800, required: false}}
parameters:
  - {{name: factor, value: "{factor}", unit: gCO2e/pkm, source: made up, confidence: example}}
formula: distance_m * factor
rounding: {{mode: {mode}}}
caps: [{caps}]
plausibility: {{max_speed_kmh: {speed}, max_duration_s: 21600, source: made up}}
claims:
  - {{rule: body, of: person, period: act, required: true}}
examples:
  - {{inputs: {{distance_m: 10000}}, co2e_g: "{example}", basis: made up}}
"""
_DAY_CAP: Final = "{{id: trips, per: day, count: {count}, basis: programme, source: made up}}"
_MONTH_CAP: Final = "{id: grams, per: month, amount_mg: 5000000, basis: programme, source: made up}"


@dataclass(frozen=True)
class Run:
    """One measured run of the command."""

    seconds: float
    computing_s: str
    peak_mib: float
    acts: int
    holders: int
    row_engine_per_s: float
    told: str


def measure(folder: Path, acts: int, say: Callable[[str], None]) -> Run:
    """Run the command over so many made-up acts, and the row engine over some of them."""
    folder.mkdir(parents=True, exist_ok=True)
    before, after = versions(folder)
    say(f"  making up {acts:,} activities")
    make_up(folder / "all", before, acts)
    say("  computing them again")
    began = time.perf_counter()
    computing_s, peak_mib = _command(folder)
    seconds = time.perf_counter() - began
    some = make_up(folder / "some", before, _ROW_ENGINE_ACTS)
    began = time.perf_counter()
    rows.find(some, None, after)
    return Run(
        seconds=seconds,
        computing_s=computing_s,
        peak_mib=peak_mib,
        acts=acts,
        holders=acts // ACTS_PER_HOLDER,
        row_engine_per_s=_ROW_ENGINE_ACTS / (time.perf_counter() - began),
        told=f"DuckDB held to {THREADS} threads and {MEMORY_LIMIT}",
    )


def versions(folder: Path) -> tuple[Methodology, Methodology]:
    """Write two versions of a made-up methodology as pack files; `after.yaml` is the one to try."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "before": _VERSION.format(
            version="1", factor="46.7", mode="floor", caps=_DAY_CAP.format(count=20), speed=120, example="467"
        ),
        "after": _VERSION.format(
            version="2",
            factor="43.37",
            mode="half_up",
            caps=f"{_DAY_CAP.format(count=3)}, {_MONTH_CAP}",
            speed=60,
            example="433.7",
        ),
    }
    made = []
    for name, text in texts.items():
        path = folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        made += list(read_methodologies(path, [CITY]))
    return made[0], made[1]


def make_up(folder: Path, methodology: Methodology, acts: int) -> Export:
    """Write an export of so many made-up metro trips, always the same ones for the same number."""
    folder.mkdir(parents=True, exist_ok=True)
    first = (FIRST - EPOCH).days
    inputs = {
        "distance_m": f"200 + hash(act + {_SEED}) % 40000",
        "duration_s": f"300 + hash(act + {2 * _SEED}) % 7200",
    }
    columns = {
        "act": "act",
        "holder": f"1 + (act - 1) // {ACTS_PER_HOLDER}",
        "region": f"{list(_DISTRICTS)}[1 + (hash(act + {3 * _SEED}) % {len(_DISTRICTS)})::integer]",
        "day": "day",
        "month": "year(date) * 100 + month(date)",
        "year": "year(date)",
        "late_days": "0",
        "evidence": "0",
        "kind": "NULL",
        "programme": "0",
        "version": "0",
        "stored_mg": "0",
        "stored_points": "0",
        **{name: inputs.get(name, "NULL") for name in INPUTS},
    }
    chosen = ", ".join(f"({columns[name]})::bigint AS {name}" for name in SCHEMA.names)
    path = folder / ACTS_FILE
    with duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY_LIMIT}) as connection:
        connection.execute(
            f"""COPY (
                SELECT {chosen} FROM (SELECT *, DATE '1970-01-01' + day::integer AS date FROM (
                    SELECT act, {first} + (act - 1) % {ACTS_PER_HOLDER} // {_ACTS_PER_DAY} * {_DAYS_APART} AS day
                    FROM range(1, {acts + 1}) AS made(act)))
            ) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"""
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    manifest = Manifest(
        format=FORMAT,
        region=CITY,
        scene=methodology.scene,
        lead_day=FIRST,
        first_day=FIRST,
        last_day=LAST,
        exported_at=dt.datetime(2026, 4, 1, tzinfo=dt.UTC),
        rows=acts,
        holders=-(-acts // ACTS_PER_HOLDER),
        sha256=digest,
        set_aside=0,
        waiting=0,
        waiting_mg=0,
        kinds=[],
        versions=[methodology.content],
        programmes=[load_programmes().of(CITY, FIRST)],
    )
    write_manifest(folder, manifest)
    return Export(folder, manifest)


def _command(folder: Path) -> tuple[str, float]:
    """Run `tanpuhui backtest` over the export: what it says of its own time, and its peak memory in MiB."""
    options = ["--file", "after.yaml", "--from", str(FIRST), "--to", str(LAST), "--out", "all", "--json"]
    command = [sys.executable, "-m", "app.cli", "backtest", *options]
    with (folder / "told.json").open("w+b") as out, (folder / "errors.txt").open("w+b") as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors, cwd=folder)  # noqa: S603 - our own program
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise BenchError(errors.read()[-_ERROR_SHOWN:].decode(errors="replace"))
        out.seek(0)
        told = json.loads(out.read())
    if not told["export"]["reused"] or not told["total"]["activities"]:
        raise BenchError("the backtest did not take the made-up export")
    # Linux counts in KiB, macOS in bytes.
    return str(told["seconds"]), usage.ru_maxrss / (
        _KIB_PER_MIB if sys.platform == "linux" else _KIB_PER_MIB**2
    )
