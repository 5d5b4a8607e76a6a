"""What can go wrong between holders and banks."""

from accounts.errors import DomainError, NotFound


class AccessRefused(DomainError):
    """No live grant of this holder to this bank for this purpose and scope; the same for one that is unknown.

    The refusal is in the holder's access log, so what was written before it stays.
    """

    code = "bank.access_refused"
    recorded = True


class BankUnknown(NotFound):
    """No bank has this id."""

    code = "bank.unknown"


class BankGrantNotFound(NotFound):
    """No such grant of this holder."""

    code = "bank_grant.not_found"


class BankGrantEnded(DomainError):
    """The grant is over already."""

    code = "bank_grant.ended"


class PeriodRefused(DomainError):
    """A grant ends in the future, and within five years."""

    code = "bank_grant.period"
