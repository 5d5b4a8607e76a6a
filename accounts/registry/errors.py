"""What can go wrong with registry accounts."""

from accounts.errors import DomainError, NotFound


class AccountNotFound(NotFound):
    """No such registry account within the caller's rights."""

    code = "registry_account.not_found"


class AccountFrozen(DomainError):
    """By order nothing leaves the account."""

    code = "registry_account.frozen"


class AccountEditedMeanwhile(DomainError):
    """The limits have another version than the one that the write was made from."""

    code = "registry_account.edited_meanwhile"


class AccountIfMatchMissing(DomainError):
    """Limits are changed by who saw them."""

    code = "registry_account.if_match_missing"


class NotFrozen(DomainError):
    """No order is in force that could be lifted."""

    code = "registry_account.not_frozen"


class TransferNotFound(NotFound):
    """No such transfer of the account."""

    code = "unit_transfer.not_found"


class TransferDecided(DomainError):
    """The transfer is past this step."""

    code = "unit_transfer.decided"


class TransferOverLimit(DomainError):
    """More than the account may transfer at once, or in a day."""

    code = "unit_transfer.over_limit"


class TransferToSelf(DomainError):
    """The account that units would come from and go to is the same."""

    code = "unit_transfer.to_self"


class TransferApproveOwn(DomainError):
    """A second client approves what the first proposed."""

    code = "unit_transfer.approve_own"


class PledgeNotFound(NotFound):
    """No such pledge of the account, or to the bank."""

    code = "unit_pledge.not_found"


class BankNotFound(NotFound):
    """No bank of that id."""

    code = "unit_pledge.bank_not_found"
