"""A signed report as texts that are ready to be set: what is shown is what was signed. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from app.credit_reports.blocks import Item, bars, column, fact, facts, kilograms, note, table
from app.credit_reports.energy_layout import alerts, emissions, energy

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
_VIEWS: Final = {"industry": "行业 Industry", "region": "区域 Region", "history": "历史 History"}
_PROOFS: Final = {
    "sms": "短信 SMS",
    "wechat": "微信 WeChat",
    "provider": "服务方 provider",
    "operator": "管理方 operator",
    "onboarding": "开户 onboarding",
}


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
            fact("截至", "As of", report["as_of"]),
            fact("出具时间", "Issued", report["issued_at"][:16].replace("T", " ")),
            fact("出具给", "For", report["bank_name"]),
            fact("用途", "Purpose", _PURPOSES.get(report["purpose"], report["purpose"])),
            *_identity(parts["identity"]),
        ],
        "sections": [
            {"zh": title[0], "en": title[1], "blocks": _blocks(name, parts[name])}
            for name, title in _SECTIONS.items()
            if name in parts
        ],
    }


def _subject(identity: Mapping[str, Any], reference: str) -> tuple[str, str]:
    if "name" not in identity:
        return reference, f"客户代号 Reference · {identity['region']}"
    words = (_DOMAINS.get(identity["domain"], ""), identity["industry_code"] or "", identity["region"])
    return identity["name"], " · ".join(word for word in words if word)


def _identity(identity: Mapping[str, Any]) -> list[Item]:
    found = [fact("开户", "Since", identity["since"])]
    if "name" in identity:
        size = f"{identity['sites']} / {identity['meters']}"
        return [*found, fact("厂区/计量点", "Sites, meters", size)]
    proofs = "、".join(_PROOFS.get(each, each) for each in identity["proven_by"]) or "–"
    return [*found, fact("身份核验", "Proven by", proofs)]


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
            facts(
                fact("评分卡", "Card", f"{each['card']} {each['version']}"),
                fact("截至", "As of", each["as_of"]),
                fact("分值", "Points", points),
                fact("等级", "Tier", tier),
            )
        )
        if each["reasons"]:
            rows = [
                (f"{reason['zh']} {reason['en']}", f"{reason['points']:+d}") for reason in each["reasons"]
            ]
            columns = (column("理由", "reason", wide=True), column("分值", "points", right=True))
            blocks.append(table(columns, rows))
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
        column("维度", "view", wide=True),
        column("颜色", "colour", wide=True),
        column("分值", "points", right=True),
    )
    heads = (
        column("年度", "year"),
        column("标签", "label", wide=True),
        column("分值", "points", right=True),
        column("官方", "official"),
        column("评定日", "decided on"),
    )
    return [
        facts(
            fact("行业百分位", "Percentile", percentile),
            fact("综合分", "Points of 100", current["points"] or "–"),
        ),
        *([table(three, views)] if views else []),
        *[note(each["zh"], each["en"]) for each in current["reasons"][:6]],
        table(heads, history),
    ]


def _reductions(part: Mapping[str, Any]) -> list[Item]:
    months = [
        (row["month"], int(Decimal(row["co2e_g"])), kilograms(row["co2e_g"])) for row in part["by_month"]
    ]
    scenes = [(row["scene"], f"{row['acts']:,}", kilograms(row["co2e_g"])) for row in part["by_scene"]]
    heads = (
        column("场景", "scene", wide=True),
        column("行为", "acts", right=True),
        column("减排量", "CO2e", right=True),
    )
    return [
        facts(
            fact("合计", "Total", kilograms(part["total_co2e_g"])),
            fact("已冲正行为", "Reversed acts", sum(row["reversed_acts"] for row in part["by_month"])),
        ),
        bars(months),
        *([table(heads, scenes)] if scenes else []),
    ]


def _holdings(part: Mapping[str, Any]) -> list[Item]:
    return [
        facts(
            fact("可用", "Open", kilograms(part["open_co2e_g"])),
            fact("已签发", "Issued", kilograms(part["issued_co2e_g"])),
            fact("已使用", "Used", kilograms(part["used_co2e_g"])),
        )
    ]


def _disputes(part: Mapping[str, Any]) -> list[Item]:
    return [
        facts(
            fact("未结", "Open", part["open"]),
            fact("维持", "Upheld", part["upheld"]),
            fact("转移", "Moved", part["moved"]),
            fact("撤回", "Withdrawn", part["withdrawn"]),
        )
    ]


def _data_quality(part: Mapping[str, Any]) -> list[Item]:
    return [
        facts(
            fact("行为", "Acts", f"{part['acts']:,}"),
            fact("场景", "Scenes", part["scenes"]),
            fact("平台上报", "By platforms", f"{part['by_platforms']:,}"),
            fact("自行申报", "Self-reported", f"{part['self_reported']:,}"),
        )
    ]


def _method(part: Mapping[str, Any]) -> list[Item]:
    rows = [(each["code"], each["version"], each["content_hash"][:16]) for each in part["methodologies"]]
    heads = (
        column("方法学", "methodology", wide=True),
        column("版本", "version"),
        column("内容摘要", "SHA-256, first 16"),
    )
    remark = note(
        "减排量按行为当日有效的方法学计算，冲正的行为不计；每一克均可复算。",
        "Reductions are computed by the methodology in force on the day of the act; reversed acts do not count.",
    )
    return [remark, *([table(heads, rows)] if rows else [])]


_LAID: Final = {
    "score": _score,
    "label": _label,
    "energy": energy,
    "emissions": emissions,
    "alerts": alerts,
    "reductions": _reductions,
    "holdings": _holdings,
    "units": lambda _part: [],
    "disputes": _disputes,
    "data_quality": _data_quality,
    "method": _method,
}
