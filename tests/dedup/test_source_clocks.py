"""The offset of two sources' clocks, from acts that both saw."""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dedup.same_act_rules import load_rules
from dedup.sightings import Clocks, PairClock, Sighting, measured_clock, median

RULE = load_rules()[-1].clock.rule
differences = st.lists(st.integers(-7_200, 7_200), min_size=1, max_size=150)


@given(differences)
def test_a_mirrored_median_is_the_median_mirrored(values):
    assert median([-value for value in values]) == -median(values)


@given(differences)
def test_a_mirrored_pair_has_the_mirrored_clock(values):
    clock, mirrored = (measured_clock([sign * value for value in values], RULE) for sign in (1, -1))
    assert mirrored == (clock.mirrored if clock else None)


@given(st.integers(-300, 300), st.integers(0, 2**32))
def test_a_few_cut_and_merged_rides_move_nothing(offset, seed):
    """Times to the minute, every tenth pair wrong by a whole ride."""
    chance = random.Random(seed)
    values = []
    for number in range(RULE.latest_values):
        start = chance.randrange(10_000)
        ahead = (start + offset + 30) // 60 * 60 - (start + 30) // 60 * 60
        values.append(ahead + (chance.choice([-900, 1_500]) if number % 10 == 0 else 0))
    clock = measured_clock(values, RULE)
    assert clock is not None
    assert abs(clock.ahead_s - offset) <= 20
    assert clock.tolerance_s >= 60


def test_too_few_acts_tell_nothing():
    assert measured_clock([30] * (RULE.least_values - 1), RULE) is None
    assert measured_clock([30] * RULE.least_values, RULE) == PairClock(30, RULE.at_least_s, measured=True)


def test_only_the_latest_values_count():
    values = [500] * 1_000 + [20] * RULE.latest_values
    assert measured_clock(values, replace(RULE, near_s=10_000)).ahead_s == 20


def test_what_is_not_measured_is_as_wide_as_both_sources_allow():
    left, right = (
        Sighting(source, "trip.metro", 0, 600, tolerance_s=tolerance)
        for source, tolerance in (("a", 90), ("b", 30))
    )
    assert Clocks().between(left, right) == PairClock(0, 120)
    measured = Clocks({("a", "b"): PairClock(40, 60, measured=True)})
    assert measured.between(left, right).ahead_s == -measured.between(right, left).ahead_s == 40
