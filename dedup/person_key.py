"""Person keys and the cheap identity hash of intake (design section 5).

The *person key* is one pseudonym of 32 bytes for each person or organisation, an OPRF of a verified
identifier, computed once at onboarding and kept with the holder; a platform with its own accounts gets
the same key blindly. The *identity token* (16 bytes) only finds the holder of an identifier at intake.
Identifiers are dropped after use: no error here holds a value, and nothing is stored.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import date
from typing import Final, Literal

from dedup.oprf import (
    KeyPair,
    Mode,
    blind_evaluate_all,
    blind_evaluate_batch,
    derive_key_pair,
    evaluate,
)
from dedup.tokens import checked_key, framed, keyed

PERSON_KEY_BYTES: Final = 32
"""Length of a person key, bytes."""
MAX_VALUE_CHARS: Final = 128
"""Longest identifier and longest scope that is accepted, characters."""

IdentifierCode = Literal[
    "id_no_check",
    "id_no_invalid",
    "phone_invalid",
    "scheme_invalid",
    "scope_invalid",
    "scope_missing",
    "scope_unexpected",
    "uscc_check",
    "uscc_invalid",
    "value_invalid",
]

_KEY_INFO: Final = b"tanpuhui person key"
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


class IdentifierRefused(ValueError):
    """An identifier that cannot be used; ``code`` is stable, neither text nor cause holds the value."""

    def __init__(self, code: IdentifierCode) -> None:
        super().__init__(code)
        self.code: IdentifierCode = code


def _compact(value: str, code: IdentifierCode) -> str:
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

    This is the private input that a platform blinds (``oprf.blind`` in mode VOPRF). ``scope`` is the source
    of a ``source_user``; an identifier that is the same everywhere (phone, id_no, uscc) has none, or
    two doors would make two persons of one. Raises ``IdentifierRefused`` as ``normalise`` does, and
    scope_missing, scope_unexpected, scope_invalid.
    """
    text = normalise(scheme, value)
    _check_scope(scheme, scope)
    return framed(scheme.encode()) + framed(scope.encode()) + framed(text.encode())


def person_key_from_output(output: bytes) -> bytes:
    """Return the person key (32 bytes) of a 64-byte OPRF output: SHA-512(domain, output) cut in half."""
    return hashlib.sha512(framed(_KEY_DOMAIN) + framed(output)).digest()[:PERSON_KEY_BYTES]


class PersonKeys:
    """Evaluates person keys under one key: the deployment's, or that of a federation of cities.

    ``oprf_key`` is a secret seed of 32 random bytes; the scalar comes from it by DeriveKeyPair
    (RFC 9497 section 3.2.1), mode VOPRF, so that a platform can check that it got the same key as all.
    ``next_key`` is another such seed while keys rotate. Raises ``OprfError`` key_invalid on another length.
    """

    __slots__ = ("_keys", "following")

    def __init__(self, oprf_key: bytes, next_key: bytes | None = None) -> None:
        self._keys: KeyPair = derive_key_pair(oprf_key, _KEY_INFO, Mode.VOPRF)
        self.following: PersonKeys | None = None if next_key is None else PersonKeys(next_key)

    @property
    def public_key(self) -> bytes:
        """The public element (32 bytes) that platforms verify proofs with."""
        return self._keys.public

    @property
    def key_id(self) -> str:
        """What platforms call this key: ``opk_`` and the first half of a hash of its public element."""
        return "opk_" + hashlib.sha256(self._keys.public).hexdigest()[:32]

    def person_key(self, scheme: str, value: str, scope: str = "") -> bytes:
        """Return the person key (32 bytes) of a verified identifier; about 60 µs, for onboarding only.

        Raises ``IdentifierRefused`` as ``identity_input`` does.
        """
        private_input = identity_input(scheme, value, scope)
        return person_key_from_output(evaluate(self._keys.secret, private_input, Mode.VOPRF))

    def evaluate_blinded(self, elements: Sequence[bytes]) -> tuple[list[bytes], bytes]:
        """Evaluate a platform's blinded elements (32 bytes each); evaluated elements and 64-byte proof.

        The platform ends with ``oprf.finalize_verified`` and ``person_key_from_output``. Who may ask, and
        how often, is the caller's to limit. Raises ``OprfError`` as ``oprf.blind_evaluate_batch`` does.
        """
        return blind_evaluate_batch(self._keys, elements)

    def evaluate_unproven(self, elements: Sequence[bytes]) -> list[bytes]:
        """Evaluate without the proof, which costs more than the evaluation; the person key is the same.

        Raises ``OprfError`` as ``oprf.blind_evaluate_all`` does.
        """
        return blind_evaluate_all(self._keys, elements)


class IdentityHasher:
    """Makes identity tokens for look-ups at intake: keyed BLAKE2b (RFC 7693), 16 bytes.

    ``identity_key`` has 32 to 64 bytes. Pure, may be shared between threads.
    """

    __slots__ = ("_phone", "_state")

    def __init__(self, identity_key: bytes) -> None:
        self._state = keyed(checked_key(identity_key, "identity_key"), b"tph identity")
        self._phone = self._state.copy()
        # All that precedes the 11 digits in the encoding of a phone number is the same for all of them.
        self._phone.update(identity_input("phone", "13000000000")[:-_MOBILE_DIGITS])

    def token(self, scheme: str, value: str, scope: str = "") -> bytes:
        """Return the token (16 bytes) of an identifier as any door writes it.

        Raises ``IdentifierRefused`` as ``identity_input`` does.
        """
        if (
            scheme == "phone"
            and not scope
            and len(value) == _MOBILE_DIGITS
            and value[0] == "1"
            and value[1] in _MOBILE_SECOND
            and value.isascii()
            and value.isdigit()
        ):
            state = self._phone.copy()
            state.update(value.encode())
        else:
            state = self._state.copy()
            state.update(identity_input(scheme, value, scope))
        return state.digest()
