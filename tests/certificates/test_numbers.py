"""Numbers of certificates: readable, told from mistyped ones, and all over their range."""

from hypothesis import given
from hypothesis import strategies as st

from app.certificates.numbers import ALPHABET, RANDOM_BYTES, number_of, parse

DRAWN = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)


@given(year=st.integers(2020, 2099), drawn=DRAWN)
def test_a_number_reads_back_however_it_is_typed(year: int, drawn: bytes) -> None:
    number = number_of(year, drawn)
    assert parse(number) == number
    assert parse(number.lower().replace("-", " ")) == number
    assert parse("　" + number.replace("-", "").replace("1", "I").replace("0", "o")) == number
    assert not set("ILOU") & set(number[3:])


@given(drawn=DRAWN, place=st.integers(3, 18), other=st.sampled_from(ALPHABET))
def test_one_wrong_character_is_found(drawn: bytes, place: int, other: str) -> None:
    plain = number_of(2026, drawn).replace("-", "")
    if other != plain[place]:
        assert parse(plain[:place] + other + plain[place + 1 :]) is None


@given(drawn=DRAWN, place=st.integers(5, 15))
def test_two_swapped_characters_are_found(drawn: bytes, place: int) -> None:
    plain = number_of(2026, drawn).replace("-", "")
    swapped = plain[:place] + plain[place + 1] + plain[place] + plain[place + 2 :]
    if swapped != plain:
        assert parse(swapped) is None


@given(text=st.text(max_size=80))
def test_any_text_is_a_number_or_none(text: str) -> None:
    found = parse(text)
    assert found is None or parse(found) == found


def test_all_sixty_bits_count() -> None:
    ones, zeros = number_of(2026, b"\xff" * 8), number_of(2026, bytes(8))
    assert ones[6:20] == "ZZZZ-ZZZZ-ZZZZ"
    assert zeros[6:20] == "0000-0000-0000"
    assert len({number_of(2026, (1 << place).to_bytes(8, "big")) for place in range(4, 64)}) == 60
