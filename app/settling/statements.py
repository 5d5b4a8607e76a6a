"""A statement as a file: CSV in slices, so that a million redemptions are never held at once, and PDF of its sums."""

import datetime
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from app.auth.repository import organisation_name
from app.database import driver_of
from app.documents.amounts import in_words
from app.documents.pdf import typeset
from dedup.periods import LOCAL
from points import settlement_csv as as_csv
from points import settlement_queries as queries
from points.settlement_csv import yuan

if TYPE_CHECKING:
    from app.database import Database
    from app.wiring import Services
    from points.settlement_models import Settlement, SettlementAdjustment, SettlementDispute
    from points.settlement_queries import Group

SLICE = 5_000
MOST_ROWS = 400
"""Rows of a table in the PDF; what is more is in the CSV."""
STATES = {
    "issued": ("待确认", "Issued"),
    "agreed": ("已确认", "Agreed"),
    "disputed": ("有异议", "Disputed"),
    "corrected": ("已更正", "Corrected"),
    "upheld": ("已复核维持", "Upheld"),
    "in_payment": ("付款中", "In payment"),
    "paid": ("已付款", "Paid"),
}


async def csv_of(database: "Database", settlement: "Settlement", *, english: bool) -> AsyncIterator[bytes]:
    """The statement in slices, each read on its own: what is settled does not change meanwhile."""
    async with database.reading() as session:
        corrected = await queries.adjustments(session, settlement.id)
    yield (as_csv.head(english=english) + as_csv.opening(settlement, english=english)).encode()
    after = None
    while True:
        async with database.driver_transaction() as driver:
            rows = await queries.slice_of_entries(driver, settlement.id, after, SLICE)
        if rows:
            yield as_csv.entries(rows, english=english).encode()
            after = rows[-1]
        if len(rows) < SLICE:
            break
    if corrected:
        yield as_csv.adjustments(corrected, english=english).encode()


async def pdf_of(services: "Services", settlement: "Settlement", now: datetime.datetime) -> bytes:
    """The statement for print: its sums by offer, shop and day."""
    async with services.database.reading() as session:
        driver = await driver_of(session)
        merchant = await organisation_name(session, settlement.merchant_id)
        groups = {
            "offers": await queries.grouped(driver, settlement.id, "offer", MOST_ROWS + 1),
            "shops": await queries.grouped(driver, settlement.id, "shop", MOST_ROWS + 1),
            "days": await queries.grouped(driver, settlement.id, "day", MOST_ROWS + 1),
        }
        disputes = await queries.disputes(session, settlement.id)
        adjustments = await queries.adjustments(session, settlement.id)
    place = services.catalogue.regions().get(settlement.region)
    return await typeset(
        "statement.typ",
        {
            **_head(settlement, now),
            "merchant": merchant,
            "region": settlement.region,
            "region_zh": "" if place is None else place.zh,
            "region_en": "" if place is None else place.en,
            **{name: [_row(group) for group in found[:MOST_ROWS]] for name, found in groups.items()},
            "cut": any(len(found) > MOST_ROWS for found in groups.values()),
            "disputes": _said(disputes),
            "adjustments": [
                {**said, "yuan": grouped(row.fen)}
                for row, said in zip(adjustments, _said(adjustments), strict=True)
            ],
        },
        now,
    )


def _head(settlement: "Settlement", now: datetime.datetime) -> dict[str, Any]:
    state_zh, state_en = STATES[settlement.state]
    paid = settlement.paid_at is not None
    return {
        "number": settlement.number,
        "period": period(settlement.starts_at, settlement.ends_at),
        "issued_at": local(settlement.issued_at),
        "generated_at": local(now),
        "state_zh": state_zh,
        "state_en": state_en,
        "opening": grouped(settlement.opening_fen),
        "net": grouped(settlement.spent_fen - settlement.refunded_fen),
        "spent": grouped(settlement.spent_fen),
        "refunded": grouped(-settlement.refunded_fen),
        "adjusted": grouped(settlement.adjusted_fen),
        "total": grouped(settlement.total_fen),
        "payable": grouped(settlement.payable_fen),
        "payable_words": in_words(settlement.payable_fen),
        "carry": grouped(settlement.carry_fen),
        "redeemed": f"{settlement.redeemed:,}",
        "refunds": f"{settlement.refunded:,}",
        "points": f"{settlement.points:,}",
        "note": settlement.resolution_note,
        "agreed_at": local(settlement.agreed_at) if settlement.agreed_at is not None else "",
        "bank_reference": (settlement.bank_reference or "") if paid else "",
        "paid_on": str(settlement.paid_on) if paid else "",
    }


def grouped(fen: int) -> str:
    """Fen as yuan with thousands separators: `-1,234.50`."""
    whole, _, rest = yuan(abs(fen)).partition(".")
    return f"{'-' if fen < 0 else ''}{int(whole):,}.{rest}"


def local(moment: datetime.datetime) -> str:
    """The local time, to the minute."""
    return moment.astimezone(LOCAL).strftime("%Y-%m-%d %H:%M")


def period(starts_at: datetime.datetime, ends_at: datetime.datetime) -> str:
    """Whole days as days, the last one included; else times."""
    first, last = starts_at.astimezone(LOCAL), ends_at.astimezone(LOCAL)
    midnight = datetime.time()
    if first.time() == last.time() == midnight:
        return f"{first.date()} – {last.date() - datetime.timedelta(days=1)}"
    return f"{local(first)} – {local(last)}"


def _row(group: "Group") -> dict[str, str]:
    return {
        "name": group.name or "线上 · 其他",
        "name_en": group.name_en if group.name else "Online, other",
        "redeemed": f"{group.redeemed:,}",
        "refunded": f"{group.refunded:,}",
        "quantity": f"{group.quantity:,}",
        "points": f"{group.points:,}",
        "spent": grouped(group.spent_fen),
        "back": grouped(-group.refunded_fen),
        "net": grouped(group.spent_fen - group.refunded_fen),
    }


def _said(
    rows: "Sequence[SettlementDispute] | Sequence[SettlementAdjustment]",
) -> list[dict[str, str]]:
    return [{"line": "" if row.line is None else str(row.line), "reason": row.reason} for row in rows]
