"""What a QR carries: a signed payload that is new every 30 seconds, or bound to one till for some minutes. Pure.

A payload is URL-safe Base64, without padding, of

    1 byte   version, 1
    1 byte   kind: 0 rotating, 1 bound to a till
    16 bytes redemption
    4 bytes  big-endian: the half minute since 1970 that it is of (rotating), or the second until which it is good
    24 bytes of a bound one only: till (16), nonce of the binding (8)
    64 bytes Ed25519 (RFC 8032) over a fixed prefix and everything before

It is signed by the keys of `/.well-known/jwks.json`. A till without the network fetches them ahead, and takes a bound
code whose signature holds, whose till is itself, whose time is not over, and which it has not taken before.
"""

import base64
import binascii
import datetime
import struct
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from points.redemption_errors import CodeInvalid

ROTATION_S = 30
PREFIX = b"tanpuhui redemption code 1\n"
"""Keeps a signature of a code from being one of anything else."""
SIGNATURE_BYTES = 64
_HEAD = struct.Struct(">BB16sI")
_BINDING = struct.Struct(">16s8s")
_VERSION = 1
_ROTATING, _BOUND = 0, 1

Sign = Callable[[bytes], bytes]
Verified = Callable[[bytes, bytes], bool]
"""(signature, message) → whether one of the keys made it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a payload says, once its signature holds."""

    redemption_id: UUID
    till_id: UUID | None = None
    nonce: bytes | None = None
    good_until: datetime.datetime | None = None


def rotating(redemption_id: UUID, now: datetime.datetime, sign: Sign) -> tuple[str, datetime.datetime]:
    """A payload of this half minute, and when the next one is due, at whose end this one is taken no more."""
    slot = int(now.timestamp()) // ROTATION_S
    body = _HEAD.pack(_VERSION, _ROTATING, redemption_id.bytes, slot)
    return _signed(body, sign), datetime.datetime.fromtimestamp((slot + 1) * ROTATION_S, datetime.UTC)


def bound(
    redemption_id: UUID, till_id: UUID, nonce: bytes, until: datetime.datetime, sign: Sign
) -> tuple[str, datetime.datetime]:
    """A payload that one till takes without the network."""
    body = _HEAD.pack(_VERSION, _BOUND, redemption_id.bytes, int(until.timestamp()))
    return _signed(body + _BINDING.pack(till_id.bytes, nonce), sign), until


def is_payload(text: str) -> bool:
    """Whether a text is as long as a payload is; text codes are shorter."""
    return len(text) >= (_HEAD.size + SIGNATURE_BYTES) * 4 // 3


def read(text: str, now: datetime.datetime, verified: Verified) -> Shown:
    """What an authentic payload says that is good now; `CodeInvalid` otherwise."""
    body, signature = _split(text)
    if not verified(signature, PREFIX + body):
        raise CodeInvalid
    shown, time = _parsed(body)
    if shown.till_id is None:
        if not 0 <= int(now.timestamp()) // ROTATION_S - time <= 1:
            raise CodeInvalid
    elif now.timestamp() > time:
        raise CodeInvalid
    return shown


def read_accepted(text: str) -> Shown:
    """What a bound payload says that a till took a while ago; the binding's nonce vouches for it, not the signature.

    Keys rotate, and a till may tell late. The nonce is in nothing but the payload and the redemption's row.
    """
    body, _ = _split(text)
    shown, _ = _parsed(body)
    if shown.till_id is None:
        raise CodeInvalid
    return shown


def _signed(body: bytes, sign: Sign) -> str:
    return base64.urlsafe_b64encode(body + sign(PREFIX + body)).rstrip(b"=").decode()


def _split(text: str) -> tuple[bytes, bytes]:
    try:
        raw = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise CodeInvalid from None
    if len(raw) not in (_HEAD.size + SIGNATURE_BYTES, _HEAD.size + _BINDING.size + SIGNATURE_BYTES):
        raise CodeInvalid
    return raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:]


def _parsed(body: bytes) -> tuple[Shown, int]:
    version, kind, redemption, time = _HEAD.unpack(body[: _HEAD.size])
    if version != _VERSION or (kind == _BOUND) != (len(body) > _HEAD.size) or kind not in (_ROTATING, _BOUND):
        raise CodeInvalid
    if kind == _ROTATING:
        return Shown(UUID(bytes=redemption)), time
    till, nonce = _BINDING.unpack(body[_HEAD.size :])
    until = datetime.datetime.fromtimestamp(time, datetime.UTC)
    return Shown(UUID(bytes=redemption), UUID(bytes=till), nonce, until), time
