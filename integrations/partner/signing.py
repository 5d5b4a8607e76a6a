"""JWS (RFC 7515) on bodies in both directions: ours by the deployment's keys, a partner's by keys that it gave.

A body names who signed it for whom, has an id of its own and a time; an answer names the id that it answers. So
neither a body of another conversation nor one that was recorded earlier is taken.
"""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from integrations.partner.errors import PartnerAway

WINDOW: Final = datetime.timedelta(minutes=5)
"""So far may the clocks of both sides be apart."""
ALGORITHMS: Final = ("EdDSA", "ES256", "PS256", "RS256")
Sign = Callable[[dict[str, Any]], str]


@dataclass(frozen=True, slots=True)
class PartnerKeys:
    """The public keys of a partner, by their ids, and the names of both sides in `iss` and `aud`."""

    keys: Mapping[str, jwt.PyJWK]
    partner: str
    ours: str

    def read(self, token: str, now: datetime.datetime) -> dict[str, Any]:
        """The claims of a body that the partner signed for us just now. Raises `PartnerAway`."""
        claims = self.read_whenever(token)
        issued = claims["iat"]
        if not isinstance(issued, int) or abs(now.timestamp() - issued) > WINDOW.total_seconds():
            raise PartnerAway("signed at another time")
        return claims

    def read_whenever(self, token: str) -> dict[str, Any]:
        """The claims of a file that the partner signed for us, whenever that was. Raises `PartnerAway`."""
        try:
            header = jwt.get_unverified_header(token)
            key = self.keys[str(header.get("kid"))]
            if header.get("alg") not in ALGORITHMS:
                raise PartnerAway("an algorithm that is not allowed")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self.partner,
                audience=self.ours,
                options={"require": ["iat"], "verify_iat": False, "verify_exp": False},
            )
        except KeyError:
            raise PartnerAway("signed with a key that is not the partner's") from None
        except (jwt.PyJWTError, UnicodeError, RecursionError, ValueError):
            raise PartnerAway("not signed by the partner") from None
        return claims


def read_keys(jwks: str) -> dict[str, jwt.PyJWK]:
    """The keys of a JWK set (RFC 7517), public ones with an id each. Raises `ValueError`."""
    try:
        found = {str(key.key_id): key for key in jwt.PyJWKSet.from_json(jwks).keys if key.key_id}
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        raise ValueError("no set of keys") from None
    if not found or any(key.algorithm_name not in ALGORITHMS for key in found.values()):
        raise ValueError("no key with an id and an algorithm that is taken")
    return found
