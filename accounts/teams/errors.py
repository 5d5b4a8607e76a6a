"""What can go wrong with teams."""

from accounts.errors import DomainError, NotFound


class TeamNotFound(NotFound):
    """No such team of this holder, or no team with this code."""

    code = "team.not_found"


class TeamFull(DomainError):
    """The team has as many members as its kind may have."""

    code = "team.full"


class TooManyTeams(DomainError):
    """The holder is in as many teams as one may be."""

    code = "team.too_many"


class AlreadyMember(DomainError):
    """Who is in a team does not join it again."""

    code = "team.already_member"


class NotOwner(DomainError):
    """Only the owner does this."""

    code = "team.not_owner"
