"""What can go wrong with enterprises."""

from accounts.errors import DomainError, NotFound


class EnterpriseNotFound(NotFound):
    """No such enterprise within the caller's rights."""

    code = "enterprise.not_found"


class SiteNotFound(NotFound):
    """The enterprise has no such site."""

    code = "enterprise.site_not_found"


class LineNotFound(NotFound):
    """The enterprise has no such line, or not at this site."""

    code = "enterprise.line_not_found"


class MeterNotFound(NotFound):
    """The enterprise has no such meter."""

    code = "enterprise.meter_not_found"


class MemberNotFound(NotFound):
    """Nobody of that id is a member, or no such invitation or client."""

    code = "enterprise.member_not_found"


class EnterpriseExists(DomainError):
    """The holder is an enterprise already."""

    code = "enterprise.exists"


class EnterpriseNotOrganisation(DomainError):
    """The credit code belongs to an account that is no organisation's, or is closed."""

    code = "enterprise.not_organisation"


class EnterpriseOutOfRegion(DomainError):
    """The region is none of the operator's."""

    code = "enterprise.out_of_region"


class MeterNumberTaken(DomainError):
    """A meter of the enterprise has that number."""

    code = "enterprise.meter_number_taken"


class MeterRemoved(DomainError):
    """What was removed does not change any more."""

    code = "enterprise.meter_removed"


class TooManyParts(DomainError):
    """The enterprise has as many of them as one may have."""

    code = "enterprise.too_many"


class EnterpriseIfMatchMissing(DomainError):
    """A write names the version that it was made from."""

    code = "enterprise.if_match_missing"


class EnterpriseEditedMeanwhile(DomainError):
    """Somebody changed it since it was read."""

    code = "enterprise.edited_meanwhile"


class InvitationInvalid(NotFound):
    """No invitation that counts has this code."""

    code = "enterprise.invitation_invalid"


class AlreadyEnterpriseMember(DomainError):
    """Who is a member is not made one again."""

    code = "enterprise.already_member"


class LastOwner(DomainError):
    """An enterprise keeps an owner."""

    code = "enterprise.last_owner"
