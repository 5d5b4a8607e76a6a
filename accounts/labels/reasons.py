"""Reasons of a label as people read them, and as they are kept."""

from fractions import Fraction
from typing import Any, Final

from accounts.labels.measures import MEASURE_OF, PER, UNITS, Indicator, Measure, floored, rounded
from accounts.labels.rules import Scale
from accounts.labels.scoring import Assessment, Line, Missing, ViewName, ViewResult

VIEWS: Final = {
    ViewName.INDUSTRY: ("行业", "the industry"),
    ViewName.REGION: ("区域", "the region"),
    ViewName.HISTORY: ("自身历史", "its own history"),
}
MEASURES: Final = {
    Measure.OUTPUT: ("产品产量", "output"),
    Measure.VALUE_ADDED: ("增加值", "value added"),
    Measure.TAX: ("税收", "tax"),
    Measure.PRODUCT_MASS: ("农产品产量", "mass of product"),
    Measure.SUPPLIED_ENERGY: ("供能量", "supplied energy"),
    Measure.FLOOR_AREA: ("建筑面积", "floor area"),
    Measure.FREIGHT: ("货运周转量", "freight"),
    Measure.PASSENGERS: ("客运周转量", "passenger traffic"),
    Measure.PERSONS: ("人数", "persons"),
}
MISSING: Final = {
    "figure_missing": ("缺少{year}年的{zh}", "{en} of {year} is missing"),
    "figure_not_positive": ("{year}年的{zh}不为正", "{en} of {year} is not positive"),
    "emissions_missing": ("缺少{year}年的排放数据", "emissions of {year} are missing"),
    "emissions_incomplete": (
        "{year}年的排放数据不完整:缺少读数过多",
        "emissions of {year} are incomplete: too many readings are missing",
    ),
    "factor_missing": (
        "{year}年的部分能耗没有排放因子",
        "some energy of {year} has no emission factor",
    ),
    "benchmark_withheld": ("企业数不足,行业基准不予公布", "too few enterprises: the benchmark is withheld"),
    "no_scale": ("本地规则未涵盖该领域或行业", "the region's rules do not cover this domain and industry"),
    "history_missing": ("缺少往年数据", "its own earlier year is missing"),
}


def unit_of(indicator: Indicator, scale: Scale) -> str:
    """What an intensity is told per."""
    measure = MEASURE_OF[indicator]
    unit = scale.products[0].unit if measure is Measure.OUTPUT else next(iter(UNITS[measure]))
    return f"g/{PER[unit][0]}"


def reasons_of(found: Assessment, scale: Scale) -> list[dict[str, Any]]:
    """What is missing; or each comparison, the one that costs most points first."""
    if found.missing:
        return [_missing(each) for each in found.missing]
    return [_line(each, scale) for each in found.lines]


def no_scale() -> dict[str, Any]:
    """Why there is no label where no scale covers an enterprise."""
    return _missing(Missing("no_scale"))


def views_of(found: Assessment) -> dict[str, Any]:
    """View → points, weight in percent, and colour."""
    return {each.view.value: _view(each) for each in found.views}


def _view(each: ViewResult) -> dict[str, Any]:
    return {"colour": each.colour, "points": floored(each.points), "weight": rounded(each.weight, 2)}


def _missing(each: Missing) -> dict[str, Any]:
    zh, en = MISSING[each.code]
    names = MEASURES[each.measure] if each.measure is not None else ("", "")
    told: dict[str, Any] = {"code": each.code}
    if each.year is not None:
        told["year"] = each.year
    if each.measure is not None:
        told["measure"] = each.measure
    if each.products:
        told["products"] = list(each.products)
    if each.indicator is not None:
        told["indicator"] = each.indicator
    told["zh"] = zh.format(year=each.year, zh=names[0])
    told["en"] = en.format(year=each.year, en=names[1])
    return told


def _line(each: Line, scale: Scale) -> dict[str, Any]:
    zh, en = VIEWS[each.view]
    unit = unit_of(each.indicator, scale)
    value, reference = rounded(each.value), rounded(each.reference)
    of, by = MEASURES[MEASURE_OF[each.indicator]]
    worse = each.value > each.reference
    return {
        "code": "above" if worse else "not_above",
        "view": each.view,
        "indicator": each.indicator,
        "unit": unit,
        "value": value,
        "reference": reference,
        "points": floored(each.gained),
        "of": rounded(each.of, 2),
        "exact": _exact(each.gained),
        "zh": f"单位{of}碳强度 {value} {unit},{zh}基准 {reference}:"
        f"得 {floored(each.gained)} 分,满分 {rounded(each.of, 2)}",
        "en": f"emissions per {by} {value} {unit} against {reference} of {en}:"
        f" {floored(each.gained)} of {rounded(each.of, 2)} points",
    }


def _exact(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"
