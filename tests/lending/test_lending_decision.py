"""The decision of a quote, whatever a product's data says."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.lending.decision import (
    BASIS_POINTS,
    MOST_DISCOUNT_BP,
    MOST_LIMIT_BP,
    REASONS,
    Standing,
    Terms,
    Wish,
    decide,
)
from app.lending.products import examples

ANY = st.integers(-(10**9), 10**9)
TABLES = st.lists(st.builds(Terms, st.sampled_from("abc"), ANY, ANY, ANY, ANY), max_size=4).map(tuple)
TODAY = datetime.date(2026, 11, 21)
LEVELS = st.none() | st.sampled_from("abcd")


def standing(level: str | None) -> Standing:
    return Standing("tier", level, TODAY)


@given(TABLES, LEVELS, st.booleans(), st.none() | st.integers(1, 10**12), st.none() | st.integers(0, 10_000))
def test_nothing_beyond_one_and_a_half_times_or_a_hundred_points(table, level, kinds, limit, rate):
    reached = decide(table, kinds, standing(level), Wish(limit, rate))
    assert reached.reason in REASONS
    assert reached.eligible == (kinds and level in {each.level for each in table})
    if reached.terms is None:
        assert (reached.limit_to_fen, reached.rate_from_bp) == (None, None)
        return
    terms = reached.terms
    assert BASIS_POINTS <= terms.limit_from_bp <= terms.limit_to_bp <= MOST_LIMIT_BP
    assert 0 <= terms.discount_from_bp <= terms.discount_to_bp <= MOST_DISCOUNT_BP
    if limit is not None:
        assert limit <= reached.limit_from_fen <= reached.limit_to_fen <= limit * 3 // 2
    if rate is not None:
        assert max(rate - 100, 0) <= reached.rate_from_bp <= reached.rate_to_bp <= rate


@given(st.integers(10_000, 15_000), st.integers(0, 100))
def test_terms_within_bounds_are_left_as_they_are(limit, discount):
    terms = Terms("a", limit, limit, discount, discount)
    assert decide((terms,), True, standing("a"), Wish()).terms == terms


def test_the_published_case():
    """Deep green: limit +20–30 %, 50 to 100 basis points off; +50,000 yuan on 250,000 is its lower end."""
    product = next(each for each in examples(TODAY) if each.card == "wendeng")
    (rule,) = product.table
    table = (
        Terms(rule.level, rule.limit_from_bp, rule.limit_to_bp, rule.discount_from_bp, rule.discount_to_bp),
    )
    reached = decide(table, True, standing("deep_green"), Wish(25_000_000, 485))
    assert (reached.limit_from_fen, reached.limit_to_fen) == (30_000_000, 32_500_000)
    assert (reached.rate_from_bp, reached.rate_to_bp) == (385, 435)
    for level in ("light_green", "medium_green"):
        assert decide(table, True, standing(level), Wish()).reason == "level_not_in_table"


@pytest.mark.parametrize(
    ("kinds", "level", "reason"),
    [
        (False, "a", "other_kind_of_holder"),
        (True, None, "too_little_known"),
        (True, "b", "level_not_in_table"),
        (True, "a", "level_in_table"),
    ],
)
def test_reasons(kinds, level, reason):
    assert decide((Terms("a", 12_000, 12_000, 50, 50),), kinds, standing(level), Wish()).reason == reason
    assert decide((), True, None, Wish()).reason == "nothing_to_go_by"
