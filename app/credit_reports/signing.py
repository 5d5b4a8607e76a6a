"""A report as a JWS (EdDSA, RFC 8037) with the published keys, and what a verification says of one. Pure."""

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

MAX_JWS: Final = 1024 * 1024


Reason = Literal["signature", "unknown_key", "no_report"]


@dataclass(frozen=True, slots=True)
class Verified:
    """What is found: why it is no report of ours, or its content."""

    reason: Reason | None
    report: Mapping[str, Any]
    kid: str = ""


def sign(keys: "KeyRing", report: Mapping[str, Any], now: "datetime.datetime") -> str:
    """The whole report is the signed content, so that it can be verified with a public key and nothing else."""
    claims = {"jti": report["report_id"], "iat": int(now.timestamp()), "report": dict(report)}
    return signatures.sign(keys, signatures.REPORT, claims, now)


def digest(jws: str) -> bytes:
    """SHA-256 of the JWS as it is sent."""
    return hashlib.sha256(jws.encode()).digest()


def verify(jws: str, keys: Mapping[str, bytes]) -> Verified:
    """Check a JWS against raw Ed25519 keys by their ids. A report has no end: it says what was known when."""
    try:
        kid = str(jwt.get_unverified_header(jws).get("kid"))
        if kid not in keys:
            return Verified("unknown_key", {})
        claims: dict[str, Any] = jwt.decode(
            jws,
            Ed25519PublicKey.from_public_bytes(keys[kid]),
            algorithms=["EdDSA"],
            audience=signatures.REPORT,
            issuer=ISSUER,
            options={"require": ["jti", "iat"], "verify_iat": False, "verify_exp": False},
        )
    except jwt.InvalidSignatureError:
        return Verified("signature", {})
    except (jwt.PyJWTError, UnicodeError, RecursionError, ValueError):
        return Verified("no_report", {})
    report = claims.get("report")
    if not isinstance(report, dict) or report.get("report_id") != claims["jti"]:
        return Verified("no_report", {}, kid)
    return Verified(None, report, kid)
