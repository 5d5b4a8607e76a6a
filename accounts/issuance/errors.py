"""What can go wrong with issuances."""

from accounts.errors import DomainError, NotFound


class IssuanceNotFound(NotFound):
    """No such issuance within the caller's rights."""

    code = "issuance.not_found"


class IssuanceVersionMissing(DomainError):
    """A step names the version that it was decided on."""

    code = "issuance.version_missing"


class IssuanceChangedMeanwhile(DomainError):
    """The issuance is not as the caller saw it."""

    code = "issuance.changed_meanwhile"


class IssuanceWrongState(DomainError):
    """The issuance is not in a state for this step."""

    code = "issuance.wrong_state"


class NotIssuable(DomainError):
    """The methodology is not known here, or not issuable."""

    code = "issuance.not_issuable"


class NothingBooked(DomainError):
    """Nothing was ever booked under the methodology and vintage."""

    code = "issuance.nothing_booked"


class PeriodTaken(DomainError):
    """A period begins where the one before ends, and no other issuance of the same reductions overlaps it."""

    code = "issuance.period_taken"


class PeriodRuns(DomainError):
    """The booking period is not over."""

    code = "issuance.period_runs"


class EarlierOpen(DomainError):
    """The issuance before this one is not issued yet: what it carries is not known."""

    code = "issuance.earlier_open"


class ActNotInPeriod(DomainError):
    """An act has nothing in this period that could stay out of it; the faults tell which."""

    code = "issuance.act_not_in_period"


class ExclusionNotFound(NotFound):
    """No such exclusion of this issuance."""

    code = "issuance.exclusion_not_found"


class NoticeRuns(DomainError):
    """The public notice is not over."""

    code = "issuance.notice_runs"


class ObjectionsOpen(DomainError):
    """Objections are not answered, or one was upheld: the period has to be closed anew."""

    code = "issuance.objections_open"


class ObjectionNotFound(NotFound):
    """No such objection to this issuance."""

    code = "issuance.objection_not_found"


class ObjectionDecided(DomainError):
    """The objection has its answer."""

    code = "issuance.objection_decided"


class SecondOperator(DomainError):
    """Who opened an issuance does not approve it."""

    code = "issuance.second_operator"


class EvidenceNotFound(NotFound):
    """No such file of evidence, or not yet."""

    code = "issuance.evidence_not_found"


class CalendarEnds(DomainError):
    """The calendar of working days does not reach so far; it is data that is published once a year."""

    code = "issuance.calendar_ends"
