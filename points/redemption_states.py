"""What an offer says and what a redemption is: its states, and which step follows which. Pure."""

import datetime
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

IN_ALL = datetime.date(1970, 1, 1)
"""The day under which a person's limit for all days is kept."""
PAYMENT_GRACE = datetime.timedelta(minutes=5)
"""A payment that was made in time may be told of so much later."""
OFFLINE = datetime.timedelta(minutes=5)
"""For so long a code that is bound to a till is taken there without the network."""
UPLOAD_GRACE = datetime.timedelta(days=7)
"""A code that is bound to a till lapses so much later: the till may have taken it and tell of it only then."""


class OfferKind(enum.StrEnum):
    """What is given. None of them is a chance to win something."""

    VOUCHER = "voucher"
    CASH_OFF = "cash_off"
    TRANSIT_TICKET = "transit_ticket"
    PUBLIC_GOOD = "public_good"


class Delivery(enum.StrEnum):
    """How it is handed over: a rotating QR, a text code made here or of the merchant's pool, or not at all."""

    QR = "qr"
    GENERATED = "generated"
    POOL = "pool"
    NONE = "none"


class OfferState(enum.StrEnum):
    """How far an offer has come."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"


class State(enum.StrEnum):
    """Where a redemption stands."""

    HELD = "held"
    AWAITING_PAYMENT = "awaiting_payment"
    CONFIRMED = "confirmed"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    REFUNDED = "refunded"
    LAPSED = "lapsed"


class Act(enum.StrEnum):
    """A step of a redemption."""

    CONFIRM = "confirm"
    PAY = "pay"
    CANCEL = "cancel"
    TIME_OUT = "time_out"
    BIND = "bind"
    VERIFY = "verify"
    REFUND = "refund"
    LAPSE = "lapse"


OPEN = (State.HELD, State.AWAITING_PAYMENT)
SPENT = (State.CONFIRMED, State.FULFILLED)
FOLLOWS: dict[Act, tuple[State, ...]] = {
    Act.CONFIRM: (State.HELD,),
    Act.PAY: (State.AWAITING_PAYMENT,),
    Act.CANCEL: OPEN,
    Act.TIME_OUT: OPEN,
    Act.BIND: (State.CONFIRMED,),
    Act.VERIFY: (State.CONFIRMED,),
    Act.REFUND: SPENT,
    Act.LAPSE: (State.CONFIRMED,),
}
"""Which states a step starts from."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a reviewed offer says of one piece. Points, fen."""

    id: UUID
    merchant_id: UUID
    region: str
    kind: str
    delivery: str
    title_zh: str
    title_en: str
    price_points: int
    price_fen: int
    settle_fen: int
    limited: bool
    per_person: int | None
    per_person_day: int | None
    valid_from: datetime.datetime
    valid_until: datetime.datetime
    code_days: int
    refund_lapsed: bool
    blackout_days: list[datetime.date]
    shop_ids: list[UUID]
    state: str
    points_asset_id: int | None
    money_asset_id: int | None

    def rests(self, day: datetime.date) -> bool:
        """Whether it is neither sold nor taken on a local day."""
        return day in self.blackout_days

    def sells(self, now: datetime.datetime, day: datetime.date) -> bool:
        """Whether it can be ordered."""
        return (
            self.state == OfferState.LIVE
            and self.valid_from <= now < self.valid_until
            and not self.rests(day)
        )

    def limits(self, day: datetime.date) -> Iterator[tuple[datetime.date, int]]:
        """(day, or `IN_ALL`; most that a person takes)."""
        if self.per_person is not None:
            yield IN_ALL, self.per_person
        if self.per_person_day is not None:
            yield day, self.per_person_day

    def taken_at(self, shop_id: UUID | None) -> bool:
        """Whether a shop takes it; the merchant itself where no shop is named."""
        return not self.shop_ids or shop_id in self.shop_ids


@dataclass(slots=True)
class Redemption:
    """One order as it stands; amounts for the whole quantity."""

    holder_id: UUID
    id: UUID
    offer_id: UUID
    merchant_id: UUID
    state: str
    quantity: int
    points: int
    fen: int
    settle_fen: int
    counted: bool
    ordered_on: datetime.date
    hold_until: datetime.datetime
    code_until: datetime.datetime | None = None
    shop_id: UUID | None = None
    till_id: UUID | None = None
    bound_at: datetime.datetime | None = None
    bound_until: datetime.datetime | None = None
    binding_nonce: bytes | None = None
    payment_ref: str | None = None
    confirmed_at: datetime.datetime | None = None
    fulfilled_at: datetime.datetime | None = None
    ended_at: datetime.datetime | None = None
    terms: Terms | None = None
    code: str | None = None
    """The text code, where one was given in this commit."""

    def hold_over(self, now: datetime.datetime) -> bool:
        """Whether the hold has run out, whether or not a job has seen it yet."""
        grace = PAYMENT_GRACE if self.state == State.AWAITING_PAYMENT else datetime.timedelta(0)
        return self.state in OPEN and self.hold_until + grace <= now

    def lapses_at(self) -> datetime.datetime | None:
        """From when on nobody takes the code."""
        if self.code_until is None:
            return None
        return self.code_until if self.till_id is None else self.code_until + UPLOAD_GRACE

    def state_at(self, now: datetime.datetime) -> str:
        """The state as it is read: a hold that has run out is over."""
        return State.TIMED_OUT if self.hold_over(now) else self.state


@dataclass(frozen=True, slots=True)
class Place:
    """A till that takes codes; the shop alone, or nothing, where a merchant's system takes them."""

    shop_id: UUID | None = None
    till_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A holder orders; `confirm`: points are spent in the same commit where nothing else is to be paid."""

    holder_id: UUID
    offer_id: UUID
    quantity: int = 1
    confirm: bool = False


@dataclass(slots=True)
class Step:
    """A step of a redemption. The holder's own name the holder; a merchant's or an operator's are resolved.

    `code` instead of the id: a text code of that merchant. `nonce` and `taken_at`: what a bound code carried, and when
    a till took it without the network.
    """

    act: Act
    redemption_id: UUID | None = None
    holder_id: UUID | None = None
    merchant_id: UUID | None = None
    code: str | None = None
    place: Place = Place()
    nonce: bytes | None = None
    taken_at: datetime.datetime | None = None
    reference: str | None = None


Command = Order | Step
Answer = "Redemption | DomainError"
