import hashlib
import string
from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dedup.tokens import TokenMaker, TokenRefused, natural_key

KEY = bytes(range(32))
MAKER = TokenMaker(KEY)

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
numbers = texts.filter(lambda t: natural_key(t) != "")
subjects = st.binary(min_size=1, max_size=40)
days = st.dates(date(1992, 1, 1), date(2100, 1, 1))


def plain(*parts):
    """The encoding as the docstring tells it: each field after its length in four bytes."""
    return b"".join(len(p).to_bytes(4, "big") + p for p in parts)


def reference(person, message, key=KEY):
    return hashlib.blake2b(message, key=key, person=person, digest_size=16).digest()


@given(subjects, texts, days)
def test_interval_is_what_the_docstring_says(subject, rule, day):
    message = plain(rule.encode(), day.toordinal().to_bytes(4, "big"), subject)
    assert MAKER.interval(subject, rule, day) == reference(b"tph interval", message)


@given(texts, texts, numbers)
def test_once_is_what_the_docstring_says(rule, issuer, number):
    message = plain(rule.encode(), natural_key(issuer).encode(), natural_key(number).encode())
    assert MAKER.once(rule, issuer, number) == reference(b"tph once", message)


@given(subjects, texts, texts, numbers)
def test_calendar_and_receipt_are_what_the_docstring_says(subject, rule, issuer, text):
    message = plain(rule.encode(), natural_key(issuer).encode(), text.encode(), subject)
    assert MAKER.calendar(subject, rule, issuer, text) == reference(b"tph calendar", message)
    separate = TokenMaker(KEY, b"r" * 32).receipt(subject, text)
    assert separate == reference(b"tph receipt", plain(subject, text.encode()), b"r" * 32)


@given(st.tuples(subjects, texts, days), st.tuples(subjects, texts, days))
def test_intervals_meet_only_when_equal(one, two):
    assert (MAKER.interval(*one) == MAKER.interval(*two)) == (one == two)


@given(st.tuples(texts, texts, numbers), st.tuples(texts, texts, numbers))
def test_numbers_meet_only_when_equal_as_natural_keys(one, two):
    same = (one[0], *map(natural_key, one[1:])) == (two[0], *map(natural_key, two[1:]))
    assert (MAKER.once(*one) == MAKER.once(*two)) == same


@given(st.text("ab", min_size=4, max_size=10))
def test_moving_a_boundary_makes_another_token(text):
    cuts = [(text[:i], text[i:j], text[j:]) for i in range(len(text)) for j in range(i, len(text))]
    assert len({MAKER.once(*cut) for cut in cuts}) == len(cuts)
    subject = b"s"
    periods = {MAKER.calendar(subject, *cut) for cut in cuts}
    assert len(periods) == len(cuts)
    halves = [(text[:i].encode(), text[i:]) for i in range(len(text) + 1)]
    assert len({MAKER.receipt(*half) for half in halves}) == len(halves)


@given(texts)
def test_natural_key_is_stable(text):
    assert natural_key(natural_key(text)) == natural_key(text)


@given(
    st.text(string.ascii_letters + string.digits + "-_/", min_size=1, max_size=30),
    st.sampled_from(" \t\n\u3000\u00a0"),
)
def test_doors_that_write_wide_or_padded_meet(number, pad):
    wide = "".join(chr(ord(c) + 0xFEE0) for c in number)
    expected = MAKER.once("bike_order", "alpha", number)
    assert MAKER.once("bike_order", "alpha", pad + wide + pad) == expected
    assert MAKER.once("bike_order", f"{pad}alpha", number + pad) == expected
    if number != number.swapcase():
        assert MAKER.once("bike_order", "alpha", number.swapcase()) != expected


def test_inner_white_space_counts():
    assert MAKER.once("r", "i", "a b") != MAKER.once("r", "i", "ab")


def test_ids_of_the_protocol_are_exact():
    assert MAKER.receipt(b"s", "a") != MAKER.receipt(b"s", "a ")
    assert MAKER.receipt(b"s", "1") != MAKER.receipt(b"s", "１")
    assert MAKER.calendar(b"s", "r", "i", "2026-11") != MAKER.calendar(b"s", "r", "i", "2026-11 ")
    assert MAKER.interval(b"s", "r", date(2026, 1, 1)) != MAKER.interval(b"s", "r ", date(2026, 1, 1))


@given(st.tuples(subjects, texts, texts, numbers), st.tuples(subjects, texts, texts, numbers))
def test_calendar_tokens_meet_only_when_equal(one, two):
    same = (one[0], one[1], natural_key(one[2]), one[3]) == (two[0], two[1], natural_key(two[2]), two[3])
    assert (MAKER.calendar(*one) == MAKER.calendar(*two)) == same


def test_kinds_are_apart():
    """The same bytes under each kind give five tokens, none of them the other's."""
    message = plain(b"x", b"x", b"x")
    persons = (b"tph interval", b"tph once", b"tph calendar", b"tph receipt", b"tph body")
    assert len({reference(person, message) for person in persons}) == 5
    assert MAKER.calendar(b"x", "x", "", "x") not in {MAKER.once("x", "", "x"), MAKER.receipt(b"x", "x")}
    assert MAKER.body_mac(plain(b"s", b"e")) != MAKER.receipt(b"s", "e")


def test_receipts_outlive_a_rotation_of_the_claims_key():
    receipts = b"r" * 32
    old, new = TokenMaker(KEY, receipts), TokenMaker(b"n" * 32, receipts)
    assert old.receipt(b"s", "e") == new.receipt(b"s", "e")
    assert old.body_mac(b"{}") == new.body_mac(b"{}")
    assert old.once("r", "i", "n") != new.once("r", "i", "n")
    assert old.interval(b"s", "r", date(2026, 1, 1)) != new.interval(b"s", "r", date(2026, 1, 1))
    assert old.calendar(b"s", "r", "i", "2026") != new.calendar(b"s", "r", "i", "2026")
    assert MAKER.body_mac(b"{}") != reference(b"tph body", b"{}")  # the derived key is not the claims' key
    assert MAKER.receipt(b"s", "e") != TokenMaker(b"n" * 32).receipt(b"s", "e")


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_body_macs_meet_only_when_equal(one, two):
    assert (MAKER.body_mac(one) == MAKER.body_mac(two)) == (one == two)
    assert len(MAKER.body_mac(one)) == 16


def test_empty_fields_that_would_lump_strangers_together_are_refused():
    for call, code in [
        (lambda: MAKER.once("r", "i", " \u3000"), "natural_key_empty"),
        (lambda: MAKER.interval(b"", "r", date(2026, 1, 1)), "subject_key_empty"),
        (lambda: MAKER.calendar(b"", "r", "i", "2026-11"), "subject_key_empty"),
        (lambda: MAKER.calendar(b"s", "r", "i", ""), "period_empty"),
    ]:
        with pytest.raises(TokenRefused) as caught:
            call()
        assert caught.value.code == code


@given(st.text(min_size=5, max_size=20), st.integers(0, 20))
def test_a_lone_surrogate_is_refused_without_showing_the_text(text, at):
    broken = text[:at] + "\ud800" + text[at:]
    assume(natural_key(broken))
    for call in (
        lambda: MAKER.once("r", "i", broken),
        lambda: MAKER.once("r", broken, "n"),
        lambda: MAKER.receipt(b"s", broken),
        lambda: MAKER.interval(b"s", broken, date(2026, 1, 1)),
    ):
        with pytest.raises(TokenRefused) as caught:
            call()
        assert str(caught.value) == caught.value.code == "text_invalid"
        assert caught.value.__context__ is None


def test_weak_keys_are_refused():
    for size in (0, 31, 65):
        with pytest.raises(ValueError, match="dedup_key must have 32 to 64 bytes"):
            TokenMaker(bytes(size))
        with pytest.raises(ValueError, match="receipt_key must have 32 to 64 bytes"):
            TokenMaker(KEY, bytes(size))
