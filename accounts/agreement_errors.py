"""Errors of consents, mandates and bindings."""

from accounts.errors import DomainError, NotFound


class TextUnknown(DomainError):
    """The text version is not the one that is offered today for this group."""

    code = "consent.text_unknown"


class SourceUnknown(NotFound):
    """No platform has this id."""

    code = "consent.source_unknown"


class AccountClosed(DomainError):
    """The account takes no more writes."""

    code = "account.closed"


class ReceiptNotFound(NotFound):
    """No such receipt of this holder."""

    code = "receipt.not_found"


class TermsNotOffered(NotFound):
    """No applicant offers these terms now."""

    code = "mandate.terms_not_offered"


class TermsExist(DomainError):
    """The applicant has terms of this version."""

    code = "mandate.terms_exist"


class MandateOverlaps(DomainError):
    """Another mandate of the holder is in force in that time: what is issued is issued once."""

    code = "mandate.overlaps"


class MandateNotFound(NotFound):
    """No such mandate of this holder."""

    code = "mandate.not_found"


class MandateEnded(DomainError):
    """The mandate is over already."""

    code = "mandate.ended"


class LinkInvalid(NotFound):
    """The link is none of the caller's, was altered, or is too old."""

    code = "binding.link_invalid"


class LinkUsed(DomainError):
    """The link was redeemed, or its binding ended."""

    code = "binding.link_used"


class UserBound(DomainError):
    """The platform's user belongs to another account."""

    code = "binding.user_bound"


class BindingNotFound(NotFound):
    """No such binding of this holder."""

    code = "binding.not_found"
