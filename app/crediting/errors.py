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


class PointsSpent(DomainError):
    """The points of the credit are no longer in the lot they were earned into."""

    code = "activity.points_spent"
