"""What can go wrong with registry accounts."""

from accounts.errors import DomainError, NotFound


class AccountNotFound(NotFound):
    """No such registry account within the caller's rights."""

    code = "registry_account.not_found"


class AccountFrozen(DomainError):
    """By order nothing leaves the account."""

    code = "registry_account.frozen"
