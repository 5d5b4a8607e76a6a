"""What can go wrong between neighbours."""

from accounts.errors import DomainError, NotFound


class NeighbourNotFound(NotFound):
    """No such neighbour."""

    code = "neighbour.not_found"


class DoubleNotFound(NotFound):
    """The act is not claimed in both deployments, or not the caller's to see."""

    code = "neighbour.double_not_found"


class NotLost(DomainError):
    """The act is kept on this side, or it is reversed or released already."""

    code = "neighbour.not_lost"


class CursorInvalid(DomainError):
    """The cursor is none of this export."""

    code = "neighbour.cursor_invalid"


class Unreachable(Exception):
    """A neighbour, or the evaluator of the federation, does not answer as it should; the text says how, no value."""


class Forged(Unreachable):
    """What came does not carry the neighbour's signature."""
