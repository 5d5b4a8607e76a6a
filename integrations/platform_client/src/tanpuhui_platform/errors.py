"""What can go wrong. No text here ever holds an identifier, a blind or a key."""


class PlatformError(Exception):
    """Everything that this package raises."""


class IdentifierRefused(PlatformError, ValueError):
    """An identifier of which no person key is made; ``code`` is stable."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class ProofRefused(PlatformError):
    """The service did not evaluate by the key that it names: none of the batch may be used."""


class AnswerInvalid(PlatformError):
    """The service's answer does not fit what was asked."""


class ServiceRefused(PlatformError):
    """The service answered with a problem (RFC 9457)."""

    def __init__(self, status: int, code: str, retry_after_s: int | None = None) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
