"""What can go wrong with ranks."""

from accounts.errors import DomainError


class RanksUnavailable(DomainError):
    """Redis is away, or the ranks are not built yet; nothing else depends on them."""

    code = "ranks.unavailable"

    def __init__(self) -> None:
        super().__init__(retry_after_s=30)
