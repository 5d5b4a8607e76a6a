"""RSA keys as PEM, or as Alipay's tools write them: base64 of DER."""

import base64
import binascii

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey


def private_key(text: str) -> RSAPrivateKey:
    """A key as PEM, or as Alipay's tools write it: base64 of PKCS#8 or PKCS#1. `ValueError` on anything else."""
    raw = text.strip().encode()
    try:
        if raw.startswith(b"-----"):
            key = serialization.load_pem_private_key(raw, None)
        else:
            key = serialization.load_der_private_key(base64.b64decode(raw), None)
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("not an RSA private key")  # noqa: TRY004 - a value, as settings have it
    return key


def public_key(text: str) -> RSAPublicKey:
    """Alipay's key as PEM or base64. `ValueError` on anything else."""
    raw = text.strip().encode()
    try:
        if raw.startswith(b"-----"):
            key = serialization.load_pem_public_key(raw)
        else:
            key = serialization.load_der_public_key(base64.b64decode(raw))
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
        key = None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not an RSA public key")  # noqa: TRY004 - a value, as settings have it
    return key


def is_private_key(text: str) -> bool:
    """Whether `private_key` reads it."""
    try:
        private_key(text)
    except ValueError:
        return False
    return True


def is_public_key(text: str) -> bool:
    """Whether `public_key` reads it."""
    try:
        public_key(text)
    except ValueError:
        return False
    return True
