"""What a report tells of any holder, and what it says where something is not to be had."""

import datetime
from typing import TYPE_CHECKING, Any, Final

from accounts.quantities import grams
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accounts.repository import Row

Section = dict[str, Any]
MONTHS: Final = 12
"""A report looks back on so many whole months, and on the month that runs."""
ABSENT: Final = {
    "issuance_not_offered": (
        "尚未提供：减排量签发尚未启用",
        "Not available: units are not issued yet",
    ),
    "no_data": ("没有数据", "There is no data"),
    "no_meters": ("没有计量点", "There are no meters"),
    "no_enterprise": ("该主体未建立企业能碳账户", "This holder keeps no energy account"),
    "no_label": ("尚无已公布的碳标签", "No label was published yet"),
    "no_card": ("该地区没有适用的评分卡", "No score card is in force in this region"),
}
"""Code → Chinese and English."""


def absent(code: str) -> Section:
    """A part that cannot be told, and why."""
    zh, en = ABSENT[code]
    return {"available": False, "reason": code, "zh": zh, "en": en}


def first_month(as_of: datetime.date) -> datetime.date:
    """The first day that a report looks back on."""
    place = as_of.year * 12 + as_of.month - 1 - MONTHS
    return datetime.date(place // 12, place % 12 + 1, 1)


def month_names(as_of: datetime.date) -> list[str]:
    """All months of a report, the one that runs among them."""
    first = first_month(as_of)
    places = range(first.year * 12 + first.month - 1, as_of.year * 12 + as_of.month)
    return [f"{place // 12:04d}-{place % 12 + 1:02d}" for place in places]


def identity(holder: "Row") -> Section:
    """Who, without a name or a number: neither is stored of a person."""
    return {
        "available": True,
        "kind": holder["kind"],
        "region": holder["region"],
        "since": holder["created_at"].astimezone(LOCAL).date().isoformat(),
        "proven_by": list(holder["proofs"]),
    }


def reductions(months: "Sequence[Row]", scenes: "Sequence[Row]", as_of: datetime.date) -> Section:
    """Reductions that stand, by month and by scene."""
    if not months:
        return absent("no_data")
    known = {row["month"]: row for row in months}
    by_scene: dict[str, list[int]] = {}
    for row in scenes:
        found = by_scene.setdefault(row["scene"], [0, 0])
        found[0] += row["acts"]
        found[1] += row["mg"]
    return {
        "available": True,
        "total_co2e_g": grams(sum(row["mg"] for row in months)),
        "by_month": [
            {
                "month": name,
                "acts": known[name]["acts"] if name in known else 0,
                "co2e_g": grams(known[name]["mg"]) if name in known else "0",
                "reversed_acts": known[name]["reversed"] if name in known else 0,
            }
            for name in month_names(as_of)
        ],
        "by_scene": [
            {"scene": scene, "acts": acts, "co2e_g": grams(mg)}
            for scene, (acts, mg) in sorted(by_scene.items(), key=lambda each: -each[1][1])
        ],
    }


def holdings(holder: "Row") -> Section:
    """Reductions held now: open, issued and used."""
    return {
        "available": True,
        "open_co2e_g": grams(holder["open_mg"]),
        "issued_co2e_g": grams(holder["issued_mg"]),
        "used_co2e_g": grams(holder["used_mg"]),
    }


def disputes(states: dict[str, int]) -> Section:
    """How many outcomes are contested, and what became of those that were."""
    return {
        "available": True,
        **{name: states.get(name, 0) for name in ("open", "upheld", "moved", "withdrawn")},
    }


def data_quality(scenes: "Sequence[Row]") -> Section:
    """How the acts are known."""
    if not scenes:
        return absent("no_data")
    acts = sum(row["acts"] for row in scenes)
    own = sum(row["self_reported"] for row in scenes)
    return {
        "available": True,
        "acts": acts,
        "by_platforms": acts - own,
        "self_reported": own,
        "scenes": len({row["scene"] for row in scenes}),
    }


def method(scenes: "Sequence[Row]") -> Section:
    """The methodologies that the reductions were computed by, each by the hash of its text."""
    texts = {(row["code"], row["version"], row["content_hash"]) for row in scenes}
    return {
        "available": True,
        "methodologies": [
            {"code": code, "version": version, "content_hash": found}
            for code, version, found in sorted(texts)
        ],
    }
