"""What can go wrong with the footprint of an event."""

from accounts.errors import DomainError


class UnknownFactor(DomainError):
    """No factor is known for something, and none is invented; the faults tell what, why and what can be given."""

    code = "event_footprint.unknown_factor"


class NothingEmitted(DomainError):
    """What was entered emits nothing, or more than any event does."""

    code = "event_footprint.out_of_range"
