"""Runs rows, writes `bench.json`, shows a table."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from app.bench import (
    rows_account,
    rows_alerts,
    rows_backtest,
    rows_claims,
    rows_dedup,
    rows_engine,
    rows_growth,
    rows_intake,
    rows_issuance,
    rows_market,
    rows_memory,
    rows_metering,
    rows_oprf,
    rows_proofs,
    rows_redeem,
    rows_scores,
    rows_units,
)
from app.bench.lab import SHARED_TRIPS, Lab, Trips
from app.bench.registry import ROWS, BenchError, Measured, Row, RowSkipped, arrange
from app.embedded.stack import start_stack
from app.settings import load_settings

# In the order in which they run: growth last, since it leaves millions of activities and claims behind.
arrange(
    (
        rows_engine,
        rows_oprf,
        rows_backtest,
        rows_dedup,
        rows_alerts,
        rows_proofs,
        rows_intake,
        rows_redeem,
        rows_memory,
        rows_market,
        rows_account,
        rows_metering,
        rows_growth,
        rows_claims,
        rows_scores,
        rows_units,
        rows_issuance,
    )
)

Entry = dict[str, Any]
# What would lead the benchmark, or its service, to somebody's data.
_NOT_OURS: Final = (
    "DATABASE_URL",
    "REDIS_URL",
    "TANPUHUI_DATABASE_URL",
    "TANPUHUI_MIGRATION_DATABASE_URL",
    "TANPUHUI_REDIS_URL",
    "TANPUHUI_ENVIRONMENT",
    "TANPUHUI_HOST",
    "TANPUHUI_PORT",
)


@contextmanager
def lab_for(
    rows: Sequence[Row], console: Console, *, quick: bool, trips: Trips = SHARED_TRIPS
) -> Iterator[Lab]:
    """Servers and a data folder of the benchmark's own, which are gone afterwards."""
    for name in _NOT_OURS:
        os.environ.pop(name, None)
    folder = Path(tempfile.mkdtemp(prefix="tanpuhui-bench-"))
    try:
        with ExitStack() as open_:
            settings = load_settings(data_dir=folder)
            stack = None
            if any(row.served for row in rows):
                stack = open_.enter_context(start_stack(settings, progress=console.print))
            yield Lab(settings, stack, console=console, quick=quick, trips=trips)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def run_rows(lab: Lab, rows: Sequence[Row], out: Path) -> list[Entry]:
    """Run rows one after the other; each is written as soon as it is there."""
    if any(row.served for row in rows):
        await lab.prepare()
    found: list[Entry] = []
    for row in rows:
        lab.say(f"[bold]{row.name}[/]")
        try:
            measured = await row.work(lab)
        except RowSkipped as skipped:
            lab.say(f"  left out: {skipped}")
            continue
        except BenchError as error:
            raise BenchError(f"{row.name}: {error}") from error
        entries = _entries(row, measured, quick=lab.quick)
        lab.say(f"  [bold]{row.name} {_shown(measured.value)} {row.unit}[/]")
        found += entries
        merge(out, entries)
    return found


def merge(out: Path, entries: Sequence[Entry]) -> None:
    """Write figures to the file; rows that were not run keep theirs."""
    kept: list[Entry] = json.loads(out.read_text(encoding="utf-8")) if out.exists() else []
    by_name = {entry["name"]: entry for entry in [*kept, *entries]}
    order = {name: place for place, name in enumerate(n for row in ROWS.values() for n in row.answers_to)}
    ordered = sorted(by_name.values(), key=lambda entry: order.get(entry["name"], len(order)))
    draft = out.with_name(out.name + ".new")
    draft.write_text(json.dumps(ordered, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    draft.replace(out)


def table(entries: Sequence[Entry]) -> Table:
    """Figures for people."""
    shown = Table(title="Tanpuhui benchmark", show_lines=True)
    for heading in ("figure", "value", "floor", "aim"):
        shown.add_column(heading, justify="left" if heading == "figure" else "right")
    shown.add_column("what limits it")
    for entry in entries:
        unit = f"{entry['name']}\n[dim]{entry['unit']}[/]"
        bounds = ["" if entry[name] is None else _shown(entry[name]) for name in ("floor", "aim")]
        shown.add_row(unit, _judged(entry), *bounds, entry["note"])
    return shown


def reaches(entry: Entry, bound: str) -> bool:
    """Whether a figure is at least as good as its floor or aim."""
    limit = entry[bound]
    if limit is None:
        return True
    less_is_better = entry["floor"] > entry["aim"]
    return bool(entry["value"] <= limit if less_is_better else entry["value"] >= limit)


def _judged(entry: Entry) -> str:
    if entry["floor"] is None:
        return _shown(entry["value"])
    colour = "green" if reaches(entry, "aim") else "yellow" if reaches(entry, "floor") else "red"
    return f"[{colour}]{_shown(entry['value'])}[/]"


def _entries(row: Row, measured: Measured, *, quick: bool) -> list[Entry]:
    mark = "quick run; " if quick else ""
    own = {
        "name": row.name,
        "value": _rounded(measured.value),
        "unit": row.unit,
        "floor": row.floor,
        "aim": row.aim,
        "note": mark + measured.note,
    }
    by_the_way = [
        {
            "name": also.name,
            "value": _rounded(also.value),
            "unit": also.unit,
            "floor": None,
            "aim": None,
            "note": mark + also.note,
        }
        for also in measured.also
    ]
    return [own, *by_the_way]


def _rounded(value: float) -> float:
    return round(value, 3) if abs(value) < 10 else round(value, 1)  # noqa: PLR2004 - digits that mean something


def _shown(value: float) -> str:
    return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.0f}"  # noqa: PLR2004
