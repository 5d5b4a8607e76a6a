"""Compares a day's bill of the provider with what our books say. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from points.payments.models import PaymentState
from points.payments.service import refund_no

if TYPE_CHECKING:
    import datetime

    from points.payments.provider import BillLine

_GIVEN_BACK = (PaymentState.REFUNDING, PaymentState.REFUNDED, PaymentState.REFUND_FAILED)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the bill says otherwise. `payment`: our row, where we have one. Fen."""

    kind: str
    out_trade_no: str
    payment: Any
    ours_fen: int | None
    theirs_fen: int | None


def compare(
    lines: "Sequence[BillLine]",
    payments: Sequence[Any],
    since: "datetime.datetime",
    until: "datetime.datetime",
) -> list[Difference]:
    """Differences of a day, which begins at `since` and ends at `until`, by number of the payment."""
    ours = {row["out_trade_no"]: row for row in payments}
    paid = {line.out_trade_no: line for line in lines if not line.refund_no}
    refunded = {line.out_trade_no: line for line in lines if line.refund_no}
    found = [each for line in paid.values() if (each := _of_payment(line, ours.get(line.out_trade_no)))]
    found += [each for line in refunded.values() if (each := _of_refund(line, ours.get(line.out_trade_no)))]
    for number, row in ours.items():
        if row["paid_at"] is not None and since <= row["paid_at"] < until and number not in paid:
            found.append(Difference("missing", number, row, row["paid_fen"], None))
        if row["refund_at"] is not None and since <= row["refund_at"] < until and number not in refunded:
            found.append(Difference("refund_missing", number, row, row["paid_fen"], None))
    return sorted(found, key=lambda each: (each.out_trade_no, each.kind))


def _of_payment(line: "BillLine", row: Any) -> Difference | None:
    number, theirs = line.out_trade_no, line.amount_fen
    if row is None:
        return Difference("unknown", number, None, None, theirs)
    if row["paid_fen"] is None:
        return Difference("state_differs", number, row, None, theirs)
    if row["paid_fen"] != theirs:
        return Difference("amount_differs", number, row, row["paid_fen"], theirs)
    return None


def _of_refund(line: "BillLine", row: Any) -> Difference | None:
    number, theirs = line.out_trade_no, line.amount_fen
    if row is None or row["state"] not in _GIVEN_BACK or line.refund_no != refund_no(number):
        return Difference("refund_unknown", number, row, None, theirs)
    if row["paid_fen"] != theirs:
        return Difference("refund_amount_differs", number, row, row["paid_fen"], theirs)
    return None
