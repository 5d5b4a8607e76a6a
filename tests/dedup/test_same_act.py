"""Whether two reports are of one act: symmetric, explained, and right where trips lie close."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dedup.same_act import Verdict, decide
from dedup.same_act_rules import load_rules
from dedup.sightings import Clocks, PairClock, Sighting

RULES = load_rules()[-1]
EIGHT = 1_790_000_000 // 86_400 * 86_400
SCENES = ["trip.shared_bike", "trip.bike", "trip.metro", "trip.steps", "charging.ev", "recycling.clothes"]


def seen(source, start_min, minutes, *, scene="trip.shared_bike", amount=2_000, number=None, **more):
    start = EIGHT + round(60 * start_min)
    order = None if number is None else ("bikes", number)
    end = start + round(60 * minutes)
    return Sighting(source, scene, start, end, tolerance_s=120, amount=amount, order=order, **more)


sightings = st.builds(
    seen,
    st.sampled_from(["a", "b", "c"]),
    st.integers(-15, 15),
    st.integers(1, 60),
    scene=st.sampled_from(SCENES),
    amount=st.none() | st.integers(0, 20_000),
    number=st.none() | st.sampled_from(["1", "2"]),
    start_region=st.sampled_from([None, "440300", "440305", "440304"]),
    end_region=st.sampled_from([None, "440305", "310000"]),
)
clock_pairs = st.builds(PairClock, st.integers(-600, 600), st.integers(30, 300), measured=st.just(value=True))


def clocks_of(ab, bc):
    return Clocks({("a", "b"): ab, ("b", "c"): bc})


@given(sightings, sightings, clock_pairs, clock_pairs)
def test_the_decision_is_symmetric(left, right, ab, bc):
    clocks = clocks_of(ab, bc)
    assert decide(left, right, RULES, clocks) == decide(right, left, RULES, clocks)


@given(sightings, sightings, st.integers(-10_000_000, 10_000_000))
def test_only_differences_of_time_count(left, right, shift):
    moved = [replace(one, start_s=one.start_s + shift, end_s=one.end_s + shift) for one in (left, right)]
    assert decide(*moved, RULES) == decide(left, right, RULES)


@given(sightings, sightings, clock_pairs)
def test_a_measured_offset_is_as_good_as_no_offset(left, right, clock):
    """Moving one source's times and telling so by its clock changes nothing."""
    left, right = replace(left, source="a"), replace(right, source="b")
    behind = replace(right, start_s=right.start_s + clock.ahead_s, end_s=right.end_s + clock.ahead_s)
    straight = Clocks({("a", "b"): PairClock(0, clock.tolerance_s, measured=True)})
    assert decide(left, behind, RULES, Clocks({("a", "b"): clock})) == decide(left, right, RULES, straight)


@given(sightings, sightings, clock_pairs, clock_pairs)
def test_points_are_the_sum_of_the_evidence(left, right, ab, bc):
    decision = decide(left, right, RULES, clocks_of(ab, bc))
    if decision.rule in {"evidence", "two_order_numbers", "one_order_number"}:
        assert decision.points == sum(each.points for each in decision.evidence)
    if decision.rule == "evidence":
        assert (decision.verdict is Verdict.SAME) == (decision.points >= decision.same_from)


@given(sightings)
def test_another_platform_with_the_same_account_of_it_saw_the_same_act(one):
    other = replace(one, source="x")
    group = RULES.groups.get(one.group)
    expected = Verdict.SAME if group or one.order else Verdict.DIFFERENT
    assert decide(one, other, RULES).verdict is expected


def test_one_number_of_one_issuer_is_one_act_whatever_the_clocks_say():
    decision = decide(seen("a", 0, 10, number="7"), seen("b", 500, 12, number="7"), RULES)
    assert (decision.verdict, decision.rule) == (Verdict.SAME, "one_order_number")


def test_numbers_of_two_issuers_say_nothing():
    left, right = seen("a", 0, 10), seen("b", 0, 10)
    without = decide(left, right, RULES)
    numbered = decide(replace(left, order=("bikes", "1")), replace(right, order=("maps", "2")), RULES)
    assert numbered == without


def test_two_numbers_of_one_issuer_are_two_acts():
    decision = decide(seen("a", 0, 10, number="1"), seen("b", 6, 10, number="2"), RULES)
    assert (decision.verdict, decision.rule) == (Verdict.DIFFERENT, "two_order_numbers")


def test_a_skewed_clock_takes_the_overlap_of_a_short_ride_but_not_the_decision():
    left, right = seen("a", 0, 4, amount=800), seen("b", 5, 4, amount=820)
    assert left.end_s < right.start_s
    clocks = Clocks({("a", "b"): PairClock(290, 60, measured=True)})
    decision = decide(left, right, RULES, clocks)
    assert decision.verdict is Verdict.SAME
    assert {each.feature for each in decision.evidence} >= {"period", "ends", "duration", "amount"}


def test_two_acts_in_a_row_pass():
    metro = seen("a", 0, 20, scene="trip.metro", amount=9_000)
    before = seen("a", -11, 12, amount=2_100)
    after = seen("b", 18.5, 9, amount=1_500)
    for bike in (before, after):
        assert decide(metro, bike, RULES).verdict is Verdict.DIFFERENT
    assert decide(before, after, RULES).verdict is Verdict.DIFFERENT


def test_nobody_rides_a_bike_while_in_the_metro():
    metro = seen("a", 0, 40, scene="trip.metro", amount=9_000)
    decision = decide(metro, seen("b", 10, 15), RULES)
    assert (decision.verdict, decision.rule) == (Verdict.EXCLUDES, "one_place_at_a_time")


def test_the_days_steps_stand_beside_any_trip():
    steps = seen("a", -480, 1_439, scene="trip.steps", amount=8_000)
    assert decide(steps, seen("b", 10, 15), RULES).verdict is Verdict.DIFFERENT


def test_charging_and_riding_at_once_are_two_acts():
    session = seen("a", 0, 200, scene="charging.ev", amount=20_000)
    assert decide(session, seen("b", 10, 15), RULES).verdict is Verdict.DIFFERENT


def test_a_household_charges_two_cars_at_a_time():
    first = seen("a", 0, 200, scene="charging.ev", amount=20_000, number="1")
    second = seen("b", 60, 60, scene="charging.ev", amount=9_000, number="2")
    assert decide(first, second, RULES).verdict is Verdict.DIFFERENT


def test_two_words_for_a_bike_are_one_kind():
    left = seen("a", 0, 12)
    assert decide(left, seen("b", 0, 12, scene="trip.bike"), RULES).verdict is Verdict.SAME


def test_a_distance_that_does_not_fit_speaks_against():
    left, near, far = seen("a", 0, 6), seen("b", 3, 6, amount=2_050), seen("b", 3, 6, amount=900)
    assert decide(left, near, RULES).points > decide(left, far, RULES).points


def test_other_regions_speak_against():
    left = seen("a", 0, 12, start_region="440300", end_region="440305")
    same = seen("b", 0, 12, start_region="440304", end_region="440305")
    other = seen("b", 0, 12, start_region="310000", end_region="310000")
    points = [decide(left, right, RULES).points for right in (seen("b", 0, 12), same, other)]
    assert points[0] >= points[1] > points[2]
    levels = {each.feature: each.level for each in decide(left, other, RULES).evidence}
    assert levels["region"] == "both_differ"
