"""What can be refused of settlements."""

from accounts.errors import DomainError, NotFound


class SettlementNotFound(NotFound):
    """No such statement, or not the caller's."""

    code = "settlement.not_found"


class MerchantNotFound(NotFound):
    """No merchant with an offer that was approved in this region, or not the caller's region."""

    code = "settlement.merchant_not_found"


class PeriodNotOver(DomainError):
    """A period is settled when it is over."""

    code = "settlement.period_not_over"


class AlreadyIssued(DomainError):
    """There is a statement up to that moment, or beyond it."""

    code = "settlement.already_issued"


class NothingDue(DomainError):
    """No entry of the period waits for a statement."""

    code = "settlement.nothing_due"


class SettlementVersionMissing(DomainError):
    """A write names the version that it was made from."""

    code = "settlement.if_match_missing"


class SettlementChangedMeanwhile(DomainError):
    """It has changed since the caller read it."""

    code = "settlement.changed_meanwhile"


class SettlementWrongState(DomainError):
    """The step does not follow the state it is in."""

    code = "settlement.wrong_state"


class LineUnknown(DomainError):
    """The statement has no such line; the faults say where."""

    code = "settlement.line_unknown"


class NothingPayable(DomainError):
    """The total is not above zero: nothing is paid, and what is below zero is carried over."""

    code = "settlement.nothing_payable"


class ApproveOwn(DomainError):
    """Nobody approves a payment that they proposed, or that pays what they corrected."""

    code = "settlement.approve_own"
