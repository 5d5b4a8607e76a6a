"""Oblivious pseudorandom function: RFC 9497, suite ristretto255-SHA512, modes OPRF (0) and VOPRF (1).

A platform that keeps its own accounts asks for a person key without showing the identifier:
it sends ``blind(value).element``, receives ``blind_evaluate(secret, element)`` and computes
``finalize(value, blind, evaluated)``. The service itself, which knows the value while it onboards
a person, computes the same 64 bytes with ``evaluate(secret, value)``. In mode VOPRF a proof shows
that one and the same key was used for a whole batch.

Every element is 32 bytes (canonical ristretto255, RFC 9496), every scalar 32 bytes (little-endian,
below the group order), every proof 64 bytes, every output 64 bytes (SHA-512). Group arithmetic is
libsodium's (constant time) through ``rbcl``; its wrappers do not report invalid points
from additions, so all elements that come from outside are checked here first.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Literal

import rbcl

ELEMENT_BYTES: Final = 32
"""Length of a serialised group element, Ne of RFC 9497 section 4.1, bytes."""
SCALAR_BYTES: Final = 32
"""Length of a serialised scalar, Ns of RFC 9497 section 4.1, bytes."""
SEED_BYTES: Final = 32
"""Length of a seed for ``derive_key_pair``, bytes."""
MAX_FIELD_BYTES: Final = 2**16 - 1
"""Longest private input or key info, bytes: its length is framed in two bytes."""
MAX_BATCH: Final = 2**16 - 1
"""Most elements under one proof: their index is framed in two bytes."""

_ORDER: Final = 2**252 + 27742317777372353535851937790883648493  # RFC 9496 section 4.4
_IDENTITY: Final = bytes(ELEMENT_BYTES)
_XMD_BLOCK: Final = bytes(128)  # SHA-512 block, RFC 9380 section 5.3.1
_DERIVE_TRIES: Final = 256
_ONE: Final = (1).to_bytes(SCALAR_BYTES, "little")

OprfCode = Literal[
    "batch_invalid",
    "derive_failed",
    "element_identity",
    "element_invalid",
    "input_invalid",
    "input_too_long",
    "key_invalid",
    "proof_invalid",
    "proof_refused",
    "scalar_invalid",
]


class Mode(IntEnum):
    """Protocol variant, RFC 9497 section 3.1; the two give different outputs under the same key."""

    OPRF = 0
    VOPRF = 1


class OprfError(ValueError):
    """A value of the protocol was refused; ``code`` is stable, the text never holds the value.

    ``index`` is the place of the value in its batch, where there is one.
    """

    def __init__(self, code: OprfCode, index: int | None = None) -> None:
        super().__init__(code)
        self.code: OprfCode = code
        self.index = index


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Secret scalar and its public element, 32 bytes each; the secret is not in the repr."""

    secret: bytes = field(repr=False)
    public: bytes


@dataclass(frozen=True, slots=True)
class Blinded:
    """What a client keeps (``blind``, a scalar) and sends (``element``), 32 bytes each."""

    blind: bytes = field(repr=False)
    element: bytes


@dataclass(frozen=True, slots=True)
class _Suite:
    """Domain separation of one mode, RFC 9497 sections 3.1 and 4.1."""

    group_dst: bytes
    scalar_dst: bytes
    derive_dst: bytes
    seed_dst: bytes


def _dst(label: bytes, mode: Mode) -> bytes:
    return label + b"OPRFV1-" + bytes((mode,)) + b"-ristretto255-SHA512"


_SUITES: Final = tuple(
    _Suite(
        group_dst=_dst(b"HashToGroup-", mode),
        scalar_dst=_dst(b"HashToScalar-", mode),
        derive_dst=_dst(b"DeriveKeyPair", mode),
        seed_dst=_dst(b"Seed-", mode),
    )
    for mode in Mode
)


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(2, "big") + part


def _expand(message: bytes, dst: bytes) -> bytes:
    """Expand to 64 uniform bytes: expand_message_xmd of RFC 9380 section 5.3.1 where ell is 1."""
    tail = dst + bytes((len(dst),))
    first = hashlib.sha512(_XMD_BLOCK + message + b"\x00\x40\x00" + tail).digest()
    return hashlib.sha512(first + b"\x01" + tail).digest()


def _hash_to_scalar(message: bytes, dst: bytes) -> bytes:
    scalar: bytes = rbcl.crypto_core_ristretto255_scalar_reduce(_expand(message, dst))
    return scalar


def _hash_to_group(value: bytes, mode: Mode) -> bytes:
    if len(value) > MAX_FIELD_BYTES:
        raise OprfError("input_too_long")
    element: bytes = rbcl.crypto_core_ristretto255_from_hash(_expand(value, _SUITES[mode].group_dst))
    if element == _IDENTITY:  # about 2**-252; RFC 9497 asks for InvalidInputError
        raise OprfError("input_invalid")
    return element


def _is_scalar(scalar: bytes, *, least: int) -> bool:
    return len(scalar) == SCALAR_BYTES and least <= int.from_bytes(scalar, "little") < _ORDER


def _check_secret(secret: bytes) -> None:
    if not _is_scalar(secret, least=1):
        raise OprfError("key_invalid")


def _check_element(element: bytes) -> None:
    if len(element) != ELEMENT_BYTES or not rbcl.crypto_core_ristretto255_is_valid_point(element):
        raise OprfError("element_invalid")
    if element == _IDENTITY:
        raise OprfError("element_identity")


def _times(scalar: bytes, element: bytes) -> bytes:
    """Multiply an element from outside by a scalar known to be in range and not zero."""
    if len(element) != ELEMENT_BYTES:
        raise OprfError("element_invalid")
    if element == _IDENTITY:
        raise OprfError("element_identity")
    try:
        product: bytes = rbcl.crypto_scalarmult_ristretto255(scalar, element)
    except RuntimeError:  # the group has prime order: only an encoding that is not canonical gets here
        raise OprfError("element_invalid") from None
    return product


def _times_any(scalar: bytes, element: bytes) -> bytes:
    """Multiply a checked element; scalar zero gives the identity."""
    product: bytes = rbcl.crypto_scalarmult_ristretto255_allow_scalar_zero(scalar, element)
    return product


def _plus(left: bytes, right: bytes) -> bytes:
    total: bytes = rbcl.crypto_core_ristretto255_add(left, right)
    return total


def _random_scalar() -> bytes:
    scalar: bytes = rbcl.crypto_core_ristretto255_scalar_random()
    return scalar


def public_key(secret: bytes) -> bytes:
    """Return the public element (32 bytes) of a secret scalar; ``OprfError`` key_invalid."""
    _check_secret(secret)
    public: bytes = rbcl.crypto_scalarmult_ristretto255_base(secret)
    return public


def derive_key_pair(seed: bytes, info: bytes = b"", mode: Mode = Mode.OPRF) -> KeyPair:
    """Derive a key pair from a 32-byte secret seed and public info, RFC 9497 section 3.2.1.

    Raises ``OprfError``: key_invalid (seed is not 32 bytes), input_too_long (info), derive_failed.
    """
    if len(seed) != SEED_BYTES:
        raise OprfError("key_invalid")
    if len(info) > MAX_FIELD_BYTES:
        raise OprfError("input_too_long")
    material = seed + _framed(info)
    for counter in range(_DERIVE_TRIES):
        secret = _hash_to_scalar(material + bytes((counter,)), _SUITES[mode].derive_dst)
        if _is_scalar(secret, least=1):
            return KeyPair(secret=secret, public=public_key(secret))
    raise OprfError("derive_failed")


def blind(value: bytes, mode: Mode = Mode.OPRF, *, scalar: bytes | None = None) -> Blinded:
    """Blind a private input of at most 65,535 bytes (client), RFC 9497 section 3.3.1.

    ``scalar`` is for test vectors; without it a fresh random one is taken.
    Raises ``OprfError``: input_too_long, input_invalid, scalar_invalid.
    """
    if scalar is None:
        scalar = _random_scalar()
    elif not _is_scalar(scalar, least=1):
        raise OprfError("scalar_invalid")
    return Blinded(blind=scalar, element=_times(scalar, _hash_to_group(value, mode)))


def blind_evaluate(secret: bytes, element: bytes) -> bytes:
    """Evaluate a blinded element (server), RFC 9497 section 3.3.1; 32 bytes in, 32 bytes out.

    Raises ``OprfError``: key_invalid, element_invalid, element_identity.
    """
    _check_secret(secret)
    return _times(secret, element)


def _output(value: bytes, element: bytes) -> bytes:
    return hashlib.sha512(_framed(value) + _framed(element) + b"Finalize").digest()


def finalize(value: bytes, blind_scalar: bytes, evaluated: bytes) -> bytes:
    """Unblind an evaluated element and return the 64-byte output (client), RFC 9497 section 3.3.1.

    In mode VOPRF call ``verify_proof`` first, or use ``finalize_verified``.
    Raises ``OprfError``: input_too_long, scalar_invalid, element_invalid, element_identity.
    """
    if len(value) > MAX_FIELD_BYTES:
        raise OprfError("input_too_long")
    if not _is_scalar(blind_scalar, least=1):
        raise OprfError("scalar_invalid")
    return _output(value, _times(rbcl.crypto_core_ristretto255_scalar_invert(blind_scalar), evaluated))


def evaluate(secret: bytes, value: bytes, mode: Mode = Mode.OPRF) -> bytes:
    """Return the 64-byte output directly (server that knows the input), RFC 9497 section 3.3.1.

    Equals the blind route's output for the same key, input and mode.
    Raises ``OprfError``: key_invalid, input_too_long, input_invalid.
    """
    _check_secret(secret)
    return _output(value, _times(secret, _hash_to_group(value, mode)))


def _composites(
    public: bytes, blinded: Sequence[bytes], evaluated: Sequence[bytes], secret: bytes | None = None
) -> tuple[bytes, bytes]:
    """Fold a batch of checked elements into one pair (M, Z), RFC 9497 sections 2.2.1 and 2.2.2.

    With the secret, Z is one multiplication of M (ComputeCompositesFast).
    """
    suite = _SUITES[Mode.VOPRF]
    seed = hashlib.sha512(_framed(public) + _framed(suite.seed_dst)).digest()
    head = _framed(seed)
    folded_blinded = folded_evaluated = _IDENTITY
    for index, (sent, got) in enumerate(zip(blinded, evaluated, strict=True)):
        transcript = head + index.to_bytes(2, "big") + _framed(sent) + _framed(got) + b"Composite"
        weight = _hash_to_scalar(transcript, suite.scalar_dst)
        folded_blinded = _plus(folded_blinded, _times_any(weight, sent))
        if secret is None:
            folded_evaluated = _plus(folded_evaluated, _times_any(weight, got))
    if secret is not None:
        folded_evaluated = _times_any(secret, folded_blinded)
    return folded_blinded, folded_evaluated


def _check_batch(blinded: Sequence[bytes], evaluated: Sequence[bytes]) -> None:
    if not 0 < len(blinded) <= MAX_BATCH or len(blinded) != len(evaluated):
        raise OprfError("batch_invalid")
    for sent, got in zip(blinded, evaluated, strict=True):
        _check_element(sent)
        _check_element(got)


def _challenge(public: bytes, *elements: bytes) -> bytes:
    transcript = _framed(public) + b"".join(map(_framed, elements)) + b"Challenge"
    return _hash_to_scalar(transcript, _SUITES[Mode.VOPRF].scalar_dst)


def generate_proof(
    keys: KeyPair,
    blinded: Sequence[bytes],
    evaluated: Sequence[bytes],
    *,
    scalar: bytes | None = None,
) -> bytes:
    """Prove (64 bytes) that one key evaluated the whole batch (server), RFC 9497 section 2.2.1.

    ``scalar`` is for test vectors only: a nonce that is used twice reveals the key.
    Raises ``OprfError``: key_invalid, scalar_invalid, batch_invalid, element_invalid, element_identity.
    """
    if not hmac.compare_digest(public_key(keys.secret), keys.public):
        raise OprfError("key_invalid")
    if scalar is None:
        scalar = _random_scalar()
    elif not _is_scalar(scalar, least=1):
        raise OprfError("scalar_invalid")
    _check_batch(blinded, evaluated)
    return _prove(keys, blinded, evaluated, scalar)


def _prove(keys: KeyPair, blinded: Sequence[bytes], evaluated: Sequence[bytes], scalar: bytes) -> bytes:
    folded, result = _composites(keys.public, blinded, evaluated, keys.secret)
    committed_base: bytes = rbcl.crypto_scalarmult_ristretto255_base(scalar)
    committed = _times_any(scalar, folded)
    challenge = _challenge(keys.public, folded, result, committed_base, committed)
    response: bytes = rbcl.crypto_core_ristretto255_scalar_sub(
        scalar, rbcl.crypto_core_ristretto255_scalar_mul(challenge, keys.secret)
    )
    return challenge + response


def verify_proof(public: bytes, blinded: Sequence[bytes], evaluated: Sequence[bytes], proof: bytes) -> None:
    """Return if the proof holds for this key and batch (client), RFC 9497 section 2.2.2.

    Raises ``OprfError``: proof_refused (well formed, does not hold), proof_invalid (malformed),
    batch_invalid, element_invalid, element_identity.
    """
    challenge, response = proof[:SCALAR_BYTES], proof[SCALAR_BYTES:]
    if not (_is_scalar(challenge, least=0) and _is_scalar(response, least=0)):
        raise OprfError("proof_invalid")
    _check_element(public)
    _check_batch(blinded, evaluated)
    folded, result = _composites(public, blinded, evaluated)
    base: bytes = rbcl.crypto_scalarmult_ristretto255_base(_ONE)
    committed_base = _plus(_times_any(response, base), _times_any(challenge, public))
    committed = _plus(_times_any(response, folded), _times_any(challenge, result))
    expected = _challenge(public, folded, result, committed_base, committed)
    if not hmac.compare_digest(expected, challenge):
        raise OprfError("proof_refused")


def blind_evaluate_all(keys: KeyPair, blinded: Sequence[bytes]) -> list[bytes]:
    """Evaluate 1 to 65,535 blinded elements without a proof (server).

    Raises ``OprfError`` as ``blind_evaluate`` does, with the place of the element, and batch_invalid.
    """
    if not 0 < len(blinded) <= MAX_BATCH:
        raise OprfError("batch_invalid")
    _check_secret(keys.secret)
    evaluated: list[bytes] = []
    for index, element in enumerate(blinded):
        try:
            evaluated.append(_times(keys.secret, element))
        except OprfError as refused:
            raise OprfError(refused.code, index) from None
    return evaluated


def blind_evaluate_batch(keys: KeyPair, blinded: Sequence[bytes]) -> tuple[list[bytes], bytes]:
    """Evaluate 1 to 65,535 blinded elements under one proof (server); elements, then 64-byte proof.

    Raises ``OprfError`` as ``blind_evaluate_all`` does.
    """
    evaluated = blind_evaluate_all(keys, blinded)
    # Multiplying checked what came from outside, and made the rest.
    return evaluated, _prove(keys, blinded, evaluated, _random_scalar())


def finalize_verified(
    values: Sequence[bytes],
    blinded: Sequence[Blinded],
    evaluated: Sequence[bytes],
    proof: bytes,
    public: bytes,
) -> list[bytes]:
    """Verify the batch's proof, then return one 64-byte output for each input (client, VOPRF).

    Raises ``OprfError`` as ``verify_proof`` and ``finalize`` do; nothing is returned from a bad batch.
    """
    if len(values) != len(blinded):
        raise OprfError("batch_invalid")
    verify_proof(public, [item.element for item in blinded], evaluated, proof)
    return [
        finalize(value, item.blind, element)
        for value, item, element in zip(values, blinded, evaluated, strict=True)
    ]
