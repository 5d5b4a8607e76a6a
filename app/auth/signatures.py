"""Signed statements that are no access tokens: receipts, links. Each kind has an audience of its own."""

import datetime
from typing import TYPE_CHECKING, Any

import jwt

from app.auth.tokens import ISSUER

if TYPE_CHECKING:
    from app.auth.keys import KeyRing

RECEIPT = "tanpuhui-receipt"
BINDING = "tanpuhui-binding"
EXPORT = "tanpuhui-export"
NEIGHBOUR = "tanpuhui-neighbour"
REPORT = "tanpuhui-report"
CERTIFICATE = "tanpuhui-certificate"
MAX_LENGTH = 4096


def sign(keys: "KeyRing", kind: str, claims: dict[str, Any], now: datetime.datetime) -> str:
    """A JWS (EdDSA) of the claims, which no door takes for an access token: its audience is another."""
    key = keys.signing(now)
    return jwt.encode(
        {"iss": ISSUER, "aud": kind, **claims},
        key.private,
        algorithm="EdDSA",
        headers={"kid": key.kid, "typ": f"{kind}+jwt"},
    )


def read(keys: "KeyRing", kind: str, token: str, now: datetime.datetime) -> dict[str, Any] | None:
    """The claims of a link of that kind that has not expired; None where it is none."""
    if len(token) > MAX_LENGTH:
        return None
    try:
        kid = jwt.get_unverified_header(token).get("kid")
        key = keys.find(kid, now) if isinstance(kid, str) else None
        if key is None:
            return None
        claims: dict[str, Any] = jwt.decode(
            token,
            key.public,
            algorithms=["EdDSA"],
            audience=kind,
            issuer=ISSUER,
            # The time is the caller's, not the library's.
            options={
                "require": ["exp", "jti"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.PyJWTError, UnicodeError, RecursionError):
        return None
    return claims if claims["exp"] > now.timestamp() else None
