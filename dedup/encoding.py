"""Bytes in JSON: base64url without padding (RFC 4648, section 5)."""

import base64
import binascii
from typing import Final

_PLAIN: Final = str.maketrans("-_", "+/")


def encoded(value: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The bytes of base64url without padding, of an alphabet that was checked."""
    return binascii.a2b_base64(text.translate(_PLAIN) + "=" * (-len(text) % 4))
