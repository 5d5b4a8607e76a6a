"""Views, weights and thresholds combine exactly; better figures never lose points."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labels.made import THRESHOLDS, rules_of, rules_text, scale_of, scale_text, three_views
from pydantic import ValidationError

from accounts.enterprises.industries import Domain
from accounts.labels.errors import ExampleNotOfficial
from accounts.labels.examples import examples, refuse_examples
from accounts.labels.improvement import EMISSIONS, least_changes
from accounts.labels.measures import MAX_AMOUNT, Indicator
from accounts.labels.reasons import reasons_of
from accounts.labels.rules import LabelRules, Scale
from accounts.labels.scoring import Assessment, Colour, Facts, ViewName, assess

STEEL = Facts(
    2025,
    1_850_000_000_000,  # 1,850 t: 1,850 g/kg of a thousand tonnes
    {"output:steel": 1_000_000_000, "value_added": 154_166_666, "tax": 20_555_555},
)
SCALE = Scale.model_validate(three_views())


def test_a_steel_works_by_hand() -> None:
    """Industry: the product at its benchmark, 60; value added 1.0000000043, just below 60. Region: both beyond 1.6."""
    past = replace(STEEL, year=2024, emissions_mg=2_000_000_000_000)
    found = assess(SCALE, STEEL, past, {})
    views = {each.view: each for each in found.views}
    # Against history 0.925: a quarter of the way from 100 down to 60.
    assert views[ViewName.HISTORY].points == 90
    assert views[ViewName.REGION].points == 0
    assert Fraction(59) < views[ViewName.INDUSTRY].points < 60
    assert found.points == sum((line.gained for line in found.lines), Fraction(0))
    assert found.points == (60 * views[ViewName.INDUSTRY].points + 20 * 90) / 100
    assert (found.colour, views[ViewName.INDUSTRY].colour) == (Colour.YELLOW, Colour.YELLOW)
    assert [views[name].colour for name in (ViewName.REGION, ViewName.HISTORY)] == [
        Colour.RED,
        Colour.DARK_GREEN,
    ]
    # What costs most comes first, in both languages.
    told = reasons_of(found, SCALE)
    assert told[0]["view"] == "industry"
    assert "1850 g/kg" in told[0]["zh"]
    assert told[0]["indicator"] == "per_product"


@pytest.mark.parametrize(
    ("ratio", "colour"),
    [
        ("1.3", Colour.YELLOW),  # 30 points: the threshold itself
        ("1.300001", Colour.RED),
        ("1", Colour.LIGHT_GREEN),
        ("1.000001", Colour.YELLOW),
        ("0.8125", Colour.DARK_GREEN),  # 85 points
        ("0.812501", Colour.LIGHT_GREEN),
    ],
)
def test_thresholds_belong_to_the_better_colour(ratio: str, colour: Colour) -> None:
    mg = int(Fraction(ratio) * 100_000 * 1_000_000)
    assert (
        assess(scale_of(Indicator.PER_PERSON), Facts(2025, mg, {"persons": 1_000_000}), None, {}).colour
        is colour
    )


def test_without_history_the_other_views_count_in_proportion_or_there_is_no_label() -> None:
    found = assess(SCALE, STEEL, None, {})
    assert [(each.view, each.weight) for each in found.views] == [("industry", 75), ("region", 25)]
    strict = three_views()
    strict["against_history"] = strict["against_history"] | {"without": "unlabelled"}
    none = assess(Scale.model_validate(strict), STEEL, Facts(2024, 5, {}), {})
    assert none.colour is Colour.UNLABELLED
    assert [(each.code, each.year, each.products) for each in none.missing] == [
        ("figure_missing", 2024, ("steel", "rolled"))
    ]


def test_what_is_missing_is_named() -> None:
    found = assess(SCALE, replace(STEEL, figures={"output:steel": 7, "tax": -3}), None, {})
    assert found.colour is Colour.UNLABELLED
    assert [(each.code, each.measure) for each in found.missing] == [
        ("figure_missing", "value_added"),
        ("figure_not_positive", "tax"),
    ]
    assert [each["en"] for each in reasons_of(found, SCALE)] == [
        "value added of 2025 is missing",
        "tax of 2025 is not positive",
    ]


def test_a_benchmark_that_is_withheld_labels_nobody() -> None:
    scale = scale_text(Indicator.PER_PERSON)
    scale["against_industry"]["indicators"] = [{"indicator": "per_person", "weight": 100, "percentile": 50}]
    peers = Scale.model_validate(scale)
    facts = Facts(2025, 1000, {"persons": 1})
    assert [each.code for each in assess(peers, facts, None, {}).missing] == ["benchmark_withheld"]
    told = {Indicator.PER_PERSON: {50: Fraction(1)}}
    assert assess(peers, facts, None, told).colour is Colour.LIGHT_GREEN


amounts = st.integers(min_value=1, max_value=10**12)
yearly = st.builds(
    lambda mg, steel, rolled, added, tax: Facts(
        2025,
        mg,
        {"output:steel": steel, "output:rolled": rolled, "value_added": added, "tax": tax},
    ),
    st.integers(min_value=0, max_value=10**15),
    *[amounts] * 4,
)


def points(found: Assessment) -> Fraction:
    assert found.points is not None
    return found.points


@given(yearly, yearly, st.integers(min_value=1, max_value=10**12))
def test_better_figures_never_lose_points(facts: Facts, past: Facts, more: int) -> None:
    now = points(assess(SCALE, facts, past, {}))
    assert 0 <= now <= 100
    assert facts.emissions_mg is not None
    less = replace(facts, emissions_mg=max(0, facts.emissions_mg - more))
    assert points(assess(SCALE, less, past, {})) >= now
    for key, amount in facts.figures.items():
        raised = replace(facts, figures={**facts.figures, key: amount + more})
        assert points(assess(SCALE, raised, past, {})) >= now


@settings(max_examples=60)
@given(
    yearly,
    yearly,
    st.sampled_from([Colour.YELLOW, Colour.LIGHT_GREEN, Colour.DARK_GREEN]),
    st.booleans(),
)
def test_the_least_change_reaches_the_colour_and_one_less_does_not(
    facts: Facts, before: Facts, colour: Colour, with_past: bool
) -> None:
    past = before if with_past else None
    wanted = THRESHOLDS[colour]
    now = points(assess(SCALE, facts, past, {}))
    found = least_changes(SCALE, facts, past, {}, colour)
    assert bool(found) == (now < wanted)

    def reached(figure: str, value: int) -> bool:
        if figure == EMISSIONS:
            return points(assess(SCALE, replace(facts, emissions_mg=value), past, {})) >= wanted
        figures = {**facts.figures, figure: value}
        return points(assess(SCALE, replace(facts, figures=figures), past, {})) >= wanted

    for change in found:
        towards = 1 if change.figure == EMISSIONS else -1
        if change.target is None:
            assert not reached(change.figure, 0 if change.figure == EMISSIONS else MAX_AMOUNT)
        else:
            assert reached(change.figure, change.target)
            assert not reached(change.figure, change.target + towards)
    if found:
        assert [each.figure for each in found] == [
            EMISSIONS,
            *("output:steel", "output:rolled", "value_added", "tax"),
        ]


def test_a_product_that_was_not_made_can_be_what_helps() -> None:
    facts = replace(STEEL, figures={**STEEL.figures, "value_added": 10**12, "tax": 23_000_000})
    found = {each.figure: each for each in least_changes(SCALE, facts, None, {}, Colour.DARK_GREEN)}
    assert found["output:rolled"].present == 0
    assert found["output:rolled"].target is not None
    assert found["value_added"].target is None


# Texts


def test_examples_are_of_all_domains_and_never_official() -> None:
    (text,) = examples()
    assert {each.domain for each in text.scales} == set(Domain)
    assert text.example
    assert not text.official
    basis = {"title": "DB", "number": "1", "issued_on": "2026-01-01"}
    for scale in text.scales:
        copied = scale.model_copy(update={"industry": "C26"} if scale.domain == "industry" else {})
        official = rules_of(
            copied.model_dump(mode="json"), official=True, basis=basis, name={"zh": "正式", "en": "Official"}
        )
        with pytest.raises(ExampleNotOfficial):
            refuse_examples(official)
        refuse_examples(official.model_copy(update={"official": False}))
    refuse_examples(rules_of(scale_text(Indicator.PER_PERSON, "101"), official=True, basis=basis))


@pytest.mark.parametrize(
    "change",
    [
        {"official": True},  # without a basis
        {
            "official": True,
            "example": True,
            "basis": {"title": "x", "number": "1", "issued_on": "2026-01-01"},
        },
        {"scales": [three_views(), three_views()]},
        {"scales": [three_views(thresholds={"yellow": 30, "light_green": 30, "dark_green": 85})]},
        {"scales": [three_views(against_region=None)]},  # weights do not add up
        {"scales": [three_views(products=[])]},
        {"scales": [three_views(domain="building")]},
        {"scales": [three_views(least_enterprises=10)]},
        {"scales": [scale_text(Indicator.PER_TAX, "0")]},
        {"scales": [scale_text(Indicator.PER_TAX, "1e9")]},
        {"unknown": 1},
    ],
)
def test_refused_texts(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LabelRules.model_validate(rules_text(three_views()) | change)


def test_the_nearest_industry_counts() -> None:
    wide = scale_text(Indicator.PER_TAX)
    text = rules_of(wide, three_views(), wide | {"industry": "C3130"}, wide | {"industry": "C"})
    found = [text.scale_of("industry", code) for code in ("C3130", "C3120", "C2610", "D4411", None)]
    assert [None if each is None else each.industry for each in found] == ["C3130", "C31", "C", None, None]
    assert text.scale_of("building", None) is None
