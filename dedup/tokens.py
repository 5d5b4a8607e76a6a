"""Tokens of exclusive use: 16 opaque bytes, the same function at every door (design section 5).

A token is keyed BLAKE2b (RFC 7693) of a tuple whose fields are each preceded by their length, with
one personalisation for each kind, so that no two different tuples and no two kinds meet. Without the
key nobody can test a guess. A token value is never written to a log or an error.

Text of a natural key (issuer and number of an order, a bill, an invoice) is brought to NFKC and trimmed
of white space, because doors differ in full-width digits and padding. Case is kept: order numbers may be
case-sensitive. Rules, periods, source and event ids are the programme's or the protocol's own and are
taken exactly as they are.
"""

import hashlib
import unicodedata
from datetime import date
from functools import lru_cache
from typing import Final, Literal

TOKEN_BYTES: Final = 16
"""Length of every token and MAC, bytes."""
MIN_KEY_BYTES: Final = 32
"""Shortest key that is accepted, bytes."""
MAX_KEY_BYTES: Final = 64
"""Longest key of BLAKE2b, RFC 7693 section 2.1, bytes."""

_LENGTH_BYTES: Final = 4
_CACHED_HEADS: Final = 4096

TokenCode = Literal["natural_key_empty", "period_empty", "subject_key_empty", "text_invalid"]


class TokenRefused(ValueError):
    """A field no token is made of; ``code`` is stable, the text never holds the field."""

    def __init__(self, code: TokenCode) -> None:
        super().__init__(code)
        self.code: TokenCode = code


def checked_key(key: bytes, name: str) -> bytes:
    """Return a key of 32 to 64 bytes; ``ValueError`` naming it (never its value) otherwise."""
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise ValueError(f"{name} must have {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes")
    return bytes(key)


def framed(part: bytes) -> bytes:
    """Return the part preceded by its length (4 bytes, big-endian): concatenations stay unambiguous."""
    return len(part).to_bytes(_LENGTH_BYTES, "big") + part


def keyed(key: bytes, person: bytes) -> hashlib.blake2b:
    """Return a 16-byte BLAKE2b state with key and personalisation (≤ 16 bytes) absorbed, to be copied."""
    return hashlib.blake2b(digest_size=TOKEN_BYTES, key=key, person=person)


def natural_key(text: str) -> str:
    """Return issuer or number as tokens see it: NFKC, then trimmed of white space, case kept."""
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFKC", text).strip()


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        pass
    # Raised out here, for the library's error carries the text and would stay on as the context.
    raise TokenRefused("text_invalid")


@lru_cache(_CACHED_HEADS)
def _interval_head(rule: str, day: date) -> bytes:
    return framed(_utf8(rule)) + framed(day.toordinal().to_bytes(_LENGTH_BYTES, "big"))


@lru_cache(_CACHED_HEADS)
def _calendar_head(rule: str, issuer: str, period: str) -> bytes:
    if not period:
        raise TokenRefused("period_empty")
    return framed(_utf8(rule)) + framed(_utf8(natural_key(issuer))) + framed(_utf8(period))


@lru_cache(_CACHED_HEADS)
def _once_head(rule: str, issuer: str) -> bytes:
    return framed(_utf8(rule)) + framed(_utf8(natural_key(issuer)))


class TokenMaker:
    """Makes the tokens of one key generation; pure, may be shared between threads.

    ``dedup_key`` (32 to 64 bytes) keys the claims. Receipts are never released, so they have a key of
    their own, which outlives a rotation of the claims' key: ``receipt_key`` (32 to 64 bytes), or
    one derived from ``dedup_key`` where none is given.
    """

    __slots__ = ("_body", "_calendar", "_claim", "_interval", "_once", "_receipt")

    def __init__(self, dedup_key: bytes, receipt_key: bytes | None = None) -> None:
        key = checked_key(dedup_key, "dedup_key")
        if receipt_key is None:
            receipts = hashlib.blake2b(key=key, person=b"tph receipt key", digest_size=MAX_KEY_BYTES).digest()
        else:
            receipts = checked_key(receipt_key, "receipt_key")
        self._interval = keyed(key, b"tph interval")
        self._once = keyed(key, b"tph once")
        self._calendar = keyed(key, b"tph calendar")
        self._receipt = keyed(receipts, b"tph receipt")
        self._body = keyed(receipts, b"tph body")
        self._claim = keyed(receipts, b"tph claim")

    def interval(self, subject_key: bytes, rule: str, day: date) -> bytes:
        """Token of a person or an asset, under one rule, on one local day; claimed for a period in it.

        ``subject_key`` is the person key (32 bytes) or the asset's key. Raises ``TokenRefused``:
        subject_key_empty, text_invalid.
        """
        if not subject_key:
            raise TokenRefused("subject_key_empty")
        state = self._interval.copy()
        state.update(
            _interval_head(rule, day) + len(subject_key).to_bytes(_LENGTH_BYTES, "big") + subject_key
        )
        return state.digest()

    def once(self, rule: str, issuer: str, number: str) -> bytes:
        """Token of a numbered thing (order, bill, gate pair), claimed for ever under one rule.

        Issuer and number are natural keys (NFKC, trimmed, case kept); the issuer may be empty where
        numbers are unique by themselves. Raises ``TokenRefused``: natural_key_empty, text_invalid.
        """
        text = natural_key(number)
        if not text:
            raise TokenRefused("natural_key_empty")
        part = _utf8(text)
        state = self._once.copy()
        state.update(_once_head(rule, issuer) + len(part).to_bytes(_LENGTH_BYTES, "big") + part)
        return state.digest()

    def calendar(self, subject_key: bytes, rule: str, issuer: str, period: str) -> bytes:
        """Token of a subject with one issuer in one calendar period, such as ``2026-11``.

        The issuer is a natural key. Raises ``TokenRefused``: subject_key_empty, period_empty,
        text_invalid.
        """
        if not subject_key:
            raise TokenRefused("subject_key_empty")
        state = self._calendar.copy()
        head = _calendar_head(rule, issuer, period)
        state.update(head + len(subject_key).to_bytes(_LENGTH_BYTES, "big") + subject_key)
        return state.digest()

    def receipt(self, source_id: bytes, event_id: str) -> bytes:
        """Token of a report: source id and the source's event id, both exactly as given.

        Raises ``TokenRefused``: text_invalid.
        """
        part = _utf8(event_id)
        state = self._receipt.copy()
        head = len(source_id).to_bytes(_LENGTH_BYTES, "big") + source_id
        state.update(head + len(part).to_bytes(_LENGTH_BYTES, "big") + part)
        return state.digest()

    def platform_claim(self, organisation_id: bytes, claim_id: str) -> bytes:
        """Id of a platform's claim: organisation and its own claim id, both exactly as given; a UUIDv8 (RFC 9562).

        The version tells it from an activity's id, a UUIDv7, wherever claims name who holds them.
        Raises ``TokenRefused``: text_invalid.
        """
        part = _utf8(claim_id)
        state = self._claim.copy()
        head = len(organisation_id).to_bytes(_LENGTH_BYTES, "big") + organisation_id
        state.update(head + len(part).to_bytes(_LENGTH_BYTES, "big") + part)
        made = bytearray(state.digest())
        made[6] = made[6] & 0x0F | 0x80  # version
        made[8] = made[8] & 0x3F | 0x80  # variant
        return bytes(made)

    def body_mac(self, canonical: bytes) -> bytes:
        """MAC (16 bytes) of a canonical body without identifiers and coordinates (design section 4, 3).

        Compare with ``hmac.compare_digest``. One input only, so nothing is framed.
        """
        state = self._body.copy()
        state.update(canonical)
        return state.digest()
