"""One person, many sign-ins: whose account a proof opens, and when two accounts become one.

Phone numbers are recycled, so a number alone opens an account only where nobody else can have got it since it was
last proven: within `trust`, which is at least as long as carriers keep a number out of use. The rules are those of
docs/residents.md; `decide` is all of them, and pure.
"""

import datetime
import enum
from dataclasses import dataclass
from uuid import UUID

from app.auth.errors import PhoneUnproven, RealNameNeeded, SmsNeeded


class Proof(enum.StrEnum):
    """Who says that an identifier is the holder's; strongest is what is proven now by SMS."""

    ONBOARDING = "onboarding"
    SMS = "sms"
    WECHAT = "wechat"
    PROVIDER = "provider"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Account:
    """An account that an identifier leads to. `blank`: it has no entry and no activity.

    `proof` and `proven_at` are of the identifier; `founding`: the account was made with it and no other.
    """

    holder_id: UUID
    proof: Proof
    proven_at: datetime.datetime
    blank: bool
    founding: bool = False


class Step(enum.Enum):
    """What becomes of the accounts that the proofs lead to."""

    OPEN = enum.auto()
    """`holder` is opened; identifiers that nobody has become its own."""
    CREATE = enum.auto()
    """A new account is made for the identifiers that nobody has."""
    TAKE_NUMBER = enum.auto()
    """The number leaves its former account for `holder`, or for a new one: it has a new owner."""
    ABSORB = enum.auto()
    """`absorbed`, which is blank, closes, and what leads to it leads to `holder`."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A step; `holder` None is a new account."""

    step: Step
    holder: UUID | None = None
    absorbed: UUID | None = None


@dataclass(frozen=True, slots=True)
class PhoneProof:
    """A number that was proven now, by SMS or by WeChat's word, and whose it was till now.

    `new_owner`: the person says to have got the number newly, and that the account under it is somebody else's.
    """

    by: Proof
    account: Account | None
    new_owner: bool = False


def trusted(account: Account, trust: datetime.timedelta, now: datetime.datetime) -> bool:
    """Whether nobody else can have got the number since it was last proven.

    What WeChat vouched for may have been another's already at that time, so it never is. What a platform or an
    operator says of a number counts where the account was made with it: nobody adds a number to an account that is
    there, and then walks in by it.
    """
    known = account.founding if account.proof is Proof.ONBOARDING else account.proof is not Proof.WECHAT
    return known and account.proven_at > now - trust


def decide(
    known: Account | None,
    phone: PhoneProof | None,
    trust: datetime.timedelta,
    now: datetime.datetime,
) -> Decision:
    """What to do with the account `known` by a provider's identity or by the present session, and with a phone.

    Raises `PhoneUnproven`, `SmsNeeded`, `RealNameNeeded`.
    """
    if phone is None or phone.account is None:
        return Decision(Step.CREATE) if known is None else Decision(Step.OPEN, known.holder_id)
    found = phone.account
    if known is not None and known.holder_id == found.holder_id:
        return Decision(Step.OPEN, known.holder_id)
    if phone.by is Proof.WECHAT:
        # WeChat may vouch for a number that its user gave up long ago and that is this account's owner's by now.
        raise SmsNeeded
    if not trusted(found, trust, now):
        if not phone.new_owner:
            raise PhoneUnproven
        return Decision(Step.TAKE_NUMBER, None if known is None else known.holder_id)
    if known is None:
        return Decision(Step.OPEN, found.holder_id)
    return merge(known, found)


def merge(first: Account, second: Account) -> Decision:
    """Make one of two accounts of one person: the blank one is absorbed. Raises `RealNameNeeded`."""
    if second.blank:
        return Decision(Step.ABSORB, first.holder_id, second.holder_id)
    if first.blank:
        return Decision(Step.ABSORB, second.holder_id, first.holder_id)
    raise RealNameNeeded
