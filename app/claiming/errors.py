"""What can go wrong with a platform's claim beyond its outcome."""

from accounts.errors import DomainError, NotFound


class ClaimNotFound(NotFound):
    """No such claim of this platform."""

    code = "claim.not_found"


class AlreadyReleased(DomainError):
    """A claim is released once."""

    code = "claim.already_released"


class NotHeld(DomainError):
    """A claim that was lost holds nothing that could be released."""

    code = "claim.not_held"


class ClaimUnprocessable(DomainError):
    """The database refuses this very claim."""

    code = "claim.unprocessable"
