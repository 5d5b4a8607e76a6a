"""Errors of reviews."""

from accounts.errors import DomainError, NotFound


class ReviewNotFound(NotFound):
    """No such act was held in the caller's region."""

    code = "review.not_found"


class ReviewDecided(DomainError):
    """A held act is decided once."""

    code = "review.decided"
