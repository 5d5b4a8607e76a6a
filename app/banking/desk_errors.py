"""What can go wrong with human reviews and with the channel of score exports."""

from accounts.errors import DomainError, NotFound


class AnswerNotFound(NotFound):
    """No answer to a bank has this id in the holder's access log."""

    code = "score_review.answer_not_found"


class ReviewExists(DomainError):
    """An answer is reviewed once."""

    code = "score_review.exists"


class TooManyReviews(DomainError):
    """So many reviews of the holder wait already."""

    code = "score_review.too_many"


class ReviewNotFound(NotFound):
    """No such review within the caller's rights."""

    code = "score_review.not_found"


class ReviewOver(DomainError):
    """The review was answered already."""

    code = "score_review.over"


class ChannelNotFound(NotFound):
    """No such channel within the caller's rights."""

    code = "score_channel.not_found"


class ChannelExists(DomainError):
    """The bank has a channel that is in force; it is ended first."""

    code = "score_channel.exists"


class ChannelApprovedAlready(DomainError):
    """The channel is approved, or over."""

    code = "score_channel.approved"


class ChannelApproveOwn(DomainError):
    """Who proposed a channel does not approve it."""

    code = "score_channel.approve_own"


class ChannelMissing(DomainError):
    """No lawful channel for exports of scores to this bank is in force."""

    code = "bank.no_channel"


class MonitorNotFound(NotFound):
    """The bank does not monitor this customer."""

    code = "bank.not_monitored"


class NotScored(DomainError):
    """The customer has no score by this card. That it was asked for is in the access log."""

    code = "bank.not_scored"
    recorded = True
