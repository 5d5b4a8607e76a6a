"""What can go wrong with load shedding."""

from accounts.errors import DomainError, NotFound


class SheddingPlanNotFound(NotFound):
    """The enterprise has no such plan."""

    code = "load_shedding.plan_not_found"


class SheddingPlanDecided(DomainError):
    """The plan was accepted or dropped before."""

    code = "load_shedding.decided"


class SheddingPeriodInvalid(DomainError):
    """The period is over, lasts longer than a day, or begins too far ahead."""

    code = "load_shedding.period"


class SheddingNoLines(DomainError):
    """No line has data that a plan could count with."""

    code = "load_shedding.no_lines"


class SheddingFeedsInvalid(DomainError):
    """What feeds what runs in a circle, or too many lines hang together."""

    code = "load_shedding.feeds"


class SheddingOptionUnknown(DomainError):
    """The plan has no option of that number."""

    code = "load_shedding.option"
