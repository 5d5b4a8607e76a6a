"""A bank's products: each a line of versions that never change. Quotes go by the newest that has begun."""

import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import yaml

from accounts.errors import Fault
from accounts.ids import public_id, uuid7
from app.lending import errors, repository
from app.lending.decision import Terms
from app.lending.models import BankProduct
from app.lending.schemas import BankProductInput, BankProductView, ProductName, ProductTerms
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accounts.repository import Driver, Row

_EXAMPLES = Path(__file__).parent / "examples"


@cache
def _shipped() -> tuple[dict[str, Any], ...]:
    return tuple(
        yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(_EXAMPLES.glob("*.yaml"))
    )


def examples(today: datetime.date) -> list[BankProductInput]:
    """The products that ship, after published cases, as if they began today."""
    return [BankProductInput.model_validate({**each, "valid_from": today}) for each in _shipped()]


async def add(
    driver: "Driver", bank_id: UUID, client_id: str, body: BankProductInput, now: datetime.datetime
) -> BankProductView:
    """A new product. Raises `ProductCodeTaken`, `ProductBeginsInThePast`."""
    await repository.lock_code(driver, bank_id, body.code)
    if await repository.code_taken(driver, bank_id, body.code):
        raise errors.ProductCodeTaken
    return await _write(driver, (uuid7(now), 1, bank_id, client_id), body, now)


async def replace(
    driver: "Driver",
    bank_id: UUID,
    client_id: str,
    product_id: UUID,
    stated: int,
    body: BankProductInput,
    now: datetime.datetime,
) -> BankProductView:
    """The next version, made from the one that is stated; it may end the product by its last day.

    Raises `ProductNotFound`, `ProductEditedMeanwhile`, `ProductCodeTaken` for another code, `ProductBeginsInThePast`.
    """
    found = await repository.newest_product(driver, bank_id, product_id)
    if found is None:
        raise errors.ProductNotFound
    await repository.lock_code(driver, bank_id, found["code"])
    newest = await repository.newest_product(driver, bank_id, product_id)
    if newest is None or newest["version"] != stated:
        raise errors.ProductEditedMeanwhile
    if body.code != newest["code"]:
        raise errors.ProductCodeTaken(Fault("/code", "is that of all versions", "各版本代码须一致"))
    return await _write(driver, (product_id, stated + 1, bank_id, client_id), body, now)


async def _write(
    driver: "Driver", key: tuple[UUID, int, UUID, str], body: BankProductInput, now: datetime.datetime
) -> BankProductView:
    product_id, version, bank_id, client_id = key
    if body.valid_from < now.astimezone(LOCAL).date():
        raise errors.ProductBeginsInThePast
    product = BankProduct(
        id=product_id,
        version=version,
        bank_id=bank_id,
        code=body.code,
        name_zh=body.name.zh,
        name_en=body.name.en,
        holder_kind=body.holder_kind,
        basis=body.basis,
        card=body.card,
        valid_from=body.valid_from,
        valid_until=body.valid_until,
        quote_days=body.quote_days,
        source=body.source,
        created_at=now,
        created_by=client_id,
    )
    await repository.insert_product(
        driver,
        product,
        [
            Terms(
                each.level,
                each.limit_from_bp,
                each.limit_to_bp,
                each.discount_from_bp,
                each.discount_to_bp,
            )
            for each in body.table
        ],
    )
    rows = await repository.product_versions(driver, bank_id, product_id)
    return (await views(driver, rows[:1], now))[0]


async def views(driver: "Driver", rows: "Sequence[Row]", now: datetime.datetime) -> list[BankProductView]:
    """Versions as their bank sees them."""
    today = now.astimezone(LOCAL).date()
    in_force = await repository.versions_in_force(driver, [row["id"] for row in rows], today)
    tables = await repository.terms_of(driver, [(row["id"], row["version"]) for row in rows])
    return [
        BankProductView(
            product_id=public_id("bpr", row["id"]),
            version=row["version"],
            in_force=in_force.get(row["id"]) == row["version"],
            code=row["code"],
            name=ProductName(zh=row["name_zh"], en=row["name_en"]),
            holder_kind=row["holder_kind"],
            basis=row["basis"],
            card=row["card"],
            table=[terms_view(each) for each in tables[row["id"], row["version"]]],
            valid_from=row["valid_from"],
            valid_until=row["valid_until"],
            quote_days=row["quote_days"],
            source=row["source"],
            created_at=row["created_at"],
        )
        for row in rows
    ]


def terms_view(terms: Terms) -> ProductTerms:
    """A rule as it is shown."""
    return ProductTerms(
        level=terms.level,
        limit_from_bp=terms.limit_from_bp,
        limit_to_bp=terms.limit_to_bp,
        discount_from_bp=terms.discount_from_bp,
        discount_to_bp=terms.discount_to_bp,
    )
