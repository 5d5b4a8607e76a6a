"""Scales and rules of tests."""

from typing import Any

from accounts.enterprises.industries import Domain
from accounts.labels.measures import INDICATORS_OF, Indicator
from accounts.labels.rules import LabelRules, Scale

RATIOS = [{"ratio": "0.7", "points": 100}, {"ratio": "1", "points": 60}, {"ratio": "1.6", "points": 0}]
THRESHOLDS = {"yellow": 30, "light_green": 60, "dark_green": 85}
PRODUCTS = [{"code": "steel", "unit": "g"}, {"code": "rolled", "unit": "g", "equivalent": "1.08"}]


def domain_of(indicator: Indicator) -> Domain:
    return next(domain for domain, found in INDICATORS_OF.items() if indicator in found)


def scale_text(indicator: Indicator, benchmark: str = "100", **over: Any) -> dict[str, Any]:
    """One indicator against one number."""
    return {
        "domain": domain_of(indicator).value,
        "products": PRODUCTS if indicator is Indicator.PER_PRODUCT else [],
        "against_industry": {
            "weight": 100,
            "points": RATIOS,
            "indicators": [{"indicator": indicator.value, "weight": 100, "benchmark": benchmark}],
        },
        "thresholds": THRESHOLDS,
        **over,
    }


def scale_of(indicator: Indicator, benchmark: str = "100", **over: Any) -> Scale:
    return Scale.model_validate(scale_text(indicator, benchmark, **over))


def three_views(**over: Any) -> dict[str, Any]:
    """Industry by three indicators, region by two, history by one."""
    return {
        "domain": "industry",
        "industry": "C31",
        "products": PRODUCTS,
        "against_industry": {
            "weight": 60,
            "points": RATIOS,
            "indicators": [
                {"indicator": "per_product", "weight": 50, "benchmark": "1850"},
                {"indicator": "per_value_added", "weight": 30, "benchmark": "1200"},
                {"indicator": "per_tax", "weight": 20, "benchmark": "9000"},
            ],
        },
        "against_region": {
            "weight": 20,
            "points": RATIOS,
            "indicators": [
                {"indicator": "per_value_added", "weight": 60, "benchmark": "260"},
                {"indicator": "per_tax", "weight": 40, "benchmark": "1700"},
            ],
        },
        "against_history": {
            "weight": 20,
            "points": [
                {"ratio": "0.9", "points": 100},
                {"ratio": "1", "points": 60},
                {"ratio": "1.1", "points": 0},
            ],
            "indicators": [{"indicator": "per_product", "weight": 100}],
        },
        "thresholds": THRESHOLDS,
        **over,
    }


def rules_text(*scales: dict[str, Any], region: str = "330800", **over: Any) -> dict[str, Any]:
    return {
        "region": region,
        "name": {"zh": "试行", "en": "Trial"},
        "from": "2026-01-01",
        "official": False,
        "scales": list(scales),
        **over,
    }


def rules_of(*scales: dict[str, Any], **over: Any) -> LabelRules:
    return LabelRules.model_validate(rules_text(*scales, **over))
