"""Who calls, and what the caller's rights cover."""

from dataclasses import dataclass
from uuid import UUID

NATION = "100000"


def prefix(region: str) -> str:
    """What the codes of a region and of all its parts begin with: the nation's, a province's, a city's."""
    if region == NATION:
        return ""
    return region[:2] if region.endswith("0000") else region[:4] if region.endswith("00") else region


def covers(region: str, other: str) -> bool:
    """Whether a region is another or has it as a part: the nation, a province (`440000`), a city (`440300`)."""
    return other.startswith(prefix(region))


@dataclass(frozen=True, slots=True)
class Principal:
    """A client of an organisation; or a holder, signed in or by a token that an operator issued.

    Of a holder that is signed in, `client_id` is the session and `organisation_id` the holder itself; `epoch` counts
    how often it had signed out everywhere. `holder_id` of an enterprise's client is the enterprise; so it is of a
    member, whose `client_id` is the member's own session and whose `organisation_id` is the membership.
    """

    client_id: str
    organisation_id: UUID
    name: str
    region: str
    scopes: frozenset[str]
    expires_at: int
    holder_id: UUID | None = None
    epoch: int = 0

    @property
    def is_enterprise(self) -> bool:
        """Whether the holder is an enterprise, for which a client or a member acts."""
        return self.holder_id is not None and any(scope.startswith("enterprises:") for scope in self.scopes)

    def may_see_region(self, region: str) -> bool:
        """Whether an operator's rights cover a region."""
        return covers(self.region, region)
