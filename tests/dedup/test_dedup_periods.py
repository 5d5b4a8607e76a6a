from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dedup.periods import PeriodRefused, by_local_day, day_of, month_of, overlap_s, trimmed

FROM = int(datetime(1992, 1, 1, tzinfo=UTC).timestamp())
UNTIL = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
DAY = 86_400

instants = st.integers(FROM, UNTIL)
lengths = st.one_of(st.integers(1, 1000), st.integers(1, 3 * DAY))


@st.composite
def periods(draw):
    start = draw(instants)
    return start, start + draw(lengths)


@st.composite
def near_midnight(draw):
    midnight = draw(st.integers(FROM // DAY + 1, UNTIL // DAY)) * DAY - 8 * 3600
    start = midnight + draw(st.integers(-3, 3))
    return start, start + draw(st.one_of(st.integers(1, 5), st.sampled_from([DAY - 1, DAY, DAY + 1])))


@given(periods())
def test_trimming_stays_inside_and_leaves_three_quarters(period):
    start, end = trimmed(*period)
    assert period[0] <= start < end <= period[1]
    assert start - period[0] == period[1] - end <= 60  # both ends alike
    assert 4 * (end - start) >= 3 * (period[1] - period[0])


@given(periods())
def test_trimming_takes_all_that_it_may(period):
    """One second more at each end would break the minute or the quarter."""
    cut = trimmed(*period)[0] - period[0] + 1
    assert cut > 60 or 4 * 2 * cut > period[1] - period[0]


@given(periods(), instants)
def test_trimming_does_not_depend_on_the_clock(period, shift):
    start, end = trimmed(*period)
    assert trimmed(period[0] + shift, period[1] + shift) == (start + shift, end + shift)


@pytest.mark.parametrize(
    ("length", "cut"), [(1, 0), (7, 0), (8, 1), (15, 1), (300, 37), (479, 59), (480, 60), (7200, 60)]
)
def test_trim_by_hand(length, cut):
    assert trimmed(FROM, FROM + length) == (FROM + cut, FROM + length - cut)


@given(instants, st.integers(480, 7200), st.integers(480, 7200), st.integers(0, 120))
def test_acts_in_a_row_do_not_meet(start, first, second, skew):
    """A bus that arrives at 08:30, a metro entered at 08:29."""
    bus = trimmed(start, start + first)
    metro = trimmed(start + first - skew, start + first - skew + second)
    assert overlap_s(bus, metro) == 0


@given(instants, st.integers(1, 7200), st.integers(0, 7200))
def test_reports_that_share_more_than_half_still_meet(start, length, skew):
    assume(2 * skew < length)
    one, two = trimmed(start, start + length), trimmed(start + skew, start + skew + length)
    assert overlap_s(one, two) > 0


@pytest.mark.parametrize("length", [0, -1, -DAY])
def test_an_act_without_a_second_is_refused(length):
    for call in (trimmed, by_local_day):
        with pytest.raises(PeriodRefused) as caught:
            call(FROM, FROM + length)
        assert caught.value.code == "period_empty"


@given(st.one_of(periods(), near_midnight()))
def test_pieces_tile_the_period(period):
    start, end = trimmed(*period)
    pieces = by_local_day(start, end)
    assert pieces[0][1] == start
    assert pieces[-1][2] == end
    for (_, _, left_end), (_, right_start, _) in pairwise(pieces):
        assert left_end == right_start
    assert all(piece_start < piece_end for _, piece_start, piece_end in pieces)
    assert sum(piece_end - piece_start for _, piece_start, piece_end in pieces) == end - start


@given(st.one_of(periods(), near_midnight()))
def test_each_piece_lies_in_its_day_and_each_day_comes_once(period):
    pieces = by_local_day(*period)
    assert len({day for day, _, _ in pieces}) == len(pieces)
    for day, start, end in pieces:
        assert day_of(start) == day == day_of(end - 1)


@given(periods(), st.integers(-2 * DAY, 2 * DAY), lengths)
def test_splitting_neither_hides_nor_invents_an_overlap(one, offset, length):
    """Claims of one day meet if and only if the acts do, second for second."""
    two = (one[0] + offset, one[0] + offset + length)
    shared = sum(
        overlap_s(left[1:], right[1:])
        for left in by_local_day(*one)
        for right in by_local_day(*two)
        if left[0] == right[0]
    )
    assert shared == overlap_s(one, two)


@given(periods(), st.integers(-300, 300), lengths)
def test_overlap_is_symmetric_and_counts_seconds(one, offset, length):
    two = (one[0] + offset, one[0] + offset + length)
    assert overlap_s(one, two) == overlap_s(two, one)
    assert overlap_s(one, two) == len(range(max(one[0], two[0]), min(one[1], two[1])))
    assert overlap_s(one, one) == one[1] - one[0]
    assert overlap_s(one, (one[1], one[1] + length)) == 0  # half-open: touching is not sharing


@given(instants)
def test_days_and_months_are_those_of_shanghai(instant):
    try:
        local = datetime.fromtimestamp(instant, ZoneInfo("Asia/Shanghai"))
    except ZoneInfoNotFoundError:
        pytest.skip("this machine has no time zone data")
    assert day_of(instant) == local.date()
    assert month_of(instant) == f"{local.year:04}-{local.month:02}"


def test_midnight_by_hand():
    midnight = int(datetime(2026, 10, 31, 16, tzinfo=UTC).timestamp())  # 2026-11-01 00:00 in Shanghai
    assert (day_of(midnight - 1), day_of(midnight)) == (date(2026, 10, 31), date(2026, 11, 1))
    assert (month_of(midnight - 1), month_of(midnight)) == ("2026-10", "2026-11")
    assert by_local_day(midnight - 1, midnight) == [(date(2026, 10, 31), midnight - 1, midnight)]
    assert by_local_day(midnight, midnight + DAY) == [(date(2026, 11, 1), midnight, midnight + DAY)]
    assert by_local_day(midnight - 5, midnight + 7) == [
        (date(2026, 10, 31), midnight - 5, midnight),
        (date(2026, 11, 1), midnight, midnight + 7),
    ]
