"""What can go wrong with blind evaluation."""

from accounts.errors import DomainError


class ElementInvalid(DomainError):
    """An element is no canonical encoding of the group, or its identity."""

    code = "tokens.element_invalid"


class KeyUnknown(DomainError):
    """The key is none that is live."""

    code = "tokens.key_unknown"
