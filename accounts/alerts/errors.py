"""What can go wrong with alerts."""

from accounts.errors import DomainError, NotFound


class AlertNotFound(NotFound):
    """The enterprise has no such alert."""

    code = "alert.not_found"


class AlertClosed(DomainError):
    """What was closed stays so."""

    code = "alert.closed"
