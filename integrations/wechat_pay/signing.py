"""Signatures and encryption of WeChat Pay API v3.

WECHATPAY2-SHA256-RSA2048: RSA PKCS #1 v1.5 with SHA-256 over lines that each end with a line feed. Resources of
notifications are sealed with AEAD_AES_256_GCM under the merchant's API v3 key.
"""

import base64
import binascii
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

SCHEME = "WECHATPAY2-SHA256-RSA2048"
WINDOW_S = 300
_ALGORITHM = "AEAD_AES_256_GCM"
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


class NotFromWeChat(Exception):
    """A signature that does not verify, is too old or of an unknown key, or a resource that does not open."""


def nonce() -> str:
    """A random word, 32 characters."""
    return secrets.token_hex(16)


def _lines(*parts: str) -> bytes:
    return "".join(part + "\n" for part in parts).encode()


class Signer:
    """The merchant's side: signs requests and what the mini-program opens a payment with."""

    def __init__(self, merchant_id: str, serial: str, private_key: RSAPrivateKey) -> None:
        self._merchant_id = merchant_id
        self._serial = serial
        self._key = private_key

    def sign(self, *parts: str) -> str:
        """Signature of lines, base64."""
        return base64.b64encode(self._key.sign(_lines(*parts), PKCS1v15(), SHA256())).decode()

    def authorization(self, method: str, path: str, body: str, timestamp: int) -> str:
        """The value of `Authorization`; the path with its query, time in seconds."""
        word = nonce()
        signature = self.sign(method, path, str(timestamp), word, body)
        return (
            f'{SCHEME} mchid="{self._merchant_id}",nonce_str="{word}",signature="{signature}",'
            f'timestamp="{timestamp}",serial_no="{self._serial}"'
        )


class Verifier:
    """WeChat's side: verifies answers and notifications with WeChat's keys, each named by its serial or key id."""

    def __init__(self, keys: Mapping[str, RSAPublicKey], api_key: bytes) -> None:
        self._keys = dict(keys)
        self._cipher = AESGCM(api_key)

    def verify(self, headers: Mapping[str, str], body: bytes, now_s: int) -> None:
        """Raise `NotFromWeChat` unless WeChat signed this body within the last five minutes."""
        key = self._keys.get(headers.get("wechatpay-serial", ""))
        stamp = headers.get("wechatpay-timestamp", "")
        word = headers.get("wechatpay-nonce", "")
        if (
            key is None
            or not (stamp.isascii() and stamp.isdigit())
            or abs(int(stamp[:12]) - now_s) > WINDOW_S
        ):
            raise NotFromWeChat
        try:
            signature = base64.b64decode(headers.get("wechatpay-signature", ""), validate=True)
            key.verify(signature, f"{stamp}\n{word}\n".encode() + body + b"\n", PKCS1v15(), SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            raise NotFromWeChat from None

    def open(self, resource: Any) -> Any:
        """The JSON that a notification's resource seals."""
        try:
            if resource["algorithm"] != _ALGORITHM:
                raise NotFromWeChat
            sealed = base64.b64decode(resource["ciphertext"], validate=True)
            associated = (resource.get("associated_data") or "").encode()
            return orjson.loads(self._cipher.decrypt(resource["nonce"].encode(), sealed, associated))
        except (InvalidTag, KeyError, TypeError, AttributeError, ValueError):
            raise NotFromWeChat from None


def read_private_key(path: Path) -> RSAPrivateKey:
    """The merchant's key of a PEM file; raises `ValueError` where it is none."""
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("not an RSA key")  # noqa: TRY004 - a file's content, not a caller's type
    return key


def read_platform_keys(folder: Path) -> dict[str, RSAPublicKey]:
    """WeChat's certificates and public keys of a folder: `<serial or PUB_KEY_ID_…>.pem` each."""
    keys = {}
    for path in sorted(folder.glob("*.pem")):
        pem = path.read_bytes()
        key = (
            x509.load_pem_x509_certificate(pem).public_key()
            if _CERTIFICATE in pem
            else load_pem_public_key(pem)
        )
        if not isinstance(key, RSAPublicKey):
            raise ValueError("not an RSA key")  # noqa: TRY004 - a file's content, not a caller's type
        keys[path.stem] = key
    if not keys:
        raise ValueError("no key of WeChat's is there")
    return keys
