import re
from datetime import date, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dedup import oprf
from dedup.person_key import (
    IdentifierRefused,
    IdentityHasher,
    PersonKeys,
    identity_input,
    normalise,
    person_key_from_output,
)

SEED = bytes(range(32))
HASHER = IdentityHasher(SEED)
KEYS = PersonKeys(SEED)
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
WIDE = str.maketrans("0123456789+- ", "０１２３４５６７８９＋－　")

mobiles = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)
gaps = st.sampled_from(["", " ", "-", "  ", " - ", "\u2010", "\u3000", "\u00a0"])
prefixes = st.sampled_from(["", "86", "+86", "0086"])
opaque = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=128)
schemes = st.from_regex(r"[a-z_]{1,32}", fullmatch=True).filter(
    lambda s: s not in {"phone", "id_no", "uscc", "source_user"}
)


def check_of_id(body):
    """Check character by ISO 7064 MOD 11-2, computed by its recursion, not by the weights of the code."""
    rest = 0
    for digit in body:
        rest = (rest + int(digit)) * 2 % 11
    return "0123456789X"[(12 - rest) % 11]


@st.composite
def id_numbers(draw):
    born = date(1900, 1, 1) + timedelta(days=draw(st.integers(0, 45_000)))
    body = f"{draw(st.integers(110_000, 829_999))}{born:%Y%m%d}{draw(st.integers(0, 999)):03}"
    return body + check_of_id(body)


@st.composite
def credit_codes(draw):
    """A code whose check character was found by trial: exactly one of 31 closes the sum (Horner form)."""
    body = draw(st.sampled_from("159AY")) + draw(st.sampled_from("12359"))
    body += f"{draw(st.integers(110_000, 829_999))}"
    body += draw(st.text(USCC_ALPHABET, min_size=9, max_size=9))
    total = 0
    for char in reversed(body):
        total = (total * 3 + USCC_ALPHABET.index(char)) % 31
    (check,) = [c for c in USCC_ALPHABET if (total + USCC_ALPHABET.index(c)) % 31 == 0]
    return body + check


def refusal(scheme, value):
    with pytest.raises(IdentifierRefused) as caught:
        normalise(scheme, value)
    return caught.value.code


@given(mobiles, prefixes, st.lists(gaps, min_size=3, max_size=3), st.booleans())
def test_every_way_to_write_a_phone_is_one_phone(mobile, prefix, gap, wide):
    written = f" {prefix}{gap[0]}{mobile[:3]}{gap[1]}{mobile[3:7]}{gap[2]}{mobile[7:]}\n"
    if wide:
        written = written.translate(WIDE)
    assert normalise("phone", written) == "+86" + mobile
    assert HASHER.token("phone", written) == HASHER.token("phone", mobile)


@given(mobiles)
def test_fast_path_is_the_slow_path(mobile):
    slow = IdentityHasher(SEED)._state.copy()
    slow.update(identity_input("phone", mobile))
    assert HASHER.token("phone", mobile) == slow.digest()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "1380013800",
        "138001380000",
        "12800138000",
        "10000000000",
        "23800138000",
        "1380013800a",
        "+85213800138",
        "+1 13800138000",
        "++8613800138000",
        "86+13800138000",
        "13800138000,13900139000",
        "1380013\x008000",
        "138001380٠٠",
        "1" * 5000,
        "1380013800²",
    ],
)
def test_rubbish_is_no_phone(value):
    assert refusal("phone", value) == "phone_invalid"
    with pytest.raises(IdentifierRefused):
        HASHER.token("phone", value)


@given(id_numbers(), st.booleans())
def test_id_numbers(number, spaced):
    written = f"{number[:6]} {number[6:14]}-{number[14:]}" if spaced else number
    assert normalise("id_no", written.lower()) == number


@given(id_numbers(), st.integers(0, 17), st.sampled_from("0123456789X"))
def test_one_changed_character_spoils_an_id_number(number, at, char):
    assume(number[at] != char)
    wrong = number[:at] + char + number[at + 1 :]
    assert refusal("id_no", wrong) in ({"id_no_check"} if at == 17 else {"id_no_check", "id_no_invalid"})


@given(id_numbers(), st.integers(0, 16))
def test_two_swapped_characters_spoil_an_id_number(number, at):
    assume(number[at] != number[at + 1])
    wrong = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
    refusal("id_no", wrong)


@pytest.mark.parametrize("number", ["11010519491231002X", "440524188001010014"])  # GB 11643-1999, examples
def test_id_numbers_of_the_standard(number):
    assert normalise("id_no", number) == number


@pytest.mark.parametrize("born", ["19990230", "19991301", "19990001", "17001231", "21001231"])
def test_an_id_number_needs_a_birth_date(born):
    body = f"110105{born}002"
    assert refusal("id_no", body + check_of_id(body)) == "id_no_invalid"


@pytest.mark.parametrize("value", ["", "110105491231002", "0" * 18, "11010519491231002XX", "一" * 18])
def test_rubbish_is_no_id_number(value):
    assert refusal("id_no", value) == "id_no_invalid"


@given(credit_codes())
def test_credit_codes(code):
    assert normalise("uscc", f" {code.lower()} ") == code


@given(credit_codes(), st.integers(0, 17), st.sampled_from(USCC_ALPHABET))
def test_one_changed_character_spoils_a_credit_code(code, at, char):
    assume(code[at] != char)
    wrong = code[:at] + char + code[at + 1 :]
    assert refusal("uscc", wrong) in ({"uscc_check"} if at == 17 else {"uscc_check", "uscc_invalid"})


@pytest.mark.parametrize("code", ["9144030071526726XG", "914403001922038216", "91330100799655058B"])
def test_real_credit_codes(code):
    """Public codes of three listed or well-known companies, from the national enterprise register."""
    assert normalise("uscc", code) == code


@pytest.mark.parametrize(
    "value", ["", "0" * 18, "9144030071526726X", "9144030071526726XI", "9144O30071526726XG"]
)
def test_rubbish_is_no_credit_code(value):
    assert refusal("uscc", value) == "uscc_invalid"


@given(st.one_of(st.just("source_user"), schemes), opaque)
def test_opaque_identifiers_are_kept_as_they_are(scheme, value):
    assert normalise(scheme, f" {value}\n") == value


@pytest.mark.parametrize(
    "value", ["", "  ", "x" * 129, "a\x00b", "a\nb", "a\x7fb", "a\u200eb", "a\ud800b", "\u2028"]
)
def test_rubbish_is_no_opaque_identifier(value):
    if value.strip():
        assert refusal("openid", value) == "value_invalid"
    assert refusal("source_user", value) == "value_invalid"


@pytest.mark.parametrize("scheme", ["", "Phone", "phone ", "a" * 33, "a-b", "a1", "phone\n", "电话"])
def test_unknown_schemes_are_refused(scheme):
    assert refusal(scheme, "13800138000") == "scheme_invalid"
    with pytest.raises(IdentifierRefused, match="scheme_invalid"):
        HASHER.token(scheme, "13800138000")


@given(
    st.sampled_from(["phone", "id_no", "uscc", "source_user", "Bad Scheme"]),
    st.text(max_size=150).map(lambda text: f"§{text}\x00§"),
)
def test_a_refusal_never_shows_the_value(scheme, value):
    with pytest.raises(IdentifierRefused) as caught:
        normalise(scheme, value)
    error = caught.value
    assert str(error) == error.code
    assert re.fullmatch("[a-z_]+", error.code)
    assert vars(error) == {"code": error.code}
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_date_that_is_none_leaves_no_trace():
    body = "11010519990230002"
    with pytest.raises(IdentifierRefused) as caught:
        normalise("id_no", body + check_of_id(body))
    assert caught.value.__context__ is None


fields = st.tuples(schemes, opaque, st.one_of(st.just(""), opaque))


@given(fields, fields)
def test_different_identifiers_never_meet(one, two):
    assume(one != two)
    assert identity_input(*one) != identity_input(*two)
    assert HASHER.token(*one) != HASHER.token(*two)


@given(schemes, st.text("ab", min_size=3, max_size=8), st.integers(1, 7))
def test_moving_a_boundary_makes_another_identifier(scheme, text, at):
    at = min(at, len(text) - 1)
    assume(at >= 1)
    moved = {HASHER.token(scheme, text[n:], text[:n]) for n in range(len(text))}
    assert len(moved) == len(text)


def test_scopes():
    one = HASHER.token("source_user", "u1", "metro")
    assert one != HASHER.token("source_user", "u1", "bike")
    assert HASHER.token("openid", "u1") != HASHER.token("openid", "u1", "app")
    for door in (HASHER.token, KEYS.person_key):
        with pytest.raises(IdentifierRefused, match="scope_missing"):
            door("source_user", "u1")
        with pytest.raises(IdentifierRefused, match="scope_unexpected"):
            door("phone", "13800138000", "metro")
        with pytest.raises(IdentifierRefused, match="scope_invalid"):
            door("openid", "u1", "a\nb")


def test_keys_and_schemes_separate():
    other = IdentityHasher(bytes(32))
    assert len(HASHER.token("phone", "13800138000")) == 16
    assert other.token("phone", "13800138000") != HASHER.token("phone", "13800138000")
    assert HASHER.token("wechat", "13800138000") != HASHER.token("phone", "13800138000")
    assert len(KEYS.person_key("phone", "13800138000")) == 32
    assert PersonKeys(bytes(32)).person_key("phone", "13800138000") != KEYS.person_key("phone", "13800138000")
    assert KEYS.person_key("wechat", "13800138000") != KEYS.person_key("phone", "13800138000")
    for size in (0, 31, 65):
        with pytest.raises(ValueError, match="identity_key must have 32 to 64 bytes"):
            IdentityHasher(bytes(size))
    with pytest.raises(oprf.OprfError, match="key_invalid"):
        PersonKeys(bytes(31))


@settings(max_examples=25, deadline=None)
@given(st.lists(mobiles, min_size=1, max_size=4), prefixes)
def test_a_platform_gets_blindly_the_key_that_the_service_computes(numbers, prefix):
    values = [identity_input("phone", number) for number in numbers]
    sent = [oprf.blind(value, oprf.Mode.VOPRF) for value in values]
    evaluated, proof = KEYS.evaluate_blinded([item.element for item in sent])
    outputs = oprf.finalize_verified(values, sent, evaluated, proof, KEYS.public_key)
    assert [person_key_from_output(output) for output in outputs] == [
        KEYS.person_key("phone", prefix + number) for number in numbers
    ]


def test_a_person_key_is_no_part_of_the_oprf_output():
    output = bytes(range(64))
    key = person_key_from_output(output)
    assert key not in output
    assert key != person_key_from_output(output[::-1])
