"""What can go wrong with carbon-neutral events."""

from accounts.errors import DomainError, NotFound


class EventNotFound(NotFound):
    """No such event within the caller's rights, or no event with this code."""

    code = "event.not_found"


class PoolNotFound(NotFound):
    """No such pool, or it is closed."""

    code = "event_pool.not_found"


class PoolOutOfRegion(DomainError):
    """The region is none of the operator's."""

    code = "event_pool.out_of_region"


class EventOrderNotFound(NotFound):
    """No such order of the caller's."""

    code = "event_order.not_found"


class ShareNotFound(NotFound):
    """No such share within the caller's rights."""

    code = "event_share.not_found"


class EventCovered(DomainError):
    """Less is left to be covered than was to be ordered."""

    code = "event.covered"


class StockTooSmall(DomainError):
    """The pool has not so many kg left; the event or the order is as it was."""

    code = "event_pool.stock_too_small"


class ShareOrdered(DomainError):
    """The share is paid, or an order for it waits."""

    code = "event_share.ordered"


class EventFull(DomainError):
    """As many participants as the organiser said have taken their shares."""

    code = "event.full"


class OrderOver(DomainError):
    """The order does not wait for its payment any more."""

    code = "event_order.over"
