"""A report as one HTML file that needs nothing else: tables, and charts drawn as SVG by Vega."""

import html
import json
from typing import Any, Final

import vl_convert

from app.backtest.report import Report, Table, headline, kilograms, percent
from app.backtest.show import LABELS, TONNE_MG, text_of

_CHARTED: Final = ("by_region", "by_month", "by_decile", "gain_most", "lose_most")
_BEFORE, _AFTER = "before 之前", "after 之后"
_GRAMS_FROM_MG: Final = 1000
_SIGNED: Final = frozenset({"change_mg", "mean_change_mg", "change_points"})
_STYLE: Final = """
body { font: 15px/1.5 system-ui, "Noto Sans SC", "PingFang SC", "Microsoft YaHei", sans-serif; color: #1d2b24;
       margin: 2rem auto; max-width: 60rem; padding: 0 1rem; background: #fff }
h1 { font-size: 1.5rem; margin-bottom: 1rem } h2 { font-size: 1.1rem; margin: 2.4rem 0 .6rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: 1.4rem 0 }
dt { color: #5b6b62 } dd { margin: 0; overflow-wrap: anywhere }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: .8rem }
.tile { background: #f1f6f3; border-radius: .6rem; padding: .8rem 1rem }
.tile span { color: #5b6b62; font-size: .85rem }
.tile b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums }
.wide { overflow-x: auto } svg { max-width: 100%; height: auto; margin-bottom: .6rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .85rem; width: 100% }
th, td { padding: .3rem .5rem; border-bottom: 1px solid #dfe7e2; text-align: right; white-space: nowrap }
th { color: #5b6b62; font-weight: 600; vertical-align: bottom } th small { display: block; font-weight: 400 }
th:first-child, td:first-child { text-align: left } tbody tr:hover { background: #f7faf8 }
.less { color: #a4481c } .more { color: #1f7a4d }
.notes, footer { color: #5b6b62; font-size: .85rem; overflow-wrap: anywhere } footer { margin-top: 2rem }
@media print { body { margin: 0; max-width: none } section { break-inside: avoid } }
"""
_NOTES: Final = (
    ("Nothing was credited, changed or booked.", "本次试算不入账，不改动任何记录。"),
    (
        "Acts that were refused or capped are in it, as another text may take them; a few may prove to be duplicates.",
        "原被拒绝或超限的行为也参与试算；其唯一性未经核验，个别可能重复。",
    ),
    (
        "Caps count in the order of the acts. Each act is told at the one cap that held it back.",
        "上限按行为发生的先后计；一项行为只归于拦下它的那一项上限。",
    ),
    ("Holders have pseudonyms of this report only.", "主体代号仅用于本报告，不能对应到人。"),
)


def page(report: Report) -> str:
    """Return the whole HTML of a report."""
    title = f"Backtest 回测 {report.methodology.code} {report.methodology.version}"
    facts = "".join(f"<dt>{_safe(label)}</dt><dd>{_safe(text)}</dd>" for label, text in headline(report))
    sections = "".join(_section(table) for table in report.tables if table.rows)
    notes = "".join(f"<li>{_safe(english)} {_safe(chinese)}</li>" for english, chinese in _NOTES)
    manifest = report.manifest
    told = (
        f"{manifest.rows:,} acts exported 导出 {manifest.exported_at.isoformat(timespec='minutes')}, "
        f"engine 引擎 {report.engine}, {report.seconds} s, sha256 {manifest.sha256}"
    )
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_safe(title)}</title><style>{_STYLE}</style></head><body><h1>{_safe(title)}</h1>"
        f'{_tiles(report)}<dl>{facts}</dl>{sections}<h2>How to read 如何阅读</h2><ul class="notes">{notes}</ul>'
        f"<footer>{_safe(told)}</footer></body></html>\n"
    )


def _tiles(report: Report) -> str:
    total, newly = report.findings.total, report.findings.holders_newly_capped
    points = total.after_points - total.before_points
    tiles = (
        ("Credit 减排量", percent(total.change_mg, total.before_mg) or "-", total.change_mg),
        ("kg CO2e", f"{_short(total.before_mg)} → {_short(total.after_mg)}", 0),
        ("Cost in points 积分成本", f"{points:+,}", points),
        ("Holders newly capped 新触上限主体", f"{newly:,} / {report.findings.holders:,}", 0),
    )
    return (
        '<div class="tiles">'
        + "".join(
            f'<div class="tile"><span>{_safe(label)}</span><b{_colour(sign)}>{_safe(text)}</b></div>'
            for label, text, sign in tiles
        )
        + "</div>"
    )


def _short(mg: int) -> str:
    return kilograms(mg, decimals=0 if abs(mg) >= TONNE_MG else 3)


def _section(table: Table) -> str:
    chart = _chart(table) if table.name in _CHARTED and len(table.rows) > 1 else ""
    shown = [column for column in table.columns if column in LABELS]
    head = "".join(
        f"<th>{_safe(english)}<small>{_safe(chinese)}</small></th>{_share_head(column)}"
        for column in shown
        for english, chinese in [LABELS[column]]
    )
    body = "".join(f"<tr>{''.join(_cells(row, shown))}</tr>" for row in table.dicts())
    return (
        f'<section><h2>{_safe(table.title)}</h2>{chart}<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></section>"
    )


def _share_head(column: str) -> str:
    return "<th>%</th>" if column == "change_mg" else ""


def _cells(row: dict[str, Any], shown: list[str]) -> list[str]:
    cells = []
    for column in shown:
        sign = row[column] if column in _SIGNED else 0
        cells.append(f"<td{_colour(sign)}>{_safe(text_of(column, row[column]))}</td>")
        if column == "change_mg":
            share = percent(row["change_mg"], row["before_mg"]).removesuffix(" %")
            cells.append(f"<td{_colour(sign)}>{_safe(share)}</td>")
    return cells


def _colour(sign: int) -> str:
    return f' class="{"more" if sign > 0 else "less"}"' if sign else ""


def _chart(table: Table) -> str:
    key = table.columns[0]
    values = [
        {"group": row[key], "side": side, "kg": int(row[column]) // _GRAMS_FROM_MG / 1000}
        for row in table.dicts()
        for side, column in ((_BEFORE, "before_mg"), (_AFTER, "after_mg"))
    ]
    spec: dict[str, Any] = {
        "data": {"values": values},
        "mark": {"type": "bar", "cornerRadiusEnd": 2},
        "width": 760,
        "height": {"step": 12},
        "encoding": {
            "y": {
                "field": "group",
                "type": "nominal",
                "title": None,
                "sort": None,
                "scale": {"paddingInner": 0.35},
                "axis": {"ticks": False, "domain": False},
            },
            "yOffset": {"field": "side", "sort": [_BEFORE, _AFTER]},
            "x": {
                "field": "kg",
                "type": "quantitative",
                "title": "kg CO2e",
                "axis": {"tickCount": 6, "domain": False, "gridColor": "#e6ece8"},
            },
            "color": {
                "field": "side",
                "title": None,
                "legend": {"orient": "top"},
                "scale": {"domain": [_BEFORE, _AFTER], "range": ["#9db8aa", "#1f7a4d"]},
            },
        },
        "config": {"view": {"stroke": None}, "axis": {"labelFontSize": 12, "titleFontWeight": "normal"}},
    }
    return str(vl_convert.vegalite_to_svg(json.dumps(spec)))


def _safe(text: str) -> str:
    return html.escape(text)
