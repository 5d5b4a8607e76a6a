"""Serials of this deployment say what they stand for, and a wrong character shows."""

import dataclasses
import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.units.ranges import UnitRange
from accounts.units.serials import Origin, OriginKind, check_characters, format_serial, parse_serial

CODES = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=80)
RANGES = st.tuples(st.integers(1, 10**18), st.integers(1, 10**12)).map(lambda p: UnitRange(p[0], p[0] + p[1]))


def an_origin(methodology: str, region: int = 440300, vintage: int = 2026) -> Origin:
    return Origin(
        uuid.UUID(int=1),
        OriginKind.ISSUANCE,
        uuid.UUID(int=2),
        str(region),
        methodology,
        vintage,
        "phcer",
    )


@given(CODES, st.integers(100000, 999999), st.integers(1900, 3000), RANGES)
def test_a_serial_is_read_as_it_was_printed(code: str, region: int, vintage: int, units: UnitRange) -> None:
    origin = an_origin(code, region, vintage)
    said = parse_serial(format_serial(origin, units))
    assert (said.region, said.methodology, said.vintage, said.units) == (
        str(region),
        code,
        vintage,
        units,
    )


@given(CODES, RANGES, st.data())
def test_a_wrong_or_swapped_character_shows(code: str, units: UnitRange, data: st.DataObject) -> None:
    text = format_serial(an_origin(code), units)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(string.ascii_uppercase + string.digits))
    for wrong in (
        text[:place] + other + text[place + 1 :],
        text[:place] + text[place + 1 : place + 2] + text[place] + text[place + 2 :],
    ):
        # Case and signs between letters carry no number: a code's own spelling may differ there unseen.
        if [c for c in wrong.upper() if c.isalnum()] != [c for c in text.upper() if c.isalnum()]:
            with pytest.raises(ValueError, match="serial"):
                parse_serial(wrong)


def test_check_characters_are_those_of_the_standard() -> None:
    # ISO/IEC 7064:2003, MOD 1271-36: the example of the standard, ISO79 -> 3W.
    assert check_characters("ISO79") == "3W"


@pytest.mark.parametrize("change", [{"methodology": "方法学"}, {"region": "44"}, {"vintage": 99}])
def test_what_does_not_fit_is_no_serial(change: dict[str, object]) -> None:
    origin = dataclasses.replace(an_origin("A"), **change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="does not fit"):
        format_serial(origin, UnitRange(1, 2))
