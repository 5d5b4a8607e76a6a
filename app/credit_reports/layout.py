"""A signed report as texts that are ready to be set: what is shown is what was signed. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

Item = dict[str, Any]
_TITLES: Final = {
    "resident": ("个人碳账户报告", "Carbon account report"),
    "enterprise": ("企业碳征信报告", "Enterprise carbon credit report"),
}
_SECTIONS: Final = {
    "score": ("碳信用分", "Score"),
    "label": ("碳标签", "Label"),
    "energy": ("用能", "Energy"),
    "emissions": ("碳排放", "Emissions"),
    "alerts": ("用能告警", "Alerts"),
    "reductions": ("减排量", "Reductions"),
    "holdings": ("持有减排量", "Reductions held"),
    "units": ("减排量单位", "Units held"),
    "disputes": ("争议", "Disputes"),
    "data_quality": ("数据质量", "Data quality"),
    "method": ("方法", "Method"),
}
_PURPOSES: Final = {
    "loan_application": "贷款申请 Loan application",
    "pre_screening": "预筛 Pre-screening",
    "white_list": "白名单 White list",
    "post_loan_monitoring": "贷后监测 After the loan",
}
_LEVELS: Final = {
    "deep_green": "深绿 Deep green",
    "medium_green": "中绿 Medium green",
    "dark_green": "深绿 Dark green",
    "light_green": "浅绿 Light green",
    "yellow": "黄 Yellow",
    "red": "红 Red",
    "unlabelled": "未贴标 Unlabelled",
}
_DOMAINS: Final = {
    "industry": "工业 Industry",
    "agriculture": "农业 Agriculture",
    "energy": "能源 Energy",
    "building": "建筑 Building",
    "transport": "交通 Transport",
    "residential": "居民生活 Residential",
}
_CARRIERS: Final = {
    "electricity": ("电力 Electricity", 1000, "kWh"),
    "gas": ("天然气 Gas", 1000, "m³"),
    "coal": ("煤炭 Coal", 1_000_000, "t"),
    "oil": ("油品 Oil", 1000, "kg"),
    "steam": ("蒸汽 Steam", 1_000_000, "GJ"),
    "water": ("水 Water", 1000, "m³"),
}
_FLOWS: Final = {
    "use": "用量 used",
    "import": "外购 bought",
    "export": "上网 exported",
    "generation": "自发 generated",
}
_VIEWS: Final = {"industry": "行业 Industry", "region": "区域 Region", "history": "历史 History"}
_PROOFS: Final = {
    "sms": "短信 SMS",
    "wechat": "微信 WeChat",
    "provider": "服务方 provider",
    "operator": "管理方 operator",
    "onboarding": "开户 onboarding",
}
_MOST_ROWS: Final = 24


def laid_out(report: Mapping[str, Any]) -> dict[str, Any]:
    """The data of the template, but for the signature."""
    parts = report["sections"]
    zh, en = _TITLES[report["kind"]]
    subject, line = _subject(parts["identity"], report["reference"])
    key, mark, mark_line = _mark(parts)
    return {
        "number": report["report_id"],
        "title_zh": zh,
        "title_en": en,
        "subject": subject,
        "subject_line": line,
        "mark_key": key,
        "mark": mark,
        "mark_line": mark_line,
        "head": [
            _fact("截至", "As of", report["as_of"]),
            _fact("出具时间", "Issued", report["issued_at"][:16].replace("T", " ")),
            _fact("出具给", "For", report["bank_name"]),
            _fact("用途", "Purpose", _PURPOSES.get(report["purpose"], report["purpose"])),
            *_identity(parts["identity"]),
        ],
        "sections": [
            {"zh": title[0], "en": title[1], "blocks": _blocks(name, parts[name])}
            for name, title in _SECTIONS.items()
            if name in parts
        ],
    }


def _fact(zh: str, en: str, value: object) -> Item:
    return {"zh": zh, "en": en, "value": str(value)}


def _facts(*rows: Item) -> Item:
    return {"type": "facts", "rows": list(rows)}


def _column(zh: str, en: str, *, right: bool = False, wide: bool = False) -> Item:
    return {"zh": zh, "en": en, "right": right, "wide": wide}


def _table(columns: Sequence[Item], rows: Sequence[Sequence[str]]) -> Item:
    return {"type": "table", "columns": list(columns), "rows": [list(row) for row in rows[:_MOST_ROWS]]}


def _note(zh: str, en: str) -> Item:
    return {"type": "note", "zh": zh, "en": en}


def kilograms(co2e_g: str) -> str:
    """Grams as kilograms, or as tonnes from ten of them on, with three places."""
    value = Decimal(co2e_g)
    unit, size = ("t", 1_000_000) if abs(value) >= 10_000_000 else ("kg", 1000)  # noqa: PLR2004 - ten tonnes
    return f"{value / size:,.3f} {unit}"


def _subject(identity: Mapping[str, Any], reference: str) -> tuple[str, str]:
    if "name" not in identity:
        return reference, f"客户代号 Reference · {identity['region']}"
    words = (_DOMAINS.get(identity["domain"], ""), identity["industry_code"] or "", identity["region"])
    return identity["name"], " · ".join(word for word in words if word)


def _identity(identity: Mapping[str, Any]) -> list[Item]:
    found = [_fact("开户", "Since", identity["since"])]
    if "name" in identity:
        size = f"{identity['sites']} / {identity['meters']}"
        return [*found, _fact("厂区/计量点", "Sites, meters", size)]
    proofs = "、".join(_PROOFS.get(each, each) for each in identity["proven_by"]) or "–"
    return [*found, _fact("身份核验", "Proven by", proofs)]


def _mark(parts: Mapping[str, Any]) -> tuple[str, str, str]:
    """The one thing to see first: the label, or the tier of the first card that has one."""
    label = parts.get("label", {})
    if label.get("available"):
        current = label["current"]
        status = "官方 official" if current["official"] else "试评 trial"
        colour = current["colour"]
        return colour if current["labelled"] else "", _LEVELS[colour], f"{current['year']} · {status}"
    for each in parts["score"].get("cards", ()):
        if each["tier"] is not None:
            line = f"{each['card']} {each['version']} · {each['points']}"
            return each["tier"], _LEVELS.get(each["tier"], each["tier"]), line
    return "", "尚无等级 No level yet", ""


def _blocks(name: str, part: Mapping[str, Any]) -> list[Item]:
    if not part["available"]:
        return [{"type": "absent", "zh": part["zh"], "en": part["en"]}]
    return _LAID[name](part)


def _score(part: Mapping[str, Any]) -> list[Item]:
    blocks = []
    for each in part["cards"]:
        points = "–" if each["points"] is None else str(each["points"])
        tier = "数据不足 too little data" if each["tier"] is None else _LEVELS.get(each["tier"], each["tier"])
        blocks.append(
            _facts(
                _fact("评分卡", "Card", f"{each['card']} {each['version']}"),
                _fact("截至", "As of", each["as_of"]),
                _fact("分值", "Points", points),
                _fact("等级", "Tier", tier),
            )
        )
        if each["reasons"]:
            rows = [
                (f"{reason['zh']} {reason['en']}", f"{reason['points']:+d}") for reason in each["reasons"]
            ]
            columns = (_column("理由", "reason", wide=True), _column("分值", "points", right=True))
            blocks.append(_table(columns, rows))
    return blocks


def _label(part: Mapping[str, Any]) -> list[Item]:
    current = part["current"]
    percentile = "–" if current["percentile"] is None else f"{current['percentile']} / 100"
    views = [
        (_VIEWS.get(name, name), _LEVELS.get(view["colour"], view["colour"]), str(view["points"]))
        for name, view in current["views"].items()
    ]
    history = [
        (
            str(each["year"]),
            _LEVELS[each["colour"]],
            each["points"] or "–",
            "是 yes" if each["official"] else "否 no",
            each["decided_at"][:10],
        )
        for each in part["history"]
    ]
    three = (
        _column("维度", "view", wide=True),
        _column("颜色", "colour", wide=True),
        _column("分值", "points", right=True),
    )
    heads = (
        _column("年度", "year"),
        _column("标签", "label", wide=True),
        _column("分值", "points", right=True),
        _column("官方", "official"),
        _column("评定日", "decided on"),
    )
    return [
        _facts(
            _fact("行业百分位", "Percentile", percentile),
            _fact("综合分", "Points of 100", current["points"] or "–"),
        ),
        *([_table(three, views)] if views else []),
        *[_note(each["zh"], each["en"]) for each in current["reasons"][:6]],
        _table(heads, history),
    ]


def _energy(part: Mapping[str, Any]) -> list[Item]:
    blocks: list[Item] = []
    rows = []
    for each in part["series"]:
        words, size, unit = _CARRIERS[each["carrier"]]
        rows.append((words, _FLOWS[each["flow"]], f"{Decimal(each['total']) / size:,.1f} {unit}"))
    heads = (
        _column("能源", "carrier", wide=True),
        _column("流向", "flow", wide=True),
        _column("合计", "total", right=True),
    )
    blocks.append(_table(heads, rows))
    for each in part["series"]:
        if each["carrier"] == "electricity" and each["flow"] in ("import", "use"):
            blocks.append(
                _bars(
                    [
                        (row["month"], row["amount"], f"{Decimal(row['amount']) / 1000:,.0f} kWh")
                        for row in each["by_month"]
                    ]
                )
            )
            break
    return blocks


def _bars(rows: Sequence[tuple[str, int, str]]) -> Item:
    return {
        "type": "bars",
        "rows": [{"name": name, "length": size, "value": text} for name, size, text in rows],
    }


def _emissions(part: Mapping[str, Any]) -> list[Item]:
    months = [
        (name, int(Decimal(value)), kilograms(value)) for name, value in sorted(part["by_month"].items())
    ]
    carriers = [
        (_CARRIERS[name][0] if name in _CARRIERS else "过程排放 Process", kilograms(value))
        for name, value in part["by_carrier"].items()
    ]
    heads = (_column("来源", "source", wide=True), _column("排放量", "CO2e", right=True))
    return [
        _facts(
            _fact("合计", "Total", kilograms(part["co2e_g"])),
            _fact("期间", "Days", f"{part['first_day']} – {part['last_day']}"),
            _fact("数据完整", "Complete", "是 yes" if part["complete"] else "否 no"),
            _fact("绿证", "Certificates", str(len(part["certificates"]))),
        ),
        *([_bars(months)] if months else []),
        *([_table(heads, carriers)] if carriers else []),
        _note(part["method"]["zh"], part["method"]["en"]),
    ]


def _reductions(part: Mapping[str, Any]) -> list[Item]:
    months = [
        (row["month"], int(Decimal(row["co2e_g"])), kilograms(row["co2e_g"])) for row in part["by_month"]
    ]
    scenes = [(row["scene"], f"{row['acts']:,}", kilograms(row["co2e_g"])) for row in part["by_scene"]]
    heads = (
        _column("场景", "scene", wide=True),
        _column("行为", "acts", right=True),
        _column("减排量", "CO2e", right=True),
    )
    return [
        _facts(
            _fact("合计", "Total", kilograms(part["total_co2e_g"])),
            _fact("已冲正行为", "Reversed acts", sum(row["reversed_acts"] for row in part["by_month"])),
        ),
        _bars(months),
        *([_table(heads, scenes)] if scenes else []),
    ]


def _holdings(part: Mapping[str, Any]) -> list[Item]:
    return [
        _facts(
            _fact("可用", "Open", kilograms(part["open_co2e_g"])),
            _fact("已签发", "Issued", kilograms(part["issued_co2e_g"])),
            _fact("已使用", "Used", kilograms(part["used_co2e_g"])),
        )
    ]


def _disputes(part: Mapping[str, Any]) -> list[Item]:
    return [
        _facts(
            _fact("未结", "Open", part["open"]),
            _fact("维持", "Upheld", part["upheld"]),
            _fact("转移", "Moved", part["moved"]),
            _fact("撤回", "Withdrawn", part["withdrawn"]),
        )
    ]


def _data_quality(part: Mapping[str, Any]) -> list[Item]:
    if "acts" in part:
        return [
            _facts(
                _fact("行为", "Acts", f"{part['acts']:,}"),
                _fact("场景", "Scenes", part["scenes"]),
                _fact("平台上报", "By platforms", f"{part['by_platforms']:,}"),
                _fact("自行申报", "Self-reported", f"{part['self_reported']:,}"),
            )
        ]
    return [
        _facts(
            _fact("实测刻钟", "Measured", f"{part['measured_quarter_hours']:,}"),
            _fact("估算刻钟", "Estimated", f"{part['estimated_quarter_hours']:,}"),
            _fact("缺失刻钟", "Missing", f"{part['missing_quarter_hours']:,}"),
        )
    ]


def _method(part: Mapping[str, Any]) -> list[Item]:
    rows = [(each["code"], each["version"], each["content_hash"][:16]) for each in part["methodologies"]]
    heads = (
        _column("方法学", "methodology", wide=True),
        _column("版本", "version"),
        _column("内容摘要", "SHA-256, first 16"),
    )
    note = _note(
        "减排量按行为当日有效的方法学计算，冲正的行为不计；每一克均可复算。",
        "Reductions are computed by the methodology in force on the day of the act; reversed acts do not count.",
    )
    return [note, *([_table(heads, rows)] if rows else [])]


_LAID: Final = {
    "score": _score,
    "label": _label,
    "energy": _energy,
    "emissions": _emissions,
    "alerts": lambda _part: [],
    "reductions": _reductions,
    "holdings": _holdings,
    "units": lambda _part: [],
    "disputes": _disputes,
    "data_quality": _data_quality,
    "method": _method,
}
