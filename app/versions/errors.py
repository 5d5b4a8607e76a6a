"""What can be refused of a methodology's way from draft to force."""

from accounts.errors import DomainError, Fault, NotFound


class RevisionNotFound(NotFound):
    """No such methodology version within the caller's rights."""

    code = "methodology.not_found"


class ExclusionNotFound(NotFound):
    """No such exclusion within the caller's rights."""

    code = "methodology.exclusion_not_found"


class AdoptionNotFound(NotFound):
    """No such adoption within the caller's rights."""

    code = "methodology.adoption_not_found"


class OutOfRegion(DomainError):
    """The region is not the caller's."""

    code = "methodology.out_of_region"


class VersionExists(DomainError):
    """Region, code and version are taken."""

    code = "methodology.version_exists"


class DoesNotHold(DomainError):
    """The text does not pass its checks; the faults say where and why."""

    code = "methodology.invalid"


class EtagMissing(DomainError):
    """A write names the state that it was made from."""

    code = "methodology.if_match_missing"


class EditedMeanwhile(DomainError):
    """Somebody changed it since the caller read it."""

    code = "methodology.edited_meanwhile"


class Immutable(DomainError):
    """What is approved does not change."""

    code = "methodology.immutable"


class WrongState(DomainError):
    """The step does not follow the state it is in."""

    code = "methodology.wrong_state"


class ApproveOwn(DomainError):
    """Nobody approves what they wrote or proposed."""

    code = "methodology.approve_own"


class NotActivatable(DomainError):
    """A text for demonstrations never becomes active where real residents depend on it."""

    code = "methodology.not_activatable"


class LeadTooShort(DomainError):
    """All processes have to know before it counts."""

    code = "methodology.lead_too_short"


class PeriodsOverlap(DomainError):
    """Two texts of one region and scene would be in force on one day."""

    code = "methodology.periods_overlap"


class DaysCredited(DomainError):
    """Acts of these days are credited by another text already."""

    code = "methodology.days_credited"


class LeavesGap(DomainError):
    """Days would be left without a version, and nobody said that this is meant."""

    code = "methodology.leaves_gap"


class DaysInForce(DomainError):
    """Another text goes on counting for these days until the moment of activation."""

    code = "methodology.days_in_force"


def at(pointer: str, zh: str, en: str) -> Fault:
    """A fault with its sentence in both languages."""
    return Fault(pointer, en, zh)
