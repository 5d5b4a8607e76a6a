"""What is told of a distribution gives away no enterprise's own figure."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from accounts.labels.percentiles import better_than, coarse, distribution, windows
from accounts.labels.rules import LEAST_ENTERPRISES

values = st.lists(
    st.fractions(min_value=0, max_value=10**6, max_denominator=10**6),
    min_size=LEAST_ENTERPRISES,
    max_size=60,
)


@given(st.integers(min_value=LEAST_ENTERPRISES, max_value=10_000))
def test_each_percentile_is_of_three_or_more_and_no_rank_is_in_two(count: int) -> None:
    found = windows(count)
    ranks = [rank for each in found.values() for rank in each]
    assert all(len(each) >= 3 for each in found.values())
    assert len(ranks) == len(set(ranks))
    assert 0 <= min(ranks) <= max(ranks) < count
    assert {25, 50, 75} <= set(found)
    # Symmetrical, and each around its own place.
    assert {(100 - key, count - each.stop, count - each.start) for key, each in found.items()} == {
        (key, each.start, each.stop) for key, each in found.items()
    }
    assert all(
        abs(Fraction((count - 1) * key, 100) - (each.start + each.stop - 1) * Fraction(1, 2)) <= 1
        for key, each in found.items()
    )


@given(values)
def test_percentiles_rise_within_the_values_and_are_coarse(found: list[Fraction]) -> None:
    told = distribution(found, LEAST_ENTERPRISES)
    assert told is not None
    assert list(told.values()) == sorted(told.values())
    assert all(coarse(each) == each for each in told.values())
    assert coarse(min(found)) <= min(told.values())
    assert max(told.values()) <= coarse(max(found))
    assert distribution(found, len(found) + 1) is None
    assert distribution(list(reversed(found)), LEAST_ENTERPRISES) == told


@given(values, st.integers(min_value=0), st.integers(min_value=0))
def test_two_enterprises_can_swap_within_a_window_unseen(
    found: list[Fraction], place: int, percentile: int
) -> None:
    """Moving as much from one to another of one window changes nothing that is told: so no value can be told apart."""
    ranked = sorted(found)
    ranges = list(windows(len(ranked)).values())
    window = ranges[percentile % len(ranges)]
    first, middle, last = window.start, window.start + 1, window.stop - 1
    room = min(ranked[middle] - ranked[first], ranked[last] - ranked[middle])
    moved = list(ranked)
    moved[first] += room / 3
    moved[last] -= room / 3
    assert distribution(moved, LEAST_ENTERPRISES) == distribution(ranked, LEAST_ENTERPRISES)


def test_coarse() -> None:
    assert [coarse(Fraction(each)) for each in ("1234.5", "0.0012345", "9995", "100", "0")] == [
        Fraction(1230),
        Fraction("0.00123"),
        Fraction(10000),
        Fraction(100),
        Fraction(0),
    ]


def test_a_place_among_others() -> None:
    ranked = [Fraction(each) for each in range(11)]
    assert [better_than(each, ranked, 11) for each in ranked] == list(range(100, -1, -10))
    assert better_than(ranked[0], ranked, 12) is None
