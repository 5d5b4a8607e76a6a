"""What can go wrong with quotas."""

from accounts.errors import DomainError, NotFound


class QuotaExhausted(DomainError):
    """Nothing, or less than was asked for, is left of the day's quota and of what operators granted."""

    code = "quota.exhausted"


class OrganisationNotFound(NotFound):
    """No such platform in the operator's region."""

    code = "quota.organisation_not_found"


class GrantInvalid(DomainError):
    """The grant is over before it begins, or already."""

    code = "quota.grant_invalid"
