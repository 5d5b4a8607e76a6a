"""Codes are signed by the keys that sign tokens, under a prefix of their own: published, rotated, known to tills."""

import datetime
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature

if TYPE_CHECKING:
    from app.auth.keys import KeyRing
    from points.redemption_codes import Sign, Verified


def signer(keys: "KeyRing", now: datetime.datetime) -> "Sign":
    """Signs with the newest key that signs already."""
    return keys.signing(now).private.sign


def verifier(keys: "KeyRing", now: datetime.datetime) -> "Verified":
    """Tells whether one of the keys that verify now made a signature."""

    def verified(signature: bytes, message: bytes) -> bool:
        for key in keys.verifying(now):
            try:
                key.public.verify(signature, message)
            except InvalidSignature:
                continue
            return True
        return False

    return verified
