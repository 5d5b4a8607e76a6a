"""A report among credited ones: chains in every order, cut and merged rides, one credit for one act."""

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.resolving import Held, resolve
from dedup.same_act import decide
from dedup.same_act_rules import load_rules
from dedup.sightings import Clocks, PairClock, Sighting

RULES = load_rules()[-1]
EIGHT = 1_790_000_000 // 86_400 * 86_400
NEAR = Clocks(
    {pair: PairClock(0, 60, measured=True) for pair in itertools.combinations(("city", "map", "pay"), 2)}
)


def ride(source, start_min, minutes, amount=2_000, **more):
    start = EIGHT + round(60 * start_min)
    end = start + round(60 * minutes)
    return Sighting(source, "trip.shared_bike", start, end, tolerance_s=120, amount=amount, **more)


def credit(arriving, clocks=NEAR):
    held = []
    for number, sighting in enumerate(arriving):
        if resolve(sighting, held, RULES, clocks) is None:
            held.append(Held(number, sighting))
    return [arriving[each.key] for each in held]


rides = st.builds(ride, st.sampled_from(["city", "map", "pay"]), st.integers(0, 30), st.integers(3, 20))


@settings(max_examples=60, deadline=None)
@given(st.lists(rides, min_size=2, max_size=5, unique=True))
def test_in_every_order_no_two_credited_meet_and_each_refused_meets_a_credited_one(reports):
    for order in itertools.permutations(reports):
        held = credit(order)
        assert not any(decide(a, b, RULES, NEAR).claimed for a, b in itertools.combinations(held, 2))
        for refused in set(order) - set(held):
            alone = any(decide(refused, each, RULES, NEAR).claimed for each in held)
            resolution = resolve(refused, [Held(None, each) for each in held], RULES, NEAR)
            assert alone or (resolution is not None and resolution.pattern == "pieces")


def test_a_chain_is_decided_by_who_comes_first():
    first, middle, last = ride("city", 0, 16), ride("map", 7, 13, 1_600), ride("pay", 12, 14)
    assert decide(first, middle, RULES, NEAR).claimed
    assert decide(middle, last, RULES, NEAR).claimed
    assert not decide(first, last, RULES, NEAR).claimed
    for order in itertools.permutations((first, middle, last)):
        expected = {middle} if order[0] is middle else {first, last}
        assert set(credit(order)) == expected


@settings(max_examples=200, deadline=None)
@given(
    st.integers(4, 60),
    st.integers(1, 40),
    st.lists(st.sampled_from(["city", "map", "pay"]), min_size=2, max_size=3, unique=True),
    st.integers(0, 2**32),
)
def test_reports_of_one_act_earn_one_credit_in_every_order(minutes, speed, sources, seed):
    """Clocks half a minute off, times to the minute, distances 8 % off, with and without order numbers."""
    chance = random.Random(seed)
    reports = []
    for source in sources:
        start = EIGHT // 60 + chance.choice([0, 0, 1])
        end = start + minutes + chance.choice([-1, 0, 0])
        amount = round(minutes * speed * 10 * chance.uniform(0.92, 1.08))
        order = ("bikes", "7") if chance.random() < 0.8 else None
        reports.append(
            Sighting(
                source, "trip.shared_bike", 60 * start, 60 * end, tolerance_s=120, amount=amount, order=order
            )
        )
    for order in itertools.permutations(reports):
        assert len(credit(order)) == 1


def test_a_ride_that_one_platform_cut_in_two_is_known_by_both_pieces():
    pieces = [ride("map", 0, 9, 1_400), ride("map", 9, 11, 1_650)]
    held = [Held(number, piece) for number, piece in enumerate(pieces)]
    resolution = resolve(ride("pay", 0, 20, 3_000), held, RULES, NEAR)
    assert resolution is not None
    assert (set(resolution.winners), resolution.pattern) == ({0, 1}, "pieces")
    levels = {each.feature: each.level for each in resolution.decision.evidence}
    assert levels["period"] == "aligned"


def test_a_piece_is_known_by_the_whole():
    whole = [Held("whole", ride("pay", 0, 20, 3_000))]
    for piece in (ride("map", 0, 9, 1_400), ride("map", 9, 11, 1_650)):
        resolution = resolve(piece, whole, RULES, NEAR)
        assert resolution is not None
        assert resolution.winners == ("whole",)


def test_the_two_pieces_of_one_platform_are_not_each_other():
    pieces = ride("map", 0, 9, 1_400), ride("map", 9, 11, 1_650)
    for order in itertools.permutations(pieces):
        assert len(credit(order)) == 2


def test_two_rides_that_one_platform_merged_are_known_by_the_other_ones():
    rides_ = [
        ride("pay", 0, 9, 1_400, order=("bikes", "1")),
        ride("pay", 10, 11, 1_650, order=("bikes", "2")),
    ]
    merged = ride("map", 0, 21, 3_050)
    held = [Held(number, one) for number, one in enumerate(rides_)]
    resolution = resolve(merged, held, RULES, NEAR)
    assert resolution is not None
    assert set(resolution.winners) == {0, 1}
    for one in rides_:
        assert resolve(one, [Held("merged", merged)], RULES, NEAR) is not None


def test_of_two_acts_in_a_row_each_report_finds_its_own():
    acts = [
        Held("first", ride("pay", 0, 9, 1_400)),
        Held("second", ride("pay", 8, 14, 2_800)),
    ]
    for report, winner in ((ride("map", 0, 9, 1_450), "first"), (ride("map", 8, 14, 2_700), "second")):
        resolution = resolve(report, acts, RULES, NEAR)
        assert resolution is not None
        assert resolution.winners[0] == winner


def test_what_is_out_of_reach_is_not_asked():
    assert resolve(ride("pay", 0, 9), [Held("later", ride("map", 60, 9))], RULES, NEAR) is None
