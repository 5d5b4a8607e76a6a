"""What can go wrong with footprints and offsets."""

from accounts.errors import DomainError, NotFound


class FootprintNotFound(NotFound):
    """No such footprint of this holder."""

    code = "footprint.not_found"


class NoFactor(DomainError):
    """The facts have no factor for an item, and none is invented; the faults tell which and why."""

    code = "footprint.no_factor"


class FootprintOffset(DomainError):
    """A footprint is offset once."""

    code = "footprint.already_offset"


class NotEnoughGrams(DomainError):
    """Fewer grams are open than were to be used."""

    code = "offset.not_enough_grams"


class AccountNotActive(DomainError):
    """The account is closed."""

    code = "offset.account_not_active"


class CertificateNotFound(NotFound):
    """No certificate has this number."""

    code = "certificate.not_found"


class GramsUsed(DomainError):
    """The grams of a credit are no longer open: an offset has used them."""

    code = "activity.grams_used"
