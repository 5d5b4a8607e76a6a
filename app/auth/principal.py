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
    """A client of an organisation, or a holder by a token that an operator issued."""

    client_id: str
    organisation_id: UUID
    name: str
    region: str
    scopes: frozenset[str]
    expires_at: int
    holder_id: UUID | None = None

    def may_see_region(self, region: str) -> bool:
        """Whether an operator's rights cover a region."""
        return covers(self.region, region)
