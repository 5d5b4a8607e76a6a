"""What providers of sign-ins answer that a caller is told of. No text of a provider is passed on."""

from accounts.errors import DomainError


class CodeRefused(DomainError):
    """The code is wrong, used or too old."""

    code = "sign_in.code_wrong"


class PersonBlocked(DomainError):
    """The provider holds this user to be high-risk."""

    code = "sign_in.blocked"


class PhoneRefused(DomainError):
    """No mainland mobile number, or one that the gateway does not send to."""

    code = "sign_in.phone_refused"


class ProviderBusy(DomainError):
    """The provider is away, slow, or has been asked too often."""

    code = "sign_in.provider_busy"

    def __init__(self, retry_after_s: int = 5) -> None:
        super().__init__(retry_after_s=retry_after_s)


class ProviderFailed(DomainError):
    """The provider answers what its protocol does not have, or refuses this deployment."""

    code = "sign_in.provider_failed"
