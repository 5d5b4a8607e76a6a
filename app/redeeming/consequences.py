"""What follows from redemptions elsewhere, in their own commit: merchants are told, money is given back."""

import datetime
from collections.abc import Sequence

from accounts.ids import public_id
from app.webhooks import events, outbox
from dedup.writes import Writes
from points.payments.repository import begin_refunds
from points.redemption_states import Redemption, State

_TOLD = {
    State.CONFIRMED: events.REDEMPTION_CONFIRMED,
    State.FULFILLED: events.REDEMPTION_FULFILLED,
    State.REFUNDED: events.REDEMPTION_REFUNDED,
    State.LAPSED: events.REDEMPTION_LAPSED,
}


class Consequences:
    """Called with every redemption that came to another state."""

    def __init__(self, listeners: outbox.Listeners) -> None:
        self._listeners = listeners

    def __call__(self, writes: Writes, turned: Sequence[Redemption], now: datetime.datetime) -> None:
        """Hand what follows to the same statement."""
        told = [
            _event(name, each)
            for each in turned
            if (name := _TOLD.get(State(each.state))) is not None
            and each.merchant_id in self._listeners.of(name)
        ]
        outbox.tell(writes, told, now)
        owed = [each.id for each in turned if each.fen and _given_back(each)]
        if owed:
            begin_refunds(writes, owed, "redemption_over", now)


def _given_back(redemption: Redemption) -> bool:
    if redemption.state == State.LAPSED:
        return redemption.terms is not None and redemption.terms.refund_lapsed
    return redemption.state == State.REFUNDED


def _event(name: str, redemption: Redemption) -> outbox.Event:
    subject = public_id("red", redemption.id)
    data = {
        "redemption_id": subject,
        "offer_id": public_id("ofr", redemption.offer_id),
        "state": redemption.state,
        "quantity": redemption.quantity,
        "points": redemption.points,
        "fen": redemption.fen,
        "settle_fen": redemption.settle_fen,
    }
    return outbox.Event(redemption.merchant_id, name, subject, data)
