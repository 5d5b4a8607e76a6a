"""Errors of payments."""

from accounts.errors import DomainError, NotFound


class PaymentNotFound(NotFound):
    """No such payment within the caller's rights."""

    code = "payment.not_found"


class PaymentsNotOffered(NotFound):
    """No provider of payments is set up here."""

    code = "payment.not_offered"


class NotPayable(DomainError):
    """The order does not wait for a payment, or its time is nearly over."""

    code = "payment.not_payable"


class PaymentRefused(DomainError):
    """The provider refused the payment."""

    code = "payment.refused"


class PaymentsAway(DomainError):
    """The provider does not answer, or not so that it can be believed."""

    code = "payment.unavailable"


class NotificationRefused(DomainError):
    """A notification that the provider did not sign."""

    code = "payment.notification_refused"
