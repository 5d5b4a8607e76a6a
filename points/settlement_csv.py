"""A statement as CSV after RFC 4180, for spreadsheets: UTF-8 with a byte order mark, no cell is a formula. Pure."""

import csv
import datetime
import io
from collections.abc import Iterable, Sequence

from accounts.ids import moment_ms, public_id
from dedup.periods import LOCAL
from points.settlement_models import Settlement, SettlementAdjustment
from points.settlement_queries import Settled

BYTE_ORDER_MARK = "\ufeff"
"""Excel reads a file without it as the machine's own encoding."""
COLUMNS: tuple[tuple[str, str], ...] = (
    ("kind", "类别"),
    ("day", "日期"),
    ("booked_at", "入账时间"),
    ("redemption_id", "兑换单号"),
    ("offer_id", "商品编号"),
    ("offer", "商品"),
    ("shop", "门店"),
    ("quantity", "数量"),
    ("points", "积分"),
    ("fen", "金额(分)"),
    ("yuan", "金额(元)"),
    ("note", "说明"),
)
KINDS = {"opening": "上期结转", "redeemed": "核销", "refunded": "退款", "adjusted": "更正"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def yuan(fen: int) -> str:
    """Fen as a decimal string of yuan, exactly."""
    whole, rest = divmod(abs(fen), 100)
    return f"{'-' if fen < 0 else ''}{whole}.{rest:02d}"


def safe(text: str) -> str:
    """A text that a spreadsheet does not calculate: what looks like a formula begins with an apostrophe."""
    return "'" + text if text.lstrip(" ").startswith(_FORMULA) else text


def head(*, english: bool) -> str:
    """The byte order mark and the names of the columns."""
    return BYTE_ORDER_MARK + _written([[name if english else chinese for name, chinese in COLUMNS]])


def opening(settlement: Settlement, *, english: bool) -> str:
    """What was carried over, where anything was."""
    if not settlement.opening_fen:
        return ""
    fen = settlement.opening_fen
    return _written([[_kind("opening", english), *[""] * 8, str(fen), yuan(fen), ""]])


def entries(rows: Iterable[Settled], *, english: bool) -> str:
    """Redemptions and refunds, a row each."""
    return _written([_entry(row, english=english) for row in rows])


def adjustments(rows: Iterable[SettlementAdjustment], *, english: bool) -> str:
    """Corrections after a dispute, a row each."""
    return _written(
        [
            [
                _kind("adjusted", english),
                str(row.made_at.astimezone(LOCAL).date()),
                _local(row.made_at),
                *[""] * 6,
                str(row.fen),
                yuan(row.fen),
                safe(row.reason),
            ]
            for row in rows
        ]
    )


def _entry(row: Settled, *, english: bool) -> list[str]:
    booked = datetime.datetime.fromtimestamp(moment_ms(row.entry_id) // 1000, LOCAL)
    return [
        _kind("redeemed" if row.fen > 0 else "refunded", english),
        str(row.day),
        _local(booked),
        public_id("red", row.redemption_id),
        public_id("ofr", row.offer_id),
        safe(row.title_en if english else row.title_zh),
        safe(row.shop or ""),
        str(row.quantity),
        str(row.points),
        str(row.fen),
        yuan(row.fen),
        "",
    ]


def _kind(kind: str, english: bool) -> str:
    return kind if english else KINDS[kind]


def _local(moment: datetime.datetime) -> str:
    return moment.astimezone(LOCAL).isoformat(timespec="seconds")


def _written(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
