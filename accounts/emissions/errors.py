"""What can go wrong with emissions."""

from accounts.errors import DomainError, NotFound


class FactorUnfit(DomainError):
    """A factor that could not be used as it is written."""

    code = "emissions.factor_unfit"


class EmissionFactorNotFound(NotFound):
    """No such factor within the caller's rights."""

    code = "emissions.factor_not_found"


class FactorApproveOwn(DomainError):
    """A second operator puts a factor in force."""

    code = "emissions.approve_own"


class FactorDecided(DomainError):
    """The factor is in force already."""

    code = "emissions.factor_decided"


class FactorOutOfRegion(DomainError):
    """The region is none of the operator's."""

    code = "emissions.out_of_region"


class FuelUnfit(DomainError):
    """The meter measures no such fuel, or coal without the furnace in which it burns."""

    code = "emissions.fuel_unfit"


class CertificateUsed(DomainError):
    """A certificate counts once, whoever entered it."""

    code = "emissions.certificate_used"


class CertificateNotFound(NotFound):
    """No such certificate of the enterprise, or it was withdrawn."""

    code = "emissions.certificate_not_found"


class ProcessNotFound(NotFound):
    """No such process emissions of the enterprise."""

    code = "emissions.process_not_found"


class ProcessReplaced(DomainError):
    """Another row has replaced it."""

    code = "emissions.process_replaced"


class StatementNotFound(NotFound):
    """No statement of that month was kept by then."""

    code = "emissions.statement_not_found"
