"""What can go wrong with proofs."""

from accounts.errors import DomainError, NotFound


class ProofNotFound(NotFound):
    """The entry is not the caller's, or in no issuance whose root is published."""

    code = "proof.not_found"


class TreeUnavailable(DomainError):
    """The tree of an issuance cannot be read here, or is not what it was."""

    code = "proof.unavailable"

    def __init__(self) -> None:
        super().__init__(retry_after_s=60)
