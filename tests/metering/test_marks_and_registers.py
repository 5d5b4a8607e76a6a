"""The pure part: which reading counts, what a register counted, when a quarter-hour ends."""

import datetime as dt
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metering.metering_oracle import METER, Sent, counting, of_intervals, of_registers

from accounts.metering.days import Day, State, settle
from accounts.metering.marks import Outcome, mark_of
from accounts.metering.quarters import (
    begins_at,
    boundary_of,
    closed_by,
    day_of,
    ends_at,
    first_after,
    first_of,
    last_before,
    place_of,
)
from accounts.metering.registers import Exchange, difference
from dedup.periods import LOCAL

FIRST = first_of(dt.date(2026, 3, 1))
QUARTER = dt.timedelta(minutes=15)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def test_midnight_belongs_to_the_day_before() -> None:
    midnight = closed_by(at("2026-03-02T00:00:00+08:00"))
    assert midnight is not None
    assert (day_of(midnight), place_of(midnight)) == (dt.date(2026, 3, 1), 95)
    first = closed_by(at("2026-03-02T00:15:00+08:00"))
    assert first == midnight + 1
    assert (day_of(first), place_of(first)) == (dt.date(2026, 3, 2), 0)
    assert closed_by(at("2026-03-01T16:00:00Z")) == midnight


@pytest.mark.parametrize("off", ["2026-03-02T00:07:00+08:00", "2026-03-02T00:00:01+08:00"])
def test_what_is_off_the_quarter_closes_nothing(off: str) -> None:
    assert closed_by(at(off)) is None


@given(st.integers(8_036 * 86_400, 47_482 * 86_400).map(lambda s: dt.datetime.fromtimestamp(s, LOCAL)))
def test_a_moment_lies_in_the_quarter_hours_that_hold_it(moment: dt.datetime) -> None:
    after, before = first_after(moment), last_before(moment)
    assert begins_at(after) <= moment < ends_at(after)
    assert begins_at(before) < moment <= ends_at(before)
    assert boundary_of(begins_at(after)) == after
    assert closed_by(ends_at(after)) == after


SENT = st.lists(
    st.builds(
        Sent,
        st.integers(FIRST + 90, FIRST + 100),
        st.integers(0, 5),
        st.integers(1, 3),
        st.booleans(),
    ),
    max_size=25,
    # What one revision says does not change: the second would be refused.
    unique_by=lambda each: (each.quarter, each.revision, each.estimated),
)


def days_of(*, cumulative: bool) -> list[Day]:
    return [Day(METER, FIRST // 96 + offset, cumulative=cumulative) for offset in range(3)]


def receive(days: list[Day], each: Sent) -> Outcome:
    mark = mark_of(each.revision, estimated=each.estimated)
    return days[(each.quarter - FIRST) // 96].receive(place_of(each.quarter), each.value, mark)


def known(days: list[Day]) -> dict[int, tuple[int, int]]:
    return {
        day.number * 96 + place: (amount, day.states[place])
        for day in days
        for place, amount in enumerate(day.amounts)
        if amount is not None
    }


@given(SENT, st.randoms(use_true_random=False))
def test_intervals_come_to_the_same_in_any_order(sent: list[Sent], chance: random.Random) -> None:
    order = [*sent, *sent]
    chance.shuffle(order)
    days = days_of(cumulative=False)
    for each in order:
        assert receive(days, each) is not Outcome.REFUSED
    assert known(days) == of_intervals(sent)
    totals = [day.totals for day in days]
    assert sum(amount for amount, _, _ in totals) == sum(each.value for each in counting(sent).values())
    assert sum(measured + estimated for _, measured, estimated in totals) == len(counting(sent))


REGISTERS = st.lists(
    st.tuples(st.integers(0, 280), st.integers(0, 40), st.integers(1, 3), st.booleans()),
    max_size=25,
    unique_by=lambda each: (each[0], each[2], each[3]),
)


@settings(max_examples=200)
@given(REGISTERS, st.sampled_from([None, 1_000]), st.integers(0, 999), st.randoms(use_true_random=False))
def test_registers_come_to_the_same_in_any_order(
    raw: list[tuple[int, int, int, bool]], wraps_at: int | None, start: int, chance: random.Random
) -> None:
    # A register that counts a little each quarter-hour and begins anew; revisions say the same but for the noise.
    sent = []
    for offset, noise, revision, estimated in raw:
        register = start + offset * 1 + min(noise, 0)
        sent.append(Sent(FIRST + offset, register % (wraps_at or 10**12), revision, estimated))
    order = [*sent, *sent]
    chance.shuffle(order)
    days = days_of(cumulative=True)
    for each in order:
        receive(days, each)
        settle(days, [each.quarter], (), wraps_at)
    assert known(days) == of_registers(sent, wraps_at)
    quarters = sorted(counting(sent))
    if quarters:
        # Whatever came when: all that was used is what the register counted from the first reading to the last.
        assert sum(day.totals[0] for day in days) == quarters[-1] - quarters[0]


def test_what_a_register_counted_over_a_gap_is_taken_apart_when_readings_come() -> None:
    days = days_of(cumulative=True)
    for each in (Sent(FIRST, 100), Sent(FIRST + 4, 180)):
        receive(days, each)
        settle(days, [each.quarter], (), None)
    assert known(days) == {FIRST + 4: (80, State.CLOSES_GAP)}
    for place, register, estimated in ((1, 110, False), (2, 130, True), (3, 150, False)):
        receive(days, Sent(FIRST + place, register, estimated=estimated))
    settle(days, [FIRST + 1, FIRST + 2, FIRST + 3], (), None)
    assert known(days) == {
        FIRST + 1: (10, State.MEASURED),
        FIRST + 2: (20, State.ESTIMATED),
        FIRST + 3: (20, State.ESTIMATED),
        FIRST + 4: (30, State.MEASURED),
    }
    assert receive(days, Sent(FIRST + 2, 125)) is Outcome.CORRECTED
    settle(days, [FIRST + 2], (), None)
    assert known(days)[FIRST + 2] == (15, State.MEASURED)
    assert known(days)[FIRST + 3] == (25, State.MEASURED)


@pytest.mark.parametrize(
    ("before", "after", "wraps_at", "counted"),
    [
        (100, 100, None, 0),
        (999_990, 10, 1_000_000, 20),
        (0, 999_999, 1_000_000, 999_999),
        (500, 400, None, None),
        (500_000, 400_000, 1_000_000, None),
        (1_000_000, 5, 1_000_000, None),
    ],
)
def test_a_register_begins_anew_or_was_misread(
    before: int, after: int, wraps_at: int | None, counted: int | None
) -> None:
    assert difference(before, after, wraps_at) == counted


def test_an_exchange_begins_where_the_new_register_does() -> None:
    for exchanges, expected in (
        ([Exchange(FIRST + 2, 960, 40, None)], {FIRST + 2: (50, 1), FIRST + 3: (20, 1)}),
        ([Exchange(FIRST + 2, 965, 40, None)], {FIRST + 2: (50, 1), FIRST + 3: (25, 1)}),
        ([Exchange(FIRST + 2, None, 40, None)], {FIRST + 2: (50, 1), FIRST + 3: (20, State.CLOSES_GAP)}),
    ):
        days = days_of(cumulative=True)
        for each in (Sent(FIRST + 1, 910), Sent(FIRST + 2, 960), Sent(FIRST + 3, 60)):
            receive(days, each)
        settle(days, [FIRST + 1, FIRST + 2, FIRST + 3], exchanges, 1_000)
        assert known(days) == expected


def test_a_misread_register_counts_nothing_until_it_is_corrected() -> None:
    days = days_of(cumulative=True)
    for each in (Sent(FIRST, 100), Sent(FIRST + 1, 900), Sent(FIRST + 2, 130)):
        receive(days, each)
    settle(days, [FIRST, FIRST + 1, FIRST + 2], (), None)
    assert known(days) == {FIRST + 1: (800, State.MEASURED)}
    receive(days, Sent(FIRST + 1, 115, revision=2))
    settle(days, [FIRST + 1], (), None)
    assert known(days) == {FIRST + 1: (15, State.MEASURED), FIRST + 2: (15, State.MEASURED)}


def test_which_reading_counts() -> None:
    days = days_of(cumulative=False)
    outcomes = [
        receive(days, Sent(FIRST, value, revision, estimated))
        for value, revision, estimated in (
            (5, 1, True),
            (6, 2, True),
            (6, 1, False),
            (6, 1, False),
            (7, 1, False),
            (7, 2, False),
            (6, 1, False),
            (9, 9, True),
            (7, 3, False),
            (8, 3, False),
        )
    ]
    assert outcomes == [
        Outcome.STORED,
        Outcome.CORRECTED,
        Outcome.CORRECTED,
        Outcome.KNOWN,
        Outcome.REFUSED,
        Outcome.CORRECTED,
        Outcome.SUPERSEDED,
        Outcome.SUPERSEDED,
        Outcome.KNOWN,
        Outcome.REFUSED,
    ]
