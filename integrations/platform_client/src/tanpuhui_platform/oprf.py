"""The client of the oblivious PRF: RFC 9497, suite ristretto255-SHA512, mode VOPRF.

Elements are 32 bytes (ristretto255, RFC 9496), scalars 32 bytes (little-endian), proofs 64, outputs 64. All group
arithmetic is libsodium's, through ``rbcl``. Outputs are those of mode VOPRF, also where no proof was asked for.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import rbcl

from tanpuhui_platform.errors import AnswerInvalid, IdentifierRefused, ProofRefused

ELEMENT_BYTES: Final = 32
SCALAR_BYTES: Final = 32
_MAX_INPUT: Final = 2**16 - 1
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493  # RFC 9496 section 4.4
_IDENTITY: Final = bytes(ELEMENT_BYTES)
_ONE: Final = (1).to_bytes(SCALAR_BYTES, "little")
_XMD_BLOCK: Final = bytes(128)  # SHA-512 block, RFC 9380 section 5.3.1
_CONTEXT: Final = b"OPRFV1-\x01-ristretto255-SHA512"
_GROUP_DST: Final = b"HashToGroup-" + _CONTEXT
_SCALAR_DST: Final = b"HashToScalar-" + _CONTEXT
_SEED_DST: Final = b"Seed-" + _CONTEXT


@dataclass(frozen=True, slots=True)
class Blinded:
    """What the client keeps (``value``, ``blind``) and what it sends (``element``)."""

    value: bytes = field(repr=False)
    blind: bytes = field(repr=False)
    element: bytes


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(2, "big") + part


def _expand(message: bytes, dst: bytes) -> bytes:
    """Expand to 64 uniform bytes: expand_message_xmd of RFC 9380 section 5.3.1 where ell is 1."""
    tail = dst + bytes((len(dst),))
    first = hashlib.sha512(_XMD_BLOCK + message + b"\x00\x40\x00" + tail).digest()
    return hashlib.sha512(first + b"\x01" + tail).digest()


def _hash_to_scalar(message: bytes) -> bytes:
    scalar: bytes = rbcl.crypto_core_ristretto255_scalar_reduce(_expand(message, _SCALAR_DST))
    return scalar


def _is_scalar(scalar: bytes, *, least: int) -> bool:
    return len(scalar) == SCALAR_BYTES and least <= int.from_bytes(scalar, "little") < _ORDER


def is_element(element: bytes) -> bool:
    """Whether these are 32 bytes of a canonical element that is not the identity."""
    return (
        len(element) == ELEMENT_BYTES
        and element != _IDENTITY
        and bool(rbcl.crypto_core_ristretto255_is_valid_point(element))
    )


def _times(scalar: bytes, element: bytes) -> bytes:
    product: bytes = rbcl.crypto_scalarmult_ristretto255_allow_scalar_zero(scalar, element)
    return product


def _plus(left: bytes, right: bytes) -> bytes:
    total: bytes = rbcl.crypto_core_ristretto255_add(left, right)
    return total


def blind(value: bytes, *, scalar: bytes | None = None) -> Blinded:
    """Blind a private input of at most 65,535 bytes, RFC 9497 section 3.3.1.

    ``scalar`` is for test vectors; without it a fresh random one is taken, which must never be used twice.
    Raises ``IdentifierRefused`` value_invalid.
    """
    if len(value) > _MAX_INPUT or (scalar is not None and not _is_scalar(scalar, least=1)):
        raise IdentifierRefused("value_invalid")
    if scalar is None:
        scalar = rbcl.crypto_core_ristretto255_scalar_random()
    element: bytes = rbcl.crypto_core_ristretto255_from_hash(_expand(value, _GROUP_DST))
    if element == _IDENTITY:  # about 2**-252; RFC 9497 asks for InvalidInputError
        raise IdentifierRefused("value_invalid")
    return Blinded(value, scalar, _times(scalar, element))


def finalize(blinded: Blinded, evaluated: bytes) -> bytes:
    """Unblind an evaluated element; the 64-byte output, RFC 9497 section 3.3.1. Raises ``AnswerInvalid``."""
    if not is_element(evaluated):
        raise AnswerInvalid("an evaluated element is no element")
    element = _times(rbcl.crypto_core_ristretto255_scalar_invert(blinded.blind), evaluated)
    return hashlib.sha512(_framed(blinded.value) + _framed(element) + b"Finalize").digest()


def verify_proof(public: bytes, sent: Sequence[bytes], got: Sequence[bytes], proof: bytes) -> None:
    """Return if one key, that of ``public``, evaluated the whole batch, RFC 9497 section 2.2.2.

    Raises ``ProofRefused``, and ``AnswerInvalid`` for what is malformed.
    """
    challenge, response = proof[:SCALAR_BYTES], proof[SCALAR_BYTES:]
    if not (_is_scalar(challenge, least=0) and _is_scalar(response, least=0)):
        raise AnswerInvalid("the proof is none")
    if not sent or len(sent) != len(got) or not all(map(is_element, (public, *sent, *got))):
        raise AnswerInvalid("an evaluated element is no element")
    seed = hashlib.sha512(_framed(public) + _framed(_SEED_DST)).digest()
    folded_sent = folded_got = _IDENTITY
    for index, (left, right) in enumerate(zip(sent, got, strict=True)):
        place = index.to_bytes(2, "big")
        weight = _hash_to_scalar(_framed(seed) + place + _framed(left) + _framed(right) + b"Composite")
        folded_sent = _plus(folded_sent, _times(weight, left))
        folded_got = _plus(folded_got, _times(weight, right))
    base: bytes = rbcl.crypto_scalarmult_ristretto255_base(_ONE)
    committed_base = _plus(_times(response, base), _times(challenge, public))
    committed = _plus(_times(response, folded_sent), _times(challenge, folded_got))
    elements = (public, folded_sent, folded_got, committed_base, committed)
    expected = _hash_to_scalar(b"".join(map(_framed, elements)) + b"Challenge")
    if not hmac.compare_digest(expected, challenge):
        raise ProofRefused("the batch was evaluated by another key")
