"""What can go wrong with readings."""

from accounts.errors import DomainError


class ReadingUnprocessable(DomainError):
    """The database refuses this very reading."""

    code = "reading.unprocessable"


class NotCumulative(DomainError):
    """Only a cumulative register begins anew with another meter."""

    code = "metering.not_cumulative"


class ExchangeExists(DomainError):
    """Another exchange of this meter is known for that time."""

    code = "metering.exchange_exists"
