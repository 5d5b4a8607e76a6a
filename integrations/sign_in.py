"""The small interfaces behind which providers of sign-ins stand."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ProviderIdentity:
    """Who somebody is at a provider: (scheme, value, scope) of each identifier, in the clear, to be hashed at once.

    The scope is never empty, so that no other door can claim such an identifier.
    """

    identifiers: tuple[tuple[str, str, str], ...]

    def __repr__(self) -> str:
        return f"ProviderIdentity({[scheme for scheme, _, _ in self.identifiers]})"


class IdentityProvider(Protocol):
    """Exchanges the single-use code of an app for who its user is."""

    async def identify(self, code: str) -> ProviderIdentity:
        """Raises `CodeRefused`, `PersonBlocked`, `ProviderBusy`, `ProviderFailed`."""
        ...


class PhoneProvider(Protocol):
    """Exchanges a single-use code for the mobile number that the provider knows of its user."""

    async def phone_number(self, code: str) -> str:
        """The number; raises as `IdentityProvider` does, and `PhoneRefused`."""
        ...


class SmsGateway(Protocol):
    """Sends one-time codes."""

    async def send_code(self, phone: str, code: str) -> None:
        """Send to a number of the form +8613900000001; raises `PhoneRefused`, `ProviderBusy`, `ProviderFailed`."""
        ...
