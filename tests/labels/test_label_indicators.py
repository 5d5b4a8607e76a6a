"""Each indicator of each domain, exactly: grams CO2e per unit of a figure."""

from fractions import Fraction

import pytest
from labels.made import scale_of

from accounts.enterprises.industries import Domain
from accounts.labels.measures import INDICATORS_OF, Indicator, floored, rounded
from accounts.labels.scoring import Facts, Missing, value_of

CASES = [
    # 1,234.567 t over 700 t of standard product: 500 t of steel and 200/1.08 t rolled, which count 1.08 each
    (
        Indicator.PER_PRODUCT,
        {"output:steel": 484_000_000, "output:rolled": 200_000_000},
        Fraction(1_234_567_000, 700_000),
    ),
    # ¥ 12.5 million
    (Indicator.PER_VALUE_ADDED, {"value_added": 1_250_000_000}, Fraction(1_234_567_000, 12_500_000)),
    # ¥ 860,000
    (Indicator.PER_TAX, {"tax": 86_000_000}, Fraction(1_234_567_000, 860_000)),
    # 3,000 t of rice
    (Indicator.PER_PRODUCT_MASS, {"product_mass": 3_000_000_000}, Fraction(1_234_567_000, 3_000_000)),
    # 2.5 GWh supplied
    (Indicator.PER_SUPPLIED_ENERGY, {"supplied_energy": 2_500_000_000}, Fraction(1_234_567_000, 2_500_000)),
    # 12,345.67 m²
    (Indicator.PER_FLOOR_AREA, {"floor_area": 1_234_567}, Fraction(100_000)),
    # 10 million t·km
    (Indicator.PER_FREIGHT, {"freight": 10_000_000_000}, Fraction(1_234_567_000, 10_000_000)),
    # 40 million passenger-km
    (Indicator.PER_PASSENGERS, {"passengers": 40_000_000}, Fraction(1_234_567_000, 40_000_000)),
    # 900 residents
    (Indicator.PER_PERSON, {"persons": 900}, Fraction(1_234_567_000, 900)),
]


@pytest.mark.parametrize(("indicator", "figures", "grams"), CASES, ids=[case[0] for case in CASES])
def test_intensity(indicator: Indicator, figures: dict[str, int], grams: Fraction) -> None:
    scale = scale_of(indicator)
    assert value_of(scale, indicator, Facts(2025, 1_234_567_000_000, figures)) == grams
    # What is missing is named, and zero is no divisor.
    bare = value_of(scale, indicator, Facts(2025, 1, {}))
    assert isinstance(bare, Missing)
    assert (bare.code, bare.year) == ("figure_missing", 2025)
    none = value_of(scale, indicator, Facts(2025, 1, dict.fromkeys(figures, 0)))
    assert isinstance(none, Missing)
    assert none.code == "figure_not_positive"
    unknown = value_of(scale, indicator, Facts(2025, None, figures))
    assert isinstance(unknown, Missing)
    assert unknown.code == "emissions_missing"


def test_all_domains_have_their_own() -> None:
    assert set(INDICATORS_OF) == set(Domain)
    assert {each for found in INDICATORS_OF.values() for each in found} == set(Indicator)
    assert {case[0] for case in CASES} == set(Indicator)


def test_figures_read_as_they_are() -> None:
    assert rounded(Fraction(2, 3), 3) == "0.667"
    assert floored(Fraction(59_999, 1000)) == "59.99"
    assert (rounded(Fraction(-1, 4), 2), rounded(Fraction(7)), floored(Fraction(100))) == (
        "-0.25",
        "7",
        "100",
    )
