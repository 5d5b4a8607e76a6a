"""A certificate as a JWS (EdDSA, RFC 8037) with the published keys, and what a check says of one. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.auth import signatures
from app.auth.tokens import ISSUER

if TYPE_CHECKING:
    import datetime

    from app.auth.keys import KeyRing

MAX_JWS: Final = 256 * 1024
Reason = Literal["signature", "unknown_key", "no_certificate"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What is found: why it is no certificate of ours, or what it says."""

    reason: Reason | None
    certificate: Mapping[str, Any]
    kid: str = ""


def sign(keys: "KeyRing", certificate: Mapping[str, Any], now: "datetime.datetime") -> str:
    """The whole certificate is the signed content, so that a public key is all that a check needs."""
    claims = {
        "jti": f"{certificate['number']}.{certificate['version']}",
        "iat": int(now.timestamp()),
        "certificate": dict(certificate),
    }
    return signatures.sign(keys, signatures.CERTIFICATE, claims, now)


def digest(content: bytes) -> bytes:
    """SHA-256 of a JWS or of a file as it is sent."""
    return hashlib.sha256(content).digest()


def check(jws: str, keys: Mapping[str, bytes]) -> Checked:
    """Check a JWS against raw Ed25519 keys by their ids. It has no end: whether it still counts is asked elsewhere."""
    try:
        kid = str(jwt.get_unverified_header(jws).get("kid"))
        if kid not in keys:
            return Checked("unknown_key", {})
        claims: dict[str, Any] = jwt.decode(
            jws,
            Ed25519PublicKey.from_public_bytes(keys[kid]),
            algorithms=["EdDSA"],
            audience=signatures.CERTIFICATE,
            issuer=ISSUER,
            options={"require": ["jti", "iat"], "verify_iat": False, "verify_exp": False},
        )
    except jwt.InvalidSignatureError:
        return Checked("signature", {})
    except (jwt.PyJWTError, UnicodeError, RecursionError, ValueError):
        return Checked("no_certificate", {})
    found = claims.get("certificate")
    if not isinstance(found, dict) or claims["jti"] != f"{found.get('number')}.{found.get('version')}":
        return Checked("no_certificate", {}, kid)
    return Checked(None, found, kid)


def unchecked(jws: str) -> Mapping[str, Any]:
    """What a JWS of our own says, as it lies in the database."""
    claims: dict[str, Any] = jwt.decode(jws, options={"verify_signature": False})
    found: Mapping[str, Any] = claims["certificate"]
    return found
