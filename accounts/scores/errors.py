"""What can go wrong with scores."""

from accounts.errors import DomainError, NotFound


class CardNotFound(NotFound):
    """No such score card, or none in force where the holder is."""

    code = "score.card_not_found"


class CardChanged(DomainError):
    """A version whose text is known here comes with another text: a change is a new version."""

    code = "score.card_changed"


class ConductNotFound(NotFound):
    """No such record of a conduct within the caller's rights."""

    code = "score.conduct_not_found"


class ConductWithdrawn(DomainError):
    """The record is withdrawn already."""

    code = "score.conduct_withdrawn"
