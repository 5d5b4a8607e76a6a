"""What two deployments tell each other: read as written, refused otherwise, and decided alike on both sides."""

import datetime
import uuid
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.exchange import (
    Exchanged,
    Kind,
    Precedence,
    RowRefused,
    fields_of,
    is_double,
    lines_of,
    own_keeps,
    read_line,
    read_row,
)
from dedup.periods import day_of

NOON_S = 1_763_265_600  # 2025-11-16 12:00 in Shanghai
DIGEST = uuid.UUID(int=5)


def row(**over: Any) -> Exchanged:
    made = Exchanged(
        day=day_of(NOON_S),
        digest=DIGEST,
        kind=Kind.TIME,
        reference=uuid.uuid4(),
        scene="trip.metro",
        start_s=NOON_S,
        end_s=NOON_S + 1500,
        arrived_ms=NOON_S * 1000 + 3_600_000,
        released_ms=None,
        home=True,
        amount=10_000,
    )
    return replace(made, **over)


@st.composite
def rows(draw: st.DrawFn, kind: Kind | None = None) -> Exchanged:
    start_s = NOON_S + draw(st.integers(-3600, 3600))
    return row(
        kind=kind or draw(st.sampled_from(Kind)),
        reference=draw(st.uuids()),
        scene=draw(st.sampled_from(["trip.metro", "trip.bus", "trip.shared_bike", "charging.ev", "green.x"])),
        start_s=start_s,
        end_s=start_s + draw(st.integers(0, 4000)),
        arrived_ms=NOON_S * 1000 + draw(st.integers(0, 3)),
        released_ms=draw(st.none() | st.integers(0, 1 << 42)),
        home=draw(st.booleans()),
        amount=draw(st.none() | st.integers(0, 1 << 40)),
    )


@given(st.lists(rows(), max_size=5))
def test_lines_are_read_as_they_were_written(given_rows: list[Exchanged]) -> None:
    assert [read_line(line) for line in lines_of(given_rows).splitlines()] == given_rows


@given(rows(Kind.TIME), rows(Kind.TIME))
def test_both_sides_decide_alike(one: Exchanged, other: Exchanged) -> None:
    assert is_double(one, other) == is_double(other, one)


@given(rows(), rows(), st.sampled_from(Precedence))
def test_exactly_one_side_keeps_an_act(one: Exchanged, other: Exchanged, precedence: Precedence) -> None:
    if one.reference != other.reference:
        assert own_keeps(one, other, precedence) != own_keeps(other, one, precedence)


def test_what_is_one_act_and_what_is_two() -> None:
    own = row()
    assert is_double(own, row(start_s=NOON_S + 90, end_s=NOON_S + 1560, amount=10_300))
    assert not is_double(own, row(start_s=NOON_S + 1470, end_s=NOON_S + 3000, amount=9_000))
    assert not is_double(own, row(digest=uuid.UUID(int=6)))
    assert not is_double(own, row(released_ms=1))
    assert not is_double(row(released_ms=1), own)
    assert not is_double(own, row(kind=Kind.WHOLE))
    whole = row(kind=Kind.WHOLE, start_s=NOON_S - 9000, end_s=NOON_S - 9000)
    assert is_double(row(kind=Kind.WHOLE), whole)
    # A pile is one car's at a time: any part that both claim, whatever the decision on one act would say.
    pile = row(kind=Kind.USE, scene="charging.ev")
    assert is_double(pile, row(kind=Kind.USE, scene="charging.ev", start_s=NOON_S + 900, end_s=NOON_S + 9000))
    assert not is_double(pile, row(kind=Kind.USE, start_s=NOON_S + 1500, end_s=NOON_S + 9000))
    assert not is_double(row(kind=Kind.USE, end_s=NOON_S), pile)


def test_who_keeps_it() -> None:
    early, late = row(arrived_ms=NOON_S * 1000, home=False), row(arrived_ms=NOON_S * 1000 + 1)
    assert own_keeps(early, late, Precedence.ARRIVAL)
    assert not own_keeps(early, late, Precedence.HOME)
    assert own_keeps(early, replace(late, home=False), Precedence.HOME)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, "2025-13-01"),
        (0, "2025-11-17"),
        (0, 7),
        (1, "AAAA"),
        (1, "AAAAAAAAAAAAAAAAAAAAAB"),
        (1, None),
        (2, 4),
        (2, True),
        (2, "1"),
        (3, "x" * 22),
        (4, ""),
        (4, "x" * 65),
        (4, "行程"),
        (4, 3),
        (5, 1 << 40),
        (5, -1),
        (5, 1.5),
        (6, NOON_S - 1),
        (7, "now"),
        (8, -1),
        (9, 2),
        (9, None),
        (10, 1 << 60),
        (10, "1"),
    ],
)
def test_what_is_no_row_is_refused(place: int, value: object) -> None:
    fields = fields_of(row())
    assert read_row(fields) == read_line(orjson.dumps(fields))
    fields[place] = value
    with pytest.raises(RowRefused) as refused:
        read_row(fields)
    assert str(refused.value) == "row_invalid"


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.integers(-(1 << 60), 1 << 60) | st.text(), st.lists).map(orjson.dumps)
)
def test_nothing_else_ever_escapes(line: bytes) -> None:
    with pytest.raises(RowRefused):
        read_line(line)


def test_a_calendar_claim_is_filed_under_its_first_day() -> None:
    month = row(kind=Kind.WHOLE, day=datetime.date(2025, 11, 1))
    assert read_row(fields_of(month)) == month
    with pytest.raises(RowRefused):
        read_row(fields_of(row(day=datetime.date(2025, 11, 1))))
