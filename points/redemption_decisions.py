"""Decides orders and steps one after the other, exactly as if they had come so. Pure but for random codes.

Each function raises before it changes anything: an item that is refused leaves no trace in the book.
"""

import hmac
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.models import AccountKind, EntryKind, HolderStatus
from points import redemption_errors as errors
from points.redemption_states import (
    FOLLOWS,
    OFFLINE,
    SPENT,
    UPLOAD_GRACE,
    Act,
    Delivery,
    OfferState,
    Order,
    Redemption,
    State,
    Step,
    Terms,
)

if TYPE_CHECKING:
    from accounts.errors import DomainError
    from points.redemption_book import Book

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Of generated codes: nothing that looks like something else."""
CODE_LENGTH = 16
NONCE_BYTES = 8
CLOCK_TOLERANCE = timedelta(minutes=1)
"""A till's clock may be so far off when it tells when it took a code."""


def order(book: "Book", wanted: Order, new_id: UUID) -> Redemption:
    """Put a hold on points, stock and limits; spend at once where that was asked for."""
    terms = _orderable(book, wanted)
    points = terms.price_points * wanted.quantity
    parts = book.take_points(wanted.holder_id, terms.points_asset_id or 0, points)
    if parts is None:
        raise errors.PointsShort
    redemption = Redemption(
        holder_id=wanted.holder_id,
        id=new_id,
        offer_id=terms.id,
        merchant_id=terms.merchant_id,
        state=State.AWAITING_PAYMENT if terms.price_fen else State.HELD,
        quantity=wanted.quantity,
        points=points,
        fen=terms.price_fen * wanted.quantity,
        settle_fen=terms.settle_fen * wanted.quantity,
        counted=True,
        ordered_on=book.today,
        hold_until=book.now + book.hold,
        terms=terms,
    )
    book.open(redemption, parts)
    book.count(redemption, 1)
    if wanted.confirm and not terms.price_fen:
        _spend(book, redemption, terms, AccountKind.HOLDER_POINTS)
    else:
        book.move_points(redemption, EntryKind.HOLD, AccountKind.HOLDER_POINTS, AccountKind.HOLDER_HELD)
    return redemption


def _orderable(book: "Book", wanted: Order) -> Terms:
    terms = book.terms.get(wanted.offer_id)
    if terms is None or terms.state in (OfferState.DRAFT, OfferState.IN_REVIEW):
        raise errors.OfferNotFound
    if book.statuses.get(wanted.holder_id) != HolderStatus.ACTIVE:
        raise errors.HolderNotActive
    if not terms.sells(book.now, book.today):
        raise errors.OfferNotAvailable
    if wanted.quantity > 1 and terms.delivery in (Delivery.GENERATED, Delivery.POOL):
        raise errors.LimitReached
    for day, cap in terms.limits(book.today):
        if book.used.get((wanted.holder_id, terms.id, day), 0) + wanted.quantity > cap:
            raise errors.LimitReached
    if terms.limited and book.remaining.get(terms.id, 0) < wanted.quantity:
        raise errors.OutOfStock
    return terms


def step(book: "Book", wanted: Step) -> Redemption:
    """Take a redemption to its next state, or say why not."""
    redemption = None if wanted.redemption_id is None else book.redemptions.get(wanted.redemption_id)
    # A group reads redemptions of many holders: each step reaches its own only.
    if redemption is None or redemption.terms is None or redemption.holder_id != wanted.holder_id:
        raise errors.RedemptionNotFound
    if wanted.merchant_id is not None and redemption.merchant_id != wanted.merchant_id:
        raise errors.WrongTill if wanted.act is Act.BIND else errors.RedemptionNotFound()
    if wanted.act is Act.PAY and redemption.state in SPENT and redemption.payment_ref == wanted.reference:
        return redemption
    if wanted.act is Act.VERIFY and wanted.nonce is not None and _taken_so(redemption, wanted):
        return redemption
    if redemption.state not in FOLLOWS[wanted.act]:
        raise _wrong_state(redemption, wanted)
    return _STEPS[wanted.act](book, redemption, redemption.terms, wanted)


def _taken_so(redemption: Redemption, wanted: Step) -> bool:
    """Whether a till tells again of a code that it took without the network."""
    return (
        wanted.taken_at is not None
        and redemption.state == State.FULFILLED
        and redemption.till_id == wanted.place.till_id
        and hmac.compare_digest(redemption.binding_nonce or b"", wanted.nonce or b"")
    )


def _wrong_state(redemption: Redemption, wanted: Step) -> "DomainError":
    if redemption.state == State.TIMED_OUT:
        return errors.TimedOut()
    if wanted.act is Act.CONFIRM and redemption.state == State.AWAITING_PAYMENT:
        return errors.PaymentDue()
    if wanted.act is Act.VERIFY and redemption.state in _ALREADY:
        return _ALREADY[redemption.state]()
    return errors.RedemptionWrongState()


_ALREADY: dict[str, type["DomainError"]] = {
    State.FULFILLED: errors.AlreadyFulfilled,
    State.LAPSED: errors.CodeLapsed,
}


def _confirm(book: "Book", redemption: Redemption, terms: Terms, _: Step) -> Redemption:
    if redemption.hold_over(book.now):
        raise errors.TimedOut
    _spend(book, redemption, terms, AccountKind.HOLDER_HELD)
    return redemption


def _pay(book: "Book", redemption: Redemption, terms: Terms, wanted: Step) -> Redemption:
    if wanted.taken_at is None or wanted.taken_at >= redemption.hold_until or wanted.reference is None:
        raise errors.TimedOut
    redemption.payment_ref = wanted.reference
    _spend(book, redemption, terms, AccountKind.HOLDER_HELD)
    return redemption


def _spend(book: "Book", redemption: Redemption, terms: Terms, source: AccountKind) -> None:
    book.move_points(redemption, EntryKind.SPEND, source, AccountKind.MERCHANT)
    redemption.confirmed_at = book.now
    book.turn(redemption, State.CONFIRMED)
    if terms.delivery == Delivery.NONE:
        _fulfil(book, redemption)
        return
    redemption.code_until = book.now + timedelta(days=terms.code_days)
    if terms.delivery == Delivery.POOL:
        book.give_code(redemption, book.free_codes[terms.id].pop())
    elif terms.delivery == Delivery.GENERATED:
        book.give_code(redemption, "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH)))


def _fulfil(book: "Book", redemption: Redemption) -> None:
    redemption.fulfilled_at = book.now
    book.owe(redemption, EntryKind.SPEND, AccountKind.PROGRAMME, AccountKind.MERCHANT)
    book.turn(redemption, State.FULFILLED)


def _cancel(book: "Book", redemption: Redemption, _: Terms, __: Step) -> Redemption:
    _release(book, redemption, State.TIMED_OUT if redemption.hold_over(book.now) else State.CANCELLED)
    return redemption


def _time_out(book: "Book", redemption: Redemption, _: Terms, __: Step) -> Redemption:
    if not redemption.hold_over(book.now):
        raise errors.RedemptionWrongState
    _release(book, redemption, State.TIMED_OUT)
    return redemption


def _release(book: "Book", redemption: Redemption, state: State) -> None:
    book.give_points(redemption, AccountKind.HOLDER_HELD, EntryKind.RELEASE)
    book.count(redemption, -1)
    book.turn(redemption, state)


def _bind(book: "Book", redemption: Redemption, terms: Terms, wanted: Step) -> Redemption:
    place = wanted.place
    if terms.delivery != Delivery.QR or place.till_id is None or not terms.taken_at(place.shop_id):
        raise errors.WrongTill
    # For good: a till without the network may have taken it, so no other one ever may.
    if redemption.till_id not in (None, place.till_id):
        raise errors.WrongTill
    _check_today(book, redemption, terms)
    if redemption.bound_at is None:
        redemption.bound_at, redemption.binding_nonce = book.now, secrets.token_bytes(NONCE_BYTES)
    redemption.till_id, redemption.shop_id = place.till_id, place.shop_id
    redemption.bound_until = book.now + OFFLINE
    book.keep(redemption)
    return redemption


def _check_today(book: "Book", redemption: Redemption, terms: Terms) -> None:
    if redemption.code_until is None or redemption.code_until <= book.now:
        raise errors.CodeLapsed
    if terms.rests(book.today):
        raise errors.OfferNotAvailable


def _verify(book: "Book", redemption: Redemption, terms: Terms, wanted: Step) -> Redemption:
    place = wanted.place
    if redemption.till_id is not None and redemption.till_id != place.till_id:
        raise errors.WrongTill
    if not terms.taken_at(place.shop_id):
        raise errors.WrongTill
    if wanted.nonce is not None and not hmac.compare_digest(redemption.binding_nonce or b"", wanted.nonce):
        raise errors.CodeInvalid
    if wanted.taken_at is None:
        _check_today(book, redemption, terms)
    elif (
        redemption.bound_at is None
        or redemption.bound_until is None
        or not (
            redemption.bound_at - CLOCK_TOLERANCE
            <= wanted.taken_at
            <= redemption.bound_until + CLOCK_TOLERANCE
            and wanted.taken_at <= book.now + CLOCK_TOLERANCE
        )
    ):
        raise errors.CodeInvalid
    redemption.shop_id, redemption.till_id = place.shop_id, place.till_id
    _fulfil(book, redemption)
    return redemption


def _refund(book: "Book", redemption: Redemption, terms: Terms, wanted: Step) -> Redemption:
    # A till without the network may have taken it: an operator waits until it has had the time to tell.
    bound = redemption.bound_until if redemption.state == State.CONFIRMED else None
    if wanted.merchant_id is None and bound is not None and book.now < bound + UPLOAD_GRACE:
        raise errors.RedemptionWrongState
    _give_back(book, redemption, terms, State.REFUNDED)
    return redemption


def _give_back(book: "Book", redemption: Redemption, terms: Terms, state: State) -> None:
    book.give_points(redemption, AccountKind.MERCHANT, EntryKind.REFUND)
    if redemption.state == State.FULFILLED:
        book.owe(redemption, EntryKind.REFUND, AccountKind.MERCHANT, AccountKind.PROGRAMME)
    elif terms.delivery != Delivery.POOL:
        # Nothing left the merchant's hands. A code of its own pool was seen and is not sold again.
        book.count(redemption, -1)
    book.turn(redemption, state)


def _lapse(book: "Book", redemption: Redemption, terms: Terms, _: Step) -> Redemption:
    until = redemption.lapses_at()
    if until is None or until > book.now:
        raise errors.RedemptionWrongState
    if terms.refund_lapsed:
        _give_back(book, redemption, terms, State.LAPSED)
    else:
        book.move_points(redemption, EntryKind.EXPIRY, AccountKind.MERCHANT, AccountKind.BREAKAGE)
        book.turn(redemption, State.LAPSED)
    return redemption


_STEPS = {
    Act.CONFIRM: _confirm,
    Act.PAY: _pay,
    Act.CANCEL: _cancel,
    Act.TIME_OUT: _time_out,
    Act.BIND: _bind,
    Act.VERIFY: _verify,
    Act.REFUND: _refund,
    Act.LAPSE: _lapse,
}
