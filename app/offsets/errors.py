"""What can be refused of obligations and of what is filed against them."""

from accounts.errors import DomainError, NotFound


class ObligationNotFound(NotFound):
    """No such obligation within the caller's rights."""

    code = "obligation.not_found"


class ObligationExists(DomainError):
    """The firm has an obligation on record in this market and period."""

    code = "obligation.exists"


class ObligationVersionMissing(DomainError):
    """A correction names the version that it corrects."""

    code = "obligation.if_match_missing"


class ObligationCorrectedMeanwhile(DomainError):
    """There is a newer version than the one that the correction was made from."""

    code = "obligation.corrected_meanwhile"


class ObligationBelowFiled(DomainError):
    """What is filed already would exceed the limits of the corrected figures."""

    code = "obligation.below_filed"


class FirmUnknown(DomainError):
    """No participant of that id."""

    code = "obligation.firm_unknown"


class MarketUnknown(DomainError):
    """No such carbon market."""

    code = "obligation.market_unknown"


class OriginUnknown(DomainError):
    """The caller holds no units of that origin."""

    code = "offset_filing.origin_unknown"


class OffsetRefused(DomainError):
    """A clause of the rule is broken; the faults name each."""

    code = "offset_filing.refused"


class OffsetUndetermined(DomainError):
    """A clause of the rule is not known, so nothing is filed by it; the faults name each."""

    code = "offset_filing.undetermined"


class FilingNotFound(NotFound):
    """No such filing within the caller's rights."""

    code = "offset_filing.not_found"


class FilingDecided(DomainError):
    """The filing is accepted, rejected or withdrawn."""

    code = "offset_filing.decided"


class AcceptOwnFiling(DomainError):
    """Another operator has to decide on what an operator filed."""

    code = "offset_filing.accept_own"
