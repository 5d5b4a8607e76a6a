"""Loans that banks report back: told once, corrected by new versions, never changed."""

import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.errors import Fault
from accounts.ids import parse_public_id, public_id, uuid7
from accounts.quantities import grams
from app.lending import errors, repository
from app.lending.models import GreenLoan
from app.lending.schemas import LoanCorrection, LoanInput, LoanView
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from accounts.repository import Driver, Row

_FIGURES = ("amount_fen", "rate_bp", "granted_on", "ends_on", "funded_mg")


def milligrams(text: str | None) -> int | None:
    """Decimal grams with at most three places as whole milligrams."""
    if text is None:
        return None
    whole, _, rest = text.partition(".")
    return int(whole) * 1000 + int(rest.ljust(3, "0") or 0)


async def report(
    driver: "Driver", bank_id: UUID, client_id: str, body: LoanInput, now: datetime.datetime
) -> LoanView:
    """Record a loan that was granted on a quote; the same again answers what is there.

    Raises `QuoteNotFound`, `QuoteNotEligible`, `QuoteNotValidThen`, `LoanNumberTaken`.
    """
    quote_id = parse_public_id("quo", body.quote_id)
    quote = None if quote_id is None else await repository.find_quote(driver, bank_id, quote_id)
    if quote is None:
        raise errors.QuoteNotFound(Fault("/quote_id", "no such quote", "没有这份报价"))
    if not quote["eligible"]:
        raise errors.QuoteNotEligible
    _granted_in_time(quote, body.granted_on, now)
    loan = GreenLoan(
        id=uuid7(now),
        version=1,
        latest=True,
        bank_id=bank_id,
        number=body.number,
        quote_id=quote["id"],
        holder_id=quote["holder_id"],
        region=quote["region"],
        product_id=quote["product_id"],
        product_version=quote["product_version"],
        basis=quote["basis"],
        level=quote["level"],
        amount_fen=body.amount_fen,
        rate_bp=body.rate_bp,
        granted_on=body.granted_on,
        ends_on=body.ends_on,
        funded_mg=milligrams(body.funded_co2e_g),
        state="granted",
        reason="",
        recorded_at=now,
        recorded_by=client_id,
    )
    if await repository.insert_loan(driver, loan):
        return loan_view(loan.model_dump())
    there = await repository.loan_by_number(driver, bank_id, body.number)
    same = there is not None and there["quote_id"] == quote["id"]
    if there is None or not same or any(there[name] != getattr(loan, name) for name in _FIGURES):
        raise errors.LoanNumberTaken
    latest = await repository.find_loan(driver, bank_id, there["id"])
    return loan_view(there if latest is None else latest)


async def correct(
    driver: "Driver",
    bank_id: UUID,
    client_id: str,
    loan_id: UUID,
    stated: int,
    body: LoanCorrection,
    now: datetime.datetime,
) -> LoanView:
    """Say a loan anew. Raises `LoanNotFound`, `LoanCorrectedMeanwhile`, `QuoteNotValidThen`."""
    found = await repository.find_loan(driver, bank_id, loan_id)
    if found is None:
        raise errors.LoanNotFound
    quote = await repository.find_quote(driver, bank_id, found["quote_id"])
    if quote is None:
        raise errors.QuoteNotFound
    _granted_in_time(quote, body.granted_on, now)
    if found["version"] != stated or not await repository.supersede_loan(driver, loan_id, stated):
        raise errors.LoanCorrectedMeanwhile
    loan = GreenLoan(
        **dict(found)
        | {
            "version": stated + 1,
            "amount_fen": body.amount_fen,
            "rate_bp": body.rate_bp,
            "granted_on": body.granted_on,
            "ends_on": body.ends_on,
            "funded_mg": milligrams(body.funded_co2e_g),
            "state": body.state,
            "reason": body.reason,
            "recorded_at": now,
            "recorded_by": client_id,
        }
    )
    await repository.insert_loan(driver, loan)
    return loan_view(loan.model_dump())


def _granted_in_time(quote: "Row", granted_on: datetime.date, now: datetime.datetime) -> None:
    """On a day on which the quote counted, which is no day to come."""
    first = quote["made_at"].astimezone(LOCAL).date()
    last = min(quote["valid_until"], now).astimezone(LOCAL).date()
    if not first <= granted_on <= last:
        raise errors.QuoteNotValidThen


def loan_view(row: "Row | dict[str, Any]") -> LoanView:
    """A version as its bank sees it."""
    return LoanView(
        loan_id=public_id("gln", row["id"]),
        version=row["version"],
        number=row["number"],
        quote_id=public_id("quo", row["quote_id"]),
        product_id=public_id("bpr", row["product_id"]),
        product_version=row["product_version"],
        level=row["level"],
        amount_fen=row["amount_fen"],
        rate_bp=row["rate_bp"],
        granted_on=row["granted_on"],
        ends_on=row["ends_on"],
        funded_co2e_g=None if row["funded_mg"] is None else grams(row["funded_mg"]),
        state=row["state"],
        reason=row["reason"],
        recorded_at=row["recorded_at"],
    )
