"""A report as one HTML file that needs nothing else: tables, and charts drawn as SVG by Vega."""

import html
import json
from typing import Any

import vl_convert

from app.backtest.report import Report, Table, headline
from app.backtest.show import text_of

_CHARTED = ("by_region", "by_month", "by_decile", "gain_most", "lose_most")
_BEFORE, _AFTER = "before 之前", "after 之后"
_GRAMS_FROM_MG = 1000
_STYLE = """
body { font: 15px/1.5 system-ui, "Noto Sans SC", "PingFang SC", "Microsoft YaHei", sans-serif; color: #1d2b24;
       margin: 2rem auto; max-width: 68rem; padding: 0 1rem; }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2.2rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem }
dt { color: #5b6b62 } dd { margin: 0 }
.wide { overflow-x: auto } svg { max-width: 100%; height: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .85rem }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #dfe7e2; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
footer { margin-top: 2rem; color: #5b6b62; font-size: .85rem }
"""


def page(report: Report) -> str:
    """Return the whole HTML of a report."""
    title = f"Backtest 回测 {report.methodology.code} {report.methodology.version}"
    facts = "".join(f"<dt>{_safe(label)}</dt><dd>{_safe(text)}</dd>" for label, text in headline(report))
    sections = "".join(_section(table) for table in report.tables if table.rows)
    manifest = report.manifest
    told = (
        f"{manifest.rows:,} acts exported 导出 {manifest.exported_at.isoformat(timespec='minutes')}, "
        f"engine 引擎 {report.engine}, {report.seconds} s, sha256 {manifest.sha256}"
    )
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_safe(title)}</title><style>{_STYLE}</style></head><body><h1>{_safe(title)}</h1>"
        f"<dl>{facts}</dl>{sections}<footer>{_safe(told)}</footer></body></html>\n"
    )


def _section(table: Table) -> str:
    chart = _chart(table) if table.name in _CHARTED else ""
    head = "".join(f"<th>{_safe(_heading(column))}</th>" for column in table.columns)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td>{_safe(text_of(column, cell))}</td>"
            for column, cell in zip(table.columns, row, strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    return (
        f'<section><h2>{_safe(table.title)}</h2>{chart}<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></section>"
    )


def _heading(column: str) -> str:
    return column.replace("_mg", "_kg") if column in ("before_mg", "after_mg", "change_mg") else column


def _chart(table: Table) -> str:
    key = table.columns[0]
    values = [
        {"group": row[key], "side": side, "grams": int(row[column]) // _GRAMS_FROM_MG}
        for row in table.dicts()
        for side, column in ((_BEFORE, "before_mg"), (_AFTER, "after_mg"))
    ]
    spec: dict[str, Any] = {
        "data": {"values": values},
        "mark": "bar",
        "width": 620,
        "height": {"step": 14},
        "encoding": {
            "y": {"field": "group", "type": "nominal", "title": None, "sort": None},
            "yOffset": {"field": "side", "sort": [_BEFORE, _AFTER]},
            "x": {"field": "grams", "type": "quantitative", "title": "g CO2e"},
            "color": {
                "field": "side",
                "title": None,
                "scale": {"domain": [_BEFORE, _AFTER], "range": ["#9db8aa", "#1f7a4d"]},
            },
        },
    }
    return str(vl_convert.vegalite_to_svg(json.dumps(spec)))


def _safe(text: str) -> str:
    return html.escape(text)
