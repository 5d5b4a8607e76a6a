"""A quote: what a holder reaches of a product in force, kept as the bank was told it."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import public_id, uuid7
from app.lending import errors, repository
from app.lending.decision import REASONS, Reached, Standing, Wish, decide
from app.lending.models import BankQuote, Basis
from app.lending.products import terms_view
from app.lending.schemas import ProductName, QuoteBasis, QuoteReason, QuoteView
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from accounts.repository import Driver, Row
    from app.lending.decision import Terms


@dataclass(frozen=True, slots=True)
class Customer:
    """Whom a quote is for, by the grant that lets the bank ask."""

    holder_id: UUID
    kind: str
    region: str
    bank_id: UUID
    grant_id: UUID
    reference: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A product in force, with its table."""

    row: "Row"
    table: "tuple[Terms, ...]"


async def offer(driver: "Driver", bank_id: UUID, product_id: UUID, now: datetime.datetime) -> Offer:
    """The version that counts today. Raises `ProductNotFound`, `ProductNotInForce`."""
    rows = await repository.product_versions(driver, bank_id, product_id)
    if not rows:
        raise errors.ProductNotFound
    today = now.astimezone(LOCAL).date()
    version = (await repository.versions_in_force(driver, [product_id], today)).get(product_id)
    if version is None:
        raise errors.ProductNotInForce
    row = next(each for each in rows if each["version"] == version)
    table = await repository.terms_of(driver, [(product_id, version)])
    return Offer(row, table[product_id, version])


async def quote(
    driver: "Driver",
    customer: Customer,
    product: Offer,
    standing: Standing | None,
    wish: Wish,
    now: datetime.datetime,
) -> QuoteView:
    """Decide and keep it. It is valid as long as the product says, and no longer than this version counts."""
    row = product.row
    reached = decide(product.table, row["holder_kind"] == customer.kind, standing, wish)
    valid_until = now + datetime.timedelta(days=row["quote_days"])
    if row["valid_until"] is not None:
        ends = row["valid_until"] + datetime.timedelta(days=1)
        valid_until = min(valid_until, datetime.datetime.combine(ends, datetime.time(), LOCAL))
    quote_id = uuid7(now)
    view = _view(quote_id, customer, product, standing, reached, (now, valid_until))
    terms = reached.terms
    await repository.insert_quote(
        driver,
        BankQuote(
            holder_id=customer.holder_id,
            id=quote_id,
            bank_id=customer.bank_id,
            grant_id=customer.grant_id,
            product_id=row["id"],
            product_version=row["version"],
            region=customer.region,
            basis=row["basis"],
            level=None if standing is None else standing.level,
            eligible=reached.eligible,
            reason=reached.reason,
            limit_from_bp=None if terms is None else terms.limit_from_bp,
            limit_to_bp=None if terms is None else terms.limit_to_bp,
            discount_from_bp=None if terms is None else terms.discount_from_bp,
            discount_to_bp=None if terms is None else terms.discount_to_bp,
            answer=view.model_dump(mode="json"),
            made_at=now,
            valid_until=valid_until,
        ),
    )
    return view


def _view(
    quote_id: UUID,
    customer: Customer,
    product: Offer,
    standing: Standing | None,
    reached: Reached,
    times: tuple[datetime.datetime, datetime.datetime],
) -> QuoteView:
    row, (zh, en) = product.row, REASONS[reached.reason]
    return QuoteView(
        quote_id=public_id("quo", quote_id),
        reference=customer.reference,
        product_id=public_id("bpr", row["id"]),
        product_version=row["version"],
        product_name=ProductName(zh=row["name_zh"], en=row["name_en"]),
        eligible=reached.eligible,
        reason=QuoteReason(code=reached.reason, zh=zh, en=en),
        basis=_basis(row, standing),
        rule=None if reached.terms is None else terms_view(reached.terms),
        table=[terms_view(each) for each in product.table],
        limit_from_fen=reached.limit_from_fen,
        limit_to_fen=reached.limit_to_fen,
        rate_from_bp=reached.rate_from_bp,
        rate_to_bp=reached.rate_to_bp,
        made_at=times[0],
        valid_until=times[1],
    )


def _basis(row: "Row", standing: Standing | None) -> QuoteBasis:
    kind = Basis(row["basis"]).value
    if standing is None:
        return QuoteBasis(kind=kind, level=None, as_of=None, card=row["card"])
    return QuoteBasis(
        kind=kind,
        level=standing.level,
        as_of=standing.as_of,
        card=standing.card,
        version=standing.version,
        content_hash=standing.content_hash,
        year=standing.year,
        official=standing.official,
    )
