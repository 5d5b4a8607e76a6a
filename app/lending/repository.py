"""SQL of products, quotes and loans."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from app.lending.decision import Terms
from app.lending.models import BankProduct, BankQuote, GreenLoan

if TYPE_CHECKING:
    from accounts.repository import Driver, Row

_PRODUCT = ", ".join(f"p.{name}" for name in BankProduct.model_fields)
_QUOTE = ", ".join("answer::text AS answer" if name == "answer" else name for name in BankQuote.model_fields)
_LOAN = ", ".join(GreenLoan.model_fields)


async def lock_code(driver: "Driver", bank_id: UUID, code: str) -> None:
    """One writer at a time of a bank's product, looked up by the next statement."""
    await driver.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('bank_products' || $1::text || $2::text, 0))",
        str(bank_id),
        code,
    )


async def code_taken(driver: "Driver", bank_id: UUID, code: str) -> bool:
    """Whether the bank has a product of that code."""
    return bool(
        await driver.fetchval(
            "SELECT 1 FROM bank_products WHERE bank_id = $1 AND code = $2 AND version = 1", bank_id, code
        )
    )


async def insert_product(driver: "Driver", product: BankProduct, table: Sequence[Terms]) -> None:
    """A version with its terms."""
    values = product.model_dump()
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    await driver.execute(
        f"INSERT INTO bank_products ({', '.join(values)}) VALUES ({places})",
        *values.values(),
    )
    await driver.executemany(
        """
        INSERT INTO bank_product_terms
            (product_id, version, level, limit_from_bp, limit_to_bp, discount_from_bp, discount_to_bp)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        [
            (
                product.id,
                product.version,
                each.level,
                each.limit_from_bp,
                each.limit_to_bp,
                each.discount_from_bp,
                each.discount_to_bp,
            )
            for each in table
        ],
    )


async def newest_product(driver: "Driver", bank_id: UUID, product_id: UUID) -> "Row | None":
    """The newest version of a bank's product, begun or not."""
    return await driver.fetchrow(
        f"""
        SELECT {_PRODUCT} FROM bank_products p WHERE p.id = $1 AND p.bank_id = $2 ORDER BY p.version DESC LIMIT 1
        """,
        product_id,
        bank_id,
    )


async def product_versions(driver: "Driver", bank_id: UUID, product_id: UUID) -> "list[Row]":
    """All versions, the newest first."""
    rows: list[Row] = await driver.fetch(
        f"""
        SELECT {_PRODUCT} FROM bank_products p WHERE p.id = $1 AND p.bank_id = $2 ORDER BY p.version DESC
        """,
        product_id,
        bank_id,
    )
    return rows


async def page_of_products(driver: "Driver", bank_id: UUID, before: UUID | None, limit: int) -> "list[Row]":
    """The newest version of each product, the product that was made last first."""
    rows: list[Row] = await driver.fetch(
        f"""
        SELECT DISTINCT ON (p.id) {_PRODUCT} FROM bank_products p
        WHERE p.bank_id = $1 AND ($2::uuid IS NULL OR p.id < $2)
        ORDER BY p.id DESC, p.version DESC LIMIT $3
        """,
        bank_id,
        before,
        limit,
    )
    return rows


async def versions_in_force(
    driver: "Driver", products: Sequence[UUID], day: datetime.date
) -> dict[UUID, int]:
    """Product → the version that counts on a day: the newest that has begun, unless its last day is over."""
    rows = await driver.fetch(
        """
        SELECT id, version FROM (
            SELECT DISTINCT ON (id) id, version, valid_until FROM bank_products
            WHERE id = ANY($1::uuid[]) AND valid_from <= $2 ORDER BY id, version DESC
        ) begun WHERE valid_until IS NULL OR valid_until >= $2
        """,
        products,
        day,
    )
    return {row["id"]: row["version"] for row in rows}


async def terms_of(
    driver: "Driver", versions: Sequence[tuple[UUID, int]]
) -> dict[tuple[UUID, int], tuple[Terms, ...]]:
    """The tables of product versions, the highest limit first."""
    rows = await driver.fetch(
        """
        SELECT t.* FROM bank_product_terms t
        JOIN unnest($1::uuid[], $2::int[]) AS w (product_id, version) USING (product_id, version)
        ORDER BY t.limit_to_bp DESC, t.discount_to_bp DESC, t.level
        """,
        [product for product, _ in versions],
        [version for _, version in versions],
    )
    found: dict[tuple[UUID, int], list[Terms]] = {}
    for row in rows:
        found.setdefault((row["product_id"], row["version"]), []).append(
            Terms(
                row["level"],
                row["limit_from_bp"],
                row["limit_to_bp"],
                row["discount_from_bp"],
                row["discount_to_bp"],
            )
        )
    return {key: tuple(table) for key, table in found.items()}


async def insert_quote(driver: "Driver", quote: BankQuote) -> None:
    """Keep what a bank was told."""
    values: dict[str, Any] = quote.model_dump()
    values["answer"] = orjson.dumps(values["answer"]).decode()
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    await driver.execute(
        f"INSERT INTO bank_quotes ({', '.join(values)}) VALUES ({places})",
        *values.values(),
    )


async def find_quote(driver: "Driver", bank_id: UUID, quote_id: UUID) -> "Row | None":
    """A bank's quote."""
    return await driver.fetchrow(
        f"SELECT {_QUOTE} FROM bank_quotes WHERE bank_id = $1 AND id = $2",
        bank_id,
        quote_id,
    )


async def insert_loan(driver: "Driver", loan: GreenLoan) -> bool:
    """A version of a loan; False where its number, its quote or its version is another's already."""
    values = loan.model_dump()
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    row = await driver.fetchrow(
        f"""
        INSERT INTO green_loans ({", ".join(values)}) VALUES ({places}) ON CONFLICT DO NOTHING RETURNING id
        """,
        *values.values(),
    )
    return row is not None


async def find_loan(driver: "Driver", bank_id: UUID, loan_id: UUID) -> "Row | None":
    """The latest version of a bank's loan."""
    return await driver.fetchrow(
        f"SELECT {_LOAN} FROM green_loans WHERE id = $1 AND bank_id = $2 AND latest",
        loan_id,
        bank_id,
    )


async def loan_by_number(driver: "Driver", bank_id: UUID, number: str) -> "Row | None":
    """A bank's loan as it was reported first."""
    return await driver.fetchrow(
        f"""
        SELECT {_LOAN} FROM green_loans WHERE bank_id = $1 AND number = $2 AND version = 1
        """,
        bank_id,
        number,
    )


async def supersede_loan(driver: "Driver", loan_id: UUID, version: int) -> bool:
    """The version counts no more; False where another does already."""
    row = await driver.fetchrow(
        "UPDATE green_loans SET latest = false WHERE id = $1 AND version = $2 AND latest RETURNING id",
        loan_id,
        version,
    )
    return row is not None


async def page_of_loans(driver: "Driver", bank_id: UUID, before: UUID | None, limit: int) -> "list[Row]":
    """A bank's loans, the newest first, each in its latest version."""
    rows: list[Row] = await driver.fetch(
        f"""
        SELECT {_LOAN} FROM green_loans WHERE bank_id = $1 AND latest AND ($2::uuid IS NULL OR id < $2)
        ORDER BY id DESC LIMIT $3
        """,
        bank_id,
        before,
        limit,
    )
    return rows


async def loan_versions(driver: "Driver", bank_id: UUID, loan_id: UUID) -> "list[Row]":
    """Everything a bank said of one loan, the newest first."""
    rows: list[Row] = await driver.fetch(
        f"""
        SELECT {_LOAN} FROM green_loans WHERE id = $1 AND bank_id = $2 ORDER BY version DESC
        """,
        loan_id,
        bank_id,
    )
    return rows
