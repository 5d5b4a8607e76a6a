"""Secrets of endpoints and signatures after Standard Webhooks (standardwebhooks.com), symmetric scheme `v1`."""

import base64
import hashlib
import hmac
import os
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PREFIX = "whsec_"
SECRET_BYTES = 32
_NONCE_BYTES = 12


def new_secret() -> bytes:
    """A random secret."""
    return os.urandom(SECRET_BYTES)


def shown(secret: bytes) -> str:
    """A secret as its owner sees it, once."""
    return PREFIX + base64.b64encode(secret).decode()


def sign(secrets: list[bytes], event_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one signature for each secret that counts. Time in seconds."""
    content = b".".join((event_id.encode(), str(timestamp).encode(), body))
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode() for secret in secrets
    )


class SecretBox:
    """Keeps secrets encrypted, each bound to its endpoint."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(hashlib.blake2b(key, person=b"tph webhooks", digest_size=32).digest())

    def seal(self, endpoint_id: UUID, secret: bytes) -> bytes:
        """What is stored."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, endpoint_id.bytes)

    def open(self, endpoint_id: UUID, sealed: bytes) -> bytes:
        """The secret; raises `InvalidTag` where it is another endpoint's or key's."""
        return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], endpoint_id.bytes)
