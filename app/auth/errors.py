"""What a resident who signs in is told."""

from accounts.errors import DomainError, NotFound


class MethodOff(DomainError):
    """A way to sign in that is not set up here."""

    code = "sign_in.method_off"


class BindingInvalid(DomainError):
    """The binding token is none, or too old."""

    code = "sign_in.binding_invalid"


class AgeUndeclared(DomainError):
    """A new account is for those who are 14; a child's is made by its guardian."""

    code = "sign_in.age_undeclared"


class SmsNeeded(DomainError):
    """The number has an account: WeChat's word does not open it."""

    code = "sign_in.sms_needed"


class PhoneUnproven(DomainError):
    """The number has an account, and may have changed hands since its owner last proved it."""

    code = "sign_in.phone_unproven"


class RealNameNeeded(DomainError):
    """Two accounts that both have history are not made one by a phone number."""

    code = "holder.real_name_needed"


class BothHaveHistory(DomainError):
    """One person by real name, and two accounts with entries: entries never move."""

    code = "holder.both_have_history"


class HolderClosed(DomainError):
    """The account is closed."""

    code = "holder.closed"


class OfMinor(DomainError):
    """The account is a child's: its guardian acts for it."""

    code = "holder.minor"


class TooManyChildren(DomainError):
    """The guardian has as many children's accounts as one may have."""

    code = "holder.too_many_children"


class AlreadyProven(DomainError):
    """The account has another person's real name, or the number belongs to another account."""

    code = "holder.identity_conflict"


class RefreshInvalid(DomainError):
    """The refresh token is none, was used before, or its session ended."""

    code = "session.refresh_invalid"


class SessionNotFound(NotFound):
    """No such session of this holder."""

    code = "session.not_found"
