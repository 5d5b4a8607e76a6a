"""What is refused of certificates and seals."""

from accounts.errors import DomainError, NotFound


class CertificateUnknown(NotFound):
    """No such certificate, or not the caller's."""

    code = "certificate.not_found"


class CertificateMistyped(DomainError):
    """What was given is no number of a certificate: its check digits do not fit."""

    code = "certificate.mistyped"


class CertificateRevoked(DomainError):
    """A revoked certificate is not reissued, and not revoked again."""

    code = "certificate.revoked"


class NoSeal(NotFound):
    """The organisation has uploaded no seal."""

    code = "certificate.no_seal"


class SealUnfit(DomainError):
    """No PNG of the size that a seal may have."""

    code = "certificate.seal_unfit"
