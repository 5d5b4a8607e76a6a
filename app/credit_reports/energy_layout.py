"""Energy, emissions and alerts of a signed report as blocks of its pages. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from app.credit_reports.blocks import Item, bars, column, fact, facts, kilograms, note, table

NOTHING: Final = "–"
"""What nothing is known of."""
ACROSS: Final = 5
"""So many series stand side by side in one table."""
_CARRIERS: Final = {
    "electricity": ("电力", "Electricity", 1000, "kWh"),
    "gas": ("天然气", "Gas", 1000, "m³"),
    "coal": ("煤炭", "Coal", 1_000_000, "t"),
    "oil": ("油品", "Oil", 1000, "kg"),
    "steam": ("蒸汽", "Steam", 1_000_000, "GJ"),
    "water": ("水", "Water", 1000, "m³"),
}
_FLOWS: Final = {
    "use": ("用量", "used"),
    "import": ("外购", "bought"),
    "export": ("外供", "exported"),
    "generation": ("自发", "generated"),
}
_KINDS: Final = {
    "deviation": "用能异常 Deviation",
    "stuck": "读数停滞 Stuck meter",
    "gap": "读数缺失 Readings missing",
}
_REASONS: Final = {
    "factor_missing": "无适用排放因子 no factor",
    "fuel_unknown": "燃料品种未说明 fuel not named",
    "outside_boundary": "不在核算边界内 outside the boundary",
}
_REMARKS: Final = {
    **_REASONS,
    "factor_of_earlier_year": "沿用较早年度的因子 factor of an earlier year",
    "factor_derived": "推算因子 derived factor",
    "factor_provisional": "暂定因子 provisional factor",
    "factor_example": "示例因子 example factor",
    "meters_contradict": "计量点读数相互矛盾 meters contradict each other",
    "readings_estimated": "部分读数为估算 some readings estimated",
    "readings_missing": "部分读数缺失 some readings missing",
}


def energy(part: Mapping[str, Any]) -> list[Item]:
    """By month, each carrier and flow a column; then the sums."""
    series = part["series"]
    blocks: list[Item] = []
    for place in range(0, len(series), ACROSS):
        some = series[place : place + ACROSS]
        rows = [
            (month["month"], *(_amount(each, each["by_month"][number]) for each in some))
            for number, month in enumerate(some[0]["by_month"])
        ]
        sums = ("合计 Total", *(_amount(each, each) for each in some))
        heads = (column("月份", "month", wide=True), *(_head(each) for each in some))
        blocks.append(table(heads, [*rows, sums]))
    missing = sum(row["quarters_missing"] for each in series for row in each["by_month"])
    return [
        *blocks,
        note(
            f"只列计入厂区合计的计量点；外购与用量分列，不相加。缺失刻钟合计 {missing:,}，不作推算；“–”为无读数。",
            "Meters that count in their site's total; bought and used stand apart and are not added up. "
            f"{missing:,} quarter-hours of meters are missing and not guessed; – is where nothing was read.",
        ),
    ]


def _head(series: Mapping[str, Any]) -> Item:
    zh, en, _size, unit = _CARRIERS[series["carrier"]]
    flow_zh, flow_en = _FLOWS[series["flow"]]
    return column(f"{zh}{flow_zh} {unit}", f"{en} {flow_en}", right=True)


def _amount(series: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    amount = row[series["field"]]
    return NOTHING if amount is None else _shown(series["carrier"], amount)


def _shown(carrier: str, amount: int) -> str:
    size = _CARRIERS[carrier][2]
    return f"{Decimal(amount) / size:,.{1 if size == 1000 else 3}f}"  # noqa: PLR2004 - tonnes and GJ to the kilogram


def emissions(part: Mapping[str, Any]) -> list[Item]:
    """The total, months, sources and what is left out, with boundary, factors, method and data quality."""
    boundary, quality = part["boundary"], part["quality"]
    months = [
        (
            row["month"],
            int(Decimal(row["co2e_g"] or 0)),
            kilograms(row["co2e_g"]) if row["co2e_g"] else NOTHING,
        )
        for row in part["by_month"]
    ]
    carriers = [(_source(name), kilograms(value)) for name, value in part["by_carrier"].items()]
    gaps = [
        (
            f"{_source(each['carrier'])}：{_REASONS[each['reason']]}",
            f"{_shown(each['carrier'], _first_amount(each))} {_CARRIERS[each['carrier']][3]}",
        )
        for each in part["gaps"]
    ]
    factors = [
        (each["factor_id"], f"{each['value']} {each['unit']}", each["published"] or NOTHING, each["source"])
        for each in part["factors"]
    ]
    outside = "、".join(_source(each) for each in boundary["excluded"]) or "无 none"
    remarks = "；".join(_REMARKS.get(each, each) for each in quality["remarks"]) or "无 none"
    listed = "" if part["factors_used"] == len(factors) else f"（共 {part['factors_used']} of all）"
    return [
        facts(
            fact("合计", "Total", kilograms(part["co2e_g"])),
            fact("期间", "Days", f"{part['first_day']} – {part['last_day']}"),
            fact("数据完整", "Complete", "是 yes" if part["complete"] else "否 no"),
            fact("绿证", "Certificates", f"{part['certificates']}"),
        ),
        bars(months),
        table((column("来源", "source", wide=True), column("排放量", "CO2e", right=True)), carriers),
        *(
            [table((column("未计入", "left out", wide=True), column("数量", "amount", right=True)), gaps)]
            * bool(gaps)
        ),
        facts(
            fact("核算边界", "Boundary", boundary["organisation"]),
            fact("厂区/计量点", "Sites, meters", f"{boundary['sites']} / {boundary['meters']}"),
            fact("实测刻钟", "Measured", f"{quality['quarters_measured']:,}"),
            fact("估算刻钟", "Estimated", f"{quality['quarters_estimated']:,}"),
            fact("缺失刻钟", "Missing", f"{quality['quarters_missing']:,}"),
        ),
        note(f"数据质量 Data quality：{remarks}", f"边界外 Outside the boundary：{outside}"),
        table(
            (
                column("排放因子" + listed, "factor"),
                column("数值", "value", right=True),
                column("公布日", "published"),
                column("来源", "source", wide=True),
            ),
            factors,
        ),
        note(part["method"]["zh"], part["method"]["en"]),
    ]


def _source(name: str) -> str:
    return " ".join(_CARRIERS[name][:2]) if name in _CARRIERS else "过程排放 Process"


def _first_amount(gap: Mapping[str, Any]) -> int:
    """The amount of a gap, whose field is named by the carrier's unit."""
    return next(value for value in gap.values() if isinstance(value, int))


def alerts(part: Mapping[str, Any]) -> list[Item]:
    """By kind, how many there were and where people are with them."""
    heads = (
        column("类型", "kind", wide=True),
        column("告警", "alerts", right=True),
        column("未处理", "open", right=True),
        column("已确认", "acknowledged", right=True),
        column("已关闭", "closed", right=True),
    )
    rows = [
        (name, *(f"{each[state]:,}" for state in ("alerts", "open", "acknowledged", "closed")))
        for name, each in (
            *((_KINDS[each["kind"]], each) for each in part["by_kind"]),
            ("合计 Total", part),
        )
    ]
    return [
        table(heads, rows),
        note(
            f"{part['first_day']} 至 {part['last_day']} 期间出现过的告警，按出具时的处理状态。",
            "Alerts that touch these days, by where people were with them when the report was made.",
        ),
    ]
