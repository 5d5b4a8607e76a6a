"""What can be refused of products, quotes and loans."""

from accounts.errors import DomainError, NotFound


class ProductNotFound(NotFound):
    """No such product of the caller's bank."""

    code = "product.not_found"


class ProductCodeTaken(DomainError):
    """The bank has a product of that code already."""

    code = "product.code_taken"


class ProductBeginsInThePast(DomainError):
    """Terms never change for days that are over: quotes were given on them."""

    code = "product.begins_in_past"


class ProductIfMatchMissing(DomainError):
    """A write names the version that it was made from."""

    code = "product.if_match_missing"


class ProductEditedMeanwhile(DomainError):
    """There is a newer version than the one that the write was made from."""

    code = "product.edited_meanwhile"


class ProductNotInForce(DomainError):
    """No version of the product counts today."""

    code = "product.not_in_force"


class QuoteNotFound(NotFound):
    """No such quote of the caller's bank."""

    code = "quote.not_found"


class QuoteNotEligible(DomainError):
    """The quote granted nothing, so no loan stands on it."""

    code = "loan.quote_not_eligible"


class QuoteNotValidThen(DomainError):
    """The loan was granted on a day on which the quote did not count."""

    code = "loan.quote_not_valid"


class LoanNotFound(NotFound):
    """No such loan of the caller's bank."""

    code = "loan.not_found"


class LoanNumberTaken(DomainError):
    """The bank reported another loan under that number, or on that quote."""

    code = "loan.number_taken"


class LoanIfMatchMissing(DomainError):
    """A correction names the version that it corrects."""

    code = "loan.if_match_missing"


class LoanCorrectedMeanwhile(DomainError):
    """There is a newer version than the one that the correction was made from."""

    code = "loan.corrected_meanwhile"
