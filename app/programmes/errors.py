"""What can be refused of a programme's or campaign's way from draft to force."""

from accounts.errors import DomainError, NotFound


class TextNotFound(NotFound):
    """No such programme or campaign within the caller's rights."""

    code = "programme.not_found"


class OutOfRegion(DomainError):
    """The region is not the caller's."""

    code = "programme.out_of_region"


class EtagMissing(DomainError):
    """A write names the state that it was made from."""

    code = "programme.if_match_missing"


class EditedMeanwhile(DomainError):
    """Somebody changed it since the caller read it."""

    code = "programme.edited_meanwhile"


class Immutable(DomainError):
    """What is approved does not change."""

    code = "programme.immutable"


class ApproveOwn(DomainError):
    """An author approves nothing of their own."""

    code = "programme.approve_own"


class LeadTooShort(DomainError):
    """All processes have to know before it counts."""

    code = "programme.lead_too_short"


class DayTaken(DomainError):
    """Another approved version of the region begins on that day."""

    code = "programme.day_taken"


class Ended(DomainError):
    """It is over already, or does not count."""

    code = "programme.ended"
