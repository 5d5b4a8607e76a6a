"""A report on a terminal and in CSV files, and the words that people read its columns by."""

import csv
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from app.backtest.report import Cell, Report, Table, headline, kilograms

LABELS: Final = {
    "scene": ("scene", "场景"),
    "region": ("district", "地区"),
    "month": ("month", "月份"),
    "decile": ("decile", "十分位"),
    "holder": ("holder", "主体"),
    "activities": ("acts", "行为"),
    "holders": ("holders", "主体"),
    "before_mg": ("before kg", "前"),
    "after_mg": ("after kg", "后"),
    "change_mg": ("change kg", "变化"),
    "mean_change_mg": ("mean g", "平均"),
    "change_points": ("points", "积分"),
    "newly_capped": ("newly capped", "新触限"),
    "cap": ("cap", "上限"),
    "before_limit": ("limit before", "原限额"),
    "after_limit": ("limit after", "新限额"),
    "before": ("before", "前"),
    "after": ("after", "后"),
    "change": ("change", "变化"),
    "reason": ("reason", "原因"),
}
"""What is shown of a table, English and Chinese; the files have every column."""

_REASONS: Final = {
    "reported_late": "上报逾期",
    "missing_input": "缺少数据",
    "input_out_of_range": "数据超出范围",
    "implausible_distance": "距离不合理",
    "implausible_duration": "时长不合理",
    "implausible_speed": "速度不合理",
    "unknown_kind": "种类未知",
    "no_table_value": "表中无取值",
    "rule_failed": "规则未能计算",
    "negative_reduction": "减排量为负",
}
_NARROW: Final = frozenset({"mean_change_mg"})
"""Left out on a terminal."""
_KILOGRAMS: Final = frozenset({"before_mg", "after_mg", "change_mg"})
TONNE_MG: Final = 1_000_000_000


def show(report: Report, console: Console) -> None:
    """Print the headline and every table."""
    for label, text in headline(report):
        console.print(f"  [bold]{label}[/]  {text}", highlight=False, soft_wrap=True)
    for table in report.tables:
        if table.rows:
            console.print()
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
    """A cell as people read it: kg for totals, g for means, thousands apart."""
    if isinstance(cell, str):
        return f"{cell} {_REASONS.get(cell, '')}".strip() if column == "reason" else cell
    if column == "mean_change_mg":
        return kilograms(cell * 1000)  # of g, as many decimals in every row
    return kilograms(cell) if column in _KILOGRAMS else f"{cell:,}"


def _rich(table: Table) -> RichTable:
    shown = RichTable(
        title=table.title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        pad_edge=False,
    )
    picked = [
        place
        for place, column in enumerate(table.columns)
        if column in LABELS and (column not in _NARROW or not place)
    ]
    for place in picked:
        english, chinese = LABELS[table.columns[place]]
        # One word a line: what is left of 80 columns is for the numbers.
        heading = "\n".join([*english.split(), chinese])
        shown.add_column(heading, justify="right" if place else "left", overflow="fold", vertical="bottom")
    for row in table.dicts():
        texts = {column: text_of(column, cell) for column, cell in row.items()}
        if any(abs(int(row[column])) >= TONNE_MG for column in _KILOGRAMS & row.keys()):
            # Tonnes leave no room for grams.
            texts |= {column: kilograms(int(row[column]), decimals=0) for column in _KILOGRAMS}
        shown.add_row(*(texts[table.columns[place]] for place in picked))
    return shown
