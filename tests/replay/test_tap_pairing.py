"""Taps of one card become pairs: each tap once, no two pairs at a time, whatever the order of the rows."""

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from app.replay.readers.szt import MAX_STAY_S, Kind, Tap, pair

# Few moments and gates, so that repeated taps and taps of one second are common.
PLACES = st.tuples(
    st.integers(0, 12).map(lambda step: step * 1800), st.sampled_from(Kind), st.sampled_from(("1", "2"))
)
TAPS = st.lists(PLACES, max_size=14).map(
    lambda places: [
        Tap(at, kind, gate, f"station {gate}", line) for line, (at, kind, gate) in enumerate(places)
    ]
)


def told(taps: list[Tap]) -> tuple[list[tuple[Tap, Tap]], list[tuple[Tap, str]]]:
    pairs: list[tuple[Tap, Tap]] = []
    left: list[tuple[Tap, str]] = []
    for first, second in pair(taps):
        if isinstance(second, str):
            left.append((first, second))
        else:
            pairs.append((first, second))
    return pairs, left


@given(TAPS)
def test_every_tap_comes_out_once_and_pairs_do_not_overlap(taps: list[Tap]) -> None:
    pairs, left = told(taps)
    assert sorted([*itertools.chain(*pairs), *(tap for tap, _ in left)]) == sorted(taps)
    for entry, leave in pairs:
        assert (entry.kind, leave.kind) == (Kind.ENTRY, Kind.EXIT)
        assert 0 < leave.at - entry.at <= MAX_STAY_S
    for one, other in itertools.pairwise(sorted(pairs)):
        assert one[1].at <= other[0].at


@given(TAPS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(taps: list[Tap], chance: random.Random) -> None:
    shuffled = list(taps)
    chance.shuffle(shuffled)
    renumbered = [Tap(*tap.place, line) for line, tap in enumerate(shuffled)]
    pairs, left = told(taps)
    other_pairs, other_left = told(renumbered)
    assert [(one.place, two.place) for one, two in pairs] == [
        (one.place, two.place) for one, two in other_pairs
    ]
    assert sorted((tap.place, why) for tap, why in left) == sorted(
        (tap.place, why) for tap, why in other_left
    )


@given(TAPS)
def test_a_trip_has_no_tap_in_its_middle(taps: list[Tap]) -> None:
    pairs, _ = told(taps)
    for entry, leave in pairs:
        assert not [tap for tap in taps if entry.at < tap.at < leave.at]


def test_what_is_left_over() -> None:
    taps = [
        Tap(0, Kind.EXIT, "1", "a", 1),
        Tap(60, Kind.ENTRY, "1", "a", 2),
        Tap(120, Kind.ENTRY, "1", "a", 3),
        Tap(120, Kind.ENTRY, "1", "a", 4),
        Tap(300, Kind.EXIT, "2", "b", 5),
        Tap(300, Kind.ENTRY, "2", "b", 6),
        Tap(600, Kind.EXIT, "1", "a", 7),
        Tap(700, Kind.ENTRY, "1", "a", 8),
        Tap(700, Kind.EXIT, "1", "a", 9),
        Tap(800, Kind.ENTRY, "1", "a", 10),
        Tap(800 + MAX_STAY_S + 1, Kind.EXIT, "1", "a", 11),
    ]
    pairs, left = told(taps)
    assert [(entry.line, leave.line) for entry, leave in pairs] == [(3, 5), (6, 7)]
    assert {tap.line: why for tap, why in left} == {
        1: "orphan_out",
        2: "orphan_in",
        4: "repeated_tap",
        8: "out_of_order",
        9: "out_of_order",
        10: "orphan_in",
        11: "orphan_out",
    }
