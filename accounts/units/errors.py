"""What can go wrong with units."""

from accounts.errors import DomainError, NotFound


class InsufficientUnits(DomainError):
    """The account does not hold so many units freely, or the lock does not have them."""

    code = "units.insufficient"


class AlreadyIssued(DomainError):
    """Units of this issuance or stock are issued already."""

    code = "units.already_issued"


class SubjectUsed(DomainError):
    """Something else was locked, retired or cancelled for the same subject before."""

    code = "units.subject_used"


class LockNotFound(NotFound):
    """No such lock."""

    code = "units.lock_not_found"
