"""Errors of disputes."""

from accounts.errors import DomainError, NotFound


class DisputeNotFound(NotFound):
    """No such dispute within the caller's rights."""

    code = "dispute.not_found"


class AlreadyDisputed(DomainError):
    """An activity is disputed by one at a time, and by each party until it is decided once."""

    code = "dispute.exists"


class TooManyDisputes(DomainError):
    """So many of the party's disputes are open already."""

    code = "dispute.too_many"


class NotDisputable(DomainError):
    """The activity was reversed, waits, or has been part of a move: there is nothing to decide."""

    code = "dispute.not_disputable"


class DisputeDecided(DomainError):
    """A dispute is decided or withdrawn once."""

    code = "dispute.decided"


class NotMovable(DomainError):
    """There is no claim that could be moved to this activity."""

    code = "dispute.not_movable"
