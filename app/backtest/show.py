"""A report on a terminal and in CSV files."""

import csv
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from app.backtest.report import Cell, Report, Table, headline, kilograms

_SHOWN = {
    "activities": "acts 行为",
    "holders": "holders 主体",
    "before_mg": "before 前 kg",
    "after_mg": "after 后 kg",
    "change_mg": "change 变化 kg",
    "mean_change_mg": "mean 平均 mg",
    "change_points": "points 积分",
    "newly_capped": "newly capped 新触上限",
}


def show(report: Report, console: Console) -> None:
    """Print the headline and every table."""
    for label, text in headline(report):
        console.print(f"  [bold]{label}[/]  {text}", highlight=False, soft_wrap=True)
    for table in report.tables:
        if table.rows:
            console.print(_rich(table))


def write_csv(report: Report, folder: Path) -> list[Path]:
    """Write one file for each table, in whole mg and points, UTF-8 with a mark that spreadsheets read."""
    written = []
    for table in report.tables:
        path = folder / f"{table.name}.csv"
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(table.columns)
            writer.writerows(table.rows)
        written.append(path)
    return written


def text_of(column: str, cell: Cell) -> str:
    """A cell as people read it: kg for totals, thousands apart."""
    if isinstance(cell, str):
        return cell
    return kilograms(cell) if column in ("before_mg", "after_mg", "change_mg") else f"{cell:,}"


def _rich(table: Table) -> RichTable:
    shown = RichTable(title=table.title, title_justify="left")
    picked = [
        place for place, column in enumerate(table.columns) if column in _SHOWN or column not in _ALL_SUMS
    ]
    for place in picked:
        column = table.columns[place]
        shown.add_column(_SHOWN.get(column, column), justify="right" if place else "left")
    for row in table.rows:
        shown.add_row(*(text_of(table.columns[place], row[place]) for place in picked))
    return shown


_ALL_SUMS = frozenset({"before_points", "after_points", "before_capped", "after_capped"})
