"""What can be refused of offers and redemptions."""

from accounts.errors import DomainError, NotFound


class OfferNotFound(NotFound):
    """No such offer, or not the caller's."""

    code = "offer.not_found"


class OfferInvalid(DomainError):
    """The offer does not fit together; the faults say where."""

    code = "offer.invalid"


class OfferVersionMissing(DomainError):
    """A write names the version that it was made from."""

    code = "offer.if_match_missing"


class OfferEditedMeanwhile(DomainError):
    """Somebody changed it since the caller read it."""

    code = "offer.edited_meanwhile"


class OfferWrongState(DomainError):
    """The step does not follow the state it is in."""

    code = "offer.wrong_state"


class OfferOutOfRegion(DomainError):
    """The region is not the caller's."""

    code = "offer.out_of_region"


class OfferSuspended(DomainError):
    """An operator paused it, so an operator lets it go on."""

    code = "offer.suspended"


class CodesKnown(DomainError):
    """A code of the upload is known to the merchant already: each is given once."""

    code = "offer.codes_known"


class ShopNotFound(NotFound):
    """No such shop or till, or not the caller's."""

    code = "shop.not_found"


class OfferNotAvailable(DomainError):
    """The offer is paused, ended, not valid today, or rests on this day."""

    code = "offer.not_available"


class OutOfStock(DomainError):
    """Less is left than was ordered."""

    code = "offer.out_of_stock"


class LimitReached(DomainError):
    """The person has taken as much of the offer as a day, or the offer, allows."""

    code = "offer.limit_reached"


class PointsShort(DomainError):
    """The holder has fewer points of the programme than the price."""

    code = "redemption.points_short"


class HolderNotActive(DomainError):
    """The account is closed."""

    code = "redemption.holder_not_active"


class RedemptionNotFound(NotFound):
    """No such redemption, or not the caller's."""

    code = "redemption.not_found"


class RedemptionWrongState(DomainError):
    """The step does not follow the state it is in."""

    code = "redemption.wrong_state"


class TimedOut(DomainError):
    """The hold is over: points and stock go back."""

    code = "redemption.timed_out"


class PaymentDue(DomainError):
    """Confirmed by its payment, not by the holder."""

    code = "redemption.payment_due"


class CodeInvalid(DomainError):
    """No code of this service, or one that was changed or is too old: the resident's app shows a new one."""

    code = "redemption.code_invalid"


class AlreadyFulfilled(DomainError):
    """A code is taken once."""

    code = "redemption.already_fulfilled"


class CodeLapsed(DomainError):
    """The days for which the code was good are over."""

    code = "redemption.code_lapsed"


class WrongTill(DomainError):
    """The code is bound to another till, or the offer is not for this shop."""

    code = "redemption.wrong_till"
