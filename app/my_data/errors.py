"""Errors of exports, erasure and corrections."""

from accounts.errors import DomainError, NotFound


class ExportNotFound(NotFound):
    """No such export of this holder, or no longer, or the link is too old."""

    code = "export.not_found"


class ErasureNotFound(NotFound):
    """The holder did not ask to be forgotten, or cancelled it."""

    code = "erasure.not_found"


class CorrectionNotFound(NotFound):
    """No such request within the caller's rights."""

    code = "correction.not_found"


class CorrectionDecided(DomainError):
    """The request is decided already."""

    code = "correction.decided"


class TooManyCorrections(DomainError):
    """As many requests of the holder wait as may wait."""

    code = "correction.too_many"
