"""From an identifier to the private input of the OPRF, and from its output to the person key.

The very rules of the service: the same person gets the same key at both. The service's tests compare the two.
"""

import hashlib
import re
from datetime import date
from typing import Final

from tanpuhui_platform.errors import IdentifierRefused

PERSON_KEY_BYTES: Final = 32
"""Length of a person key, bytes."""
MAX_VALUE_CHARS: Final = 128
"""Longest identifier and longest scope that is accepted, characters."""

_LENGTH_BYTES: Final = 4
_KEY_DOMAIN: Final = b"tanpuhui person key from OPRF output"
_GLOBAL_SCHEMES: Final = frozenset(("phone", "id_no", "uscc"))
_SCHEME: Final = re.compile(r"[a-z_]{1,32}")
_MOBILE_SECOND: Final = frozenset("3456789")
_MOBILE_DIGITS: Final = 11
_PHONE: Final = re.compile(r"(?:\+86|0086|86)?(1[3-9][0-9]{9})")
# Full-width forms only: NFKC would also make digits of superscripts and circled numbers.
_HALF_WIDTH: Final = {0x3000: " ", 0xA0: " ", **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}}
_SEPARATORS: Final = re.compile("[ \t\\-\u2010-\u2015\u2212]+")  # spaces and dashes
_ID_NO: Final = re.compile(r"[1-9][0-9]{5}((?:18|19|20)[0-9]{2})([0-9]{2})([0-9]{2})[0-9]{3}[0-9X]")
_ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # 2**(18-i) mod 11, GB 11643-1999
_ID_CHECKS: Final = "10X98765432"
_USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015, without I O S V Z
_USCC: Final = re.compile(rf"[1-9A-HJ-NP-RTUWXY][{_USCC_ALPHABET}][0-9]{{6}}[{_USCC_ALPHABET}]{{10}}")
_USCC_RANK: Final = {char: rank for rank, char in enumerate(_USCC_ALPHABET)}
_USCC_WEIGHTS: Final = tuple(pow(3, i, 31) for i in range(17))


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(_LENGTH_BYTES, "big") + part


def _compact(value: str, code: str) -> str:
    """Return the value in half-width upper case without spaces and dashes; a bounded amount of work."""
    if len(value) > MAX_VALUE_CHARS:
        raise IdentifierRefused(code)
    if not value.isascii():
        value = value.translate(_HALF_WIDTH)
    return _SEPARATORS.sub("", value.strip()).upper()


def _phone(value: str) -> str:
    match = _PHONE.fullmatch(_compact(value, "phone_invalid"))
    if match is None:
        raise IdentifierRefused("phone_invalid")
    return "+86" + match[1]


def _is_date(year: int, month: int, day: int) -> bool:
    # Apart from its caller: the library's error may tell the date and must not become a context.
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _id_no(value: str) -> str:
    text = _compact(value, "id_no_invalid")
    match = _ID_NO.fullmatch(text)
    if match is None:
        raise IdentifierRefused("id_no_invalid")
    if not _is_date(int(match[1]), int(match[2]), int(match[3])):
        raise IdentifierRefused("id_no_invalid")
    total = sum(int(digit) * weight for digit, weight in zip(text, _ID_WEIGHTS, strict=False))
    if _ID_CHECKS[total % 11] != text[17]:
        raise IdentifierRefused("id_no_check")
    return text


def _uscc(value: str) -> str:
    text = _compact(value, "uscc_invalid")
    if _USCC.fullmatch(text) is None:
        raise IdentifierRefused("uscc_invalid")
    total = sum(_USCC_RANK[char] * weight for char, weight in zip(text, _USCC_WEIGHTS, strict=False))
    if (total + _USCC_RANK[text[17]]) % 31:
        raise IdentifierRefused("uscc_check")
    return text


def _opaque(value: str) -> str:
    text = value.strip()
    if not 0 < len(text) <= MAX_VALUE_CHARS or not text.isprintable():
        raise IdentifierRefused("value_invalid")
    return text


def normalise(scheme: str, value: str) -> str:
    """Return the one form of an identifier that every door hashes.

    - ``phone``: mainland mobile number, ``+86`` and 11 digits (E.164); takes ``+86``, ``0086``, ``86`` or
      no prefix, spaces, dashes, full-width characters.
    - ``id_no``: 18-digit resident identity number with a real birth date and check digit (GB 11643-1999),
      ``X`` in upper case.
    - ``uscc``: unified social credit code with check character (GB 32100-2015), upper case.
    - ``source_user`` and any other scheme ``[a-z_]{1,32}``: opaque, 1 to 128 printable characters,
      trimmed and otherwise untouched (case and width may tell two accounts apart).

    Raises ``IdentifierRefused``: scheme_invalid, phone_invalid, id_no_invalid, id_no_check, uscc_invalid,
    uscc_check, value_invalid.
    """
    if scheme == "phone":
        return _phone(value)
    if scheme == "id_no":
        return _id_no(value)
    if scheme == "uscc":
        return _uscc(value)
    if _SCHEME.fullmatch(scheme) is None:
        raise IdentifierRefused("scheme_invalid")
    return _opaque(value)


def _check_scope(scheme: str, scope: str) -> None:
    if scheme in _GLOBAL_SCHEMES:
        if scope:
            raise IdentifierRefused("scope_unexpected")
    elif scheme == "source_user" and not scope:
        raise IdentifierRefused("scope_missing")
    elif len(scope) > MAX_VALUE_CHARS or not scope.isprintable():
        raise IdentifierRefused("scope_invalid")


def identity_input(scheme: str, value: str, scope: str = "") -> bytes:
    """Return the unambiguous bytes of an identifier: scheme, scope, normalised value, each length-prefixed.

    This is what is blinded. ``scope`` is the source
    of a ``source_user``; an identifier that is the same everywhere (phone, id_no, uscc) has none, or
    two doors would make two persons of one. Raises ``IdentifierRefused`` as ``normalise`` does, and
    scope_missing, scope_unexpected, scope_invalid.
    """
    text = normalise(scheme, value)
    _check_scope(scheme, scope)
    return _framed(scheme.encode()) + _framed(scope.encode()) + _framed(text.encode())


def person_key_from_output(output: bytes) -> bytes:
    """Return the person key (32 bytes) of a 64-byte OPRF output: SHA-512(domain, output) cut in half."""
    return hashlib.sha512(_framed(_KEY_DOMAIN) + _framed(output)).digest()[:PERSON_KEY_BYTES]
