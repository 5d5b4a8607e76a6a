"""What can be refused of instructions to exchanges."""

from accounts.errors import DomainError, NotFound


class ExchangeNotFound(NotFound):
    """No exchange of that code is connected."""

    code = "exchange.not_found"


class InstructionNotFound(NotFound):
    """No such instruction within the caller's rights."""

    code = "exchange_instruction.not_found"


class InstructionWrongState(DomainError):
    """The step does not follow the state that the instruction is in."""

    code = "exchange_instruction.wrong_state"


class ApproveOwnInstruction(DomainError):
    """Nobody approves what they staged."""

    code = "exchange_instruction.approve_own"


class InstructionExists(DomainError):
    """The same is staged, approved or done already."""

    code = "exchange_instruction.exists"


class ExchangeAccountMissing(DomainError):
    """The account's owner has no account at the exchange."""

    code = "exchange_instruction.no_account"


class DeliveryNotDone(DomainError):
    """No delivery to this exchange that is done and stands."""

    code = "exchange_instruction.no_delivery"
