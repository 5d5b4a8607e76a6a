"""The trade bill of a day, as WeChat Pay writes it: CSV with a head, a line for each trade, then a summary.

Every value of a line begins with a backtick; amounts are in yuan with two places.
"""

import csv
import io
from decimal import Decimal, InvalidOperation

from points.payments.provider import BillLine

_OUT_TRADE_NO, _TRANSACTION, _STATE = "商户订单号", "微信订单号", "交易状态"
_ORDER_YUAN, _REFUND_YUAN, _REFUND_NO = "订单金额", "申请退款金额", "商户退款单号"
_NEEDED = (_OUT_TRADE_NO, _TRANSACTION, _STATE, _ORDER_YUAN, _REFUND_YUAN, _REFUND_NO)
_SUMMARY = "总交易单数"
_SUMMARY_LINES = 2


class BillUnreadable(ValueError):
    """The bill is not what is published, or is cut short."""


def read_bill(content: bytes) -> list[BillLine]:
    """Lines of a bill; raises `BillUnreadable` also where the summary counts others than there are."""
    try:
        rows = [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) if row]
    except (UnicodeDecodeError, csv.Error):
        raise BillUnreadable("not a CSV in UTF-8") from None
    if len(rows) < 1 + _SUMMARY_LINES or any(name not in rows[0] for name in _NEEDED):
        raise BillUnreadable("the head is another one")
    head, body, summary = rows[0], rows[1:-_SUMMARY_LINES], rows[-_SUMMARY_LINES:]
    if summary[0][0] != _SUMMARY or _value(summary[1][0]) != str(len(body)):
        raise BillUnreadable("the summary counts other lines")
    if any(len(row) != len(head) for row in body):
        raise BillUnreadable("lines are of another length")
    return [_line(dict(zip(head, map(_value, row), strict=True))) for row in body]


def _line(cells: dict[str, str]) -> BillLine:
    refund = cells[_STATE] == "REFUND"
    return BillLine(
        out_trade_no=cells[_OUT_TRADE_NO],
        transaction_id=cells[_TRANSACTION],
        amount_fen=_fen(cells[_REFUND_YUAN if refund else _ORDER_YUAN]),
        refund_no=cells[_REFUND_NO] if refund else "",
    )


def _value(cell: str) -> str:
    return cell.strip().removeprefix("`").strip()


def _fen(yuan: str) -> int:
    try:
        fen = Decimal(yuan) * 100
        if not fen.is_finite() or fen != int(fen) or fen < 0:
            raise BillUnreadable("an amount that is none")
        return int(fen)
    except (InvalidOperation, ArithmeticError):
        raise BillUnreadable("an amount that is none") from None
