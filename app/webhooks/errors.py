"""Errors of webhooks."""

from accounts.errors import DomainError, NotFound


class WebhookNotFound(NotFound):
    """No such endpoint of the caller's organisation."""

    code = "webhook.not_found"


class DeliveryNotFound(NotFound):
    """No such delivery of this endpoint, or it is dropped already."""

    code = "webhook.delivery_not_found"


class EditedMeanwhile(DomainError):
    """The endpoint changed since the caller read it."""

    code = "webhook.edited_meanwhile"


class VersionMissing(DomainError):
    """The write does not name the version it was made from."""

    code = "webhook.if_match_missing"


class TooMany(DomainError):
    """The organisation has as many endpoints as it may."""

    code = "webhook.too_many"
