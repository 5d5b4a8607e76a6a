"""What can go wrong with a report beyond its outcome."""

from accounts.errors import DomainError, NotFound


class StorageUnavailable(DomainError):
    """The database is away or too busy: nothing of the report is stored, and it may come again."""

    code = "storage.unavailable"

    def __init__(self) -> None:
        super().__init__(retry_after_s=2)


class Unprocessable(DomainError):
    """The database refuses this very report."""

    code = "activity.unprocessable"


class EventConflict(DomainError):
    """The same event id came with another body."""

    code = "activity.event_id_conflict"


class ActivityNotFound(NotFound):
    """No such activity within the caller's rights."""

    code = "activity.not_found"


class AlreadyReversed(DomainError):
    """An activity is reversed once."""

    code = "activity.already_reversed"


class NotReversible(DomainError):
    """Only what was credited can be reversed."""

    code = "activity.not_reversible"


class MethodologiesStale(DomainError):
    """The process cannot be sure that it knows the texts in force, and credits nothing until it does."""

    code = "methodology.stale"

    def __init__(self) -> None:
        super().__init__(retry_after_s=1)


class NotPending(DomainError):
    """Only an act that waits to be collected can be collected, once."""

    code = "activity.not_pending"


class NotCollectableYet(DomainError):
    """The methodology lets the credit be collected from a later day on."""

    code = "activity.not_collectable_yet"


class Lapsed(DomainError):
    """The days in which the credit could be collected are over."""

    code = "activity.lapsed"


class WithoutConsent(DomainError):
    """The holder's consent is no longer live, or the account is not active."""

    code = "activity.no_consent"


class ClaimHeld(DomainError):
    """What the act would claim is another activity's."""

    code = "activity.claimed"


class CapReached(DomainError):
    """The caps of the act's own day leave nothing."""

    code = "activity.cap_reached"
