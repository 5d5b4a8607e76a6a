"""What can be refused of a recalculation's way."""

from accounts.errors import DomainError, NotFound


class RecalculationNotFound(NotFound):
    """No such recalculation within the caller's rights."""

    code = "recalculation.not_found"


class WrongState(DomainError):
    """The step does not follow the state that the recalculation is in."""

    code = "recalculation.wrong_state"


class NotPast(DomainError):
    """The text begins on a day to come: nothing is credited by another, and it is activated as any version."""

    code = "recalculation.not_past"


class AlreadyRequested(DomainError):
    """The version has a recalculation that is not over."""

    code = "recalculation.already_requested"


class PreviewStale(DomainError):
    """Since the preview other versions hold the days that it would take."""

    code = "recalculation.preview_stale"
