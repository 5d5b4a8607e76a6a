"""What a certificate says: made by whoever has it issued, signed as it stands. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from dedup.periods import LOCAL

if TYPE_CHECKING:
    from uuid import UUID

MOST_SERIALS: Final = 1_000
MOST_FACTS: Final = 40


class CertificateKind(StrEnum):
    """What a certificate is of."""

    RETIREMENT = "retirement"
    NEUTRAL_EVENT = "neutral_event"
    PARTICIPANT_SHARE = "participant_share"


TITLES: Final = {
    CertificateKind.RETIREMENT: ("碳减排量注销证书", "Certificate of retirement"),
    CertificateKind.NEUTRAL_EVENT: ("碳中和证书", "Certificate of carbon neutrality"),
    CertificateKind.PARTICIPANT_SHARE: ("碳中和参与证书", "Certificate of participation"),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A value with its name."""

    zh: str
    en: str
    value: str


@dataclass(frozen=True, slots=True)
class Content:
    """What is certified. All of it is public, so no text of it may name a person.

    `quantity_kg` counts units (1 kg CO2e each), `serials` are theirs as `format_serial` prints them. `beneficiary` is
    an organisation or an event; a resident (`holder_id`) is named only by the resident's own wish, later.
    """

    region: str
    quantity_kg: int
    zh: str
    en: str
    beneficiary: str = ""
    facts: tuple[Fact, ...] = ()
    serials: tuple[str, ...] = ()
    holder_id: "UUID | None" = None
    organisation_id: "UUID | None" = None

    def __post_init__(self) -> None:
        """Refuse what no page holds."""
        if self.quantity_kg <= 0 or len(self.serials) > MOST_SERIALS or len(self.facts) > MOST_FACTS:
            raise ValueError("no content of a certificate")


def signed(
    content: Content,
    *,
    number: str,
    kind: CertificateKind,
    version: int,
    issued_at: datetime,
    authority: str,
    seal_sha256: str | None,
    name: str = "",
    replaces: str | None = None,
) -> dict[str, Any]:
    """The whole certificate as it is signed; `replaces` is the SHA-256 of the version before."""
    zh, en = TITLES[kind]
    return {
        "number": number,
        "version": version,
        "kind": kind.value,
        "title": {"zh": zh, "en": en},
        "issued_at": issued_at.astimezone(LOCAL).isoformat(timespec="seconds"),
        "authority": authority,
        "region": content.region,
        "quantity_kg": content.quantity_kg,
        "purpose": {"zh": content.zh, "en": content.en},
        "beneficiary": content.beneficiary,
        "name": name,
        "facts": [{"zh": each.zh, "en": each.en, "value": each.value} for each in content.facts],
        "serials": list(content.serials),
        "seal_sha256": seal_sha256,
        "replaces": replaces,
    }
