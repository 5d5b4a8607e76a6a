"""What a statement with a merchant is: its states, its sums, its period. Pure."""

import datetime
import enum

from dedup.periods import LOCAL

LATE = datetime.timedelta(days=1)
"""An entry is visible so long after its booking time at the latest: a transaction lasts a minute at most."""
BY_JOB = "job"
"""Who issued what no client asked for."""


class State(enum.StrEnum):
    """How far a statement has come."""

    ISSUED = "issued"
    AGREED = "agreed"
    DISPUTED = "disputed"
    CORRECTED = "corrected"
    UPHELD = "upheld"
    IN_PAYMENT = "in_payment"
    PAID = "paid"


class Step(enum.StrEnum):
    """What is done with a statement."""

    AGREE = "agree"
    DISPUTE = "dispute"
    RESOLVE = "resolve"
    PROPOSE = "propose"
    REJECT = "reject"
    PAY = "pay"


FOLLOWS: dict[Step, tuple[State, ...]] = {
    Step.AGREE: (State.ISSUED, State.CORRECTED, State.UPHELD),
    Step.DISPUTE: (State.ISSUED, State.CORRECTED),
    Step.RESOLVE: (State.DISPUTED,),
    Step.PROPOSE: (State.AGREED, State.CORRECTED, State.UPHELD),
    Step.REJECT: (State.IN_PAYMENT,),
    Step.PAY: (State.IN_PAYMENT,),
}
"""Which states a step starts from."""


def whole_ms(moment: datetime.datetime) -> datetime.datetime:
    """The moment without what an entry's id does not tell: entries are told apart by milliseconds."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def month_start(moment: datetime.datetime) -> datetime.datetime:
    """The first moment of the local month."""
    return moment.astimezone(LOCAL).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(moment: datetime.datetime) -> datetime.datetime:
    """The first moment of the local month after."""
    return month_start(month_start(moment) + datetime.timedelta(days=32))


def starts_at(
    before: datetime.datetime | None, oldest: datetime.datetime | None, ends_at: datetime.datetime
) -> datetime.datetime:
    """Where a period begins that ends at `ends_at`: where the one `before` ended, but with no empty month ahead.

    `oldest` is when the first entry was booked. What was booked late, before the period, is in the statement as well.
    """
    begins = month_start(oldest) if oldest is not None else before
    if begins is None:
        begins = month_start(ends_at)
    if before is not None and before > begins:
        begins = before
    return begins


def next_end(before: datetime.datetime | None, oldest: datetime.datetime) -> datetime.datetime:
    """The end of the month that the next monthly statement is of."""
    return next_month(oldest if before is None or before < oldest else before)
