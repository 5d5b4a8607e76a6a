"""Receipts of what a holder agreed to or withdrew: signed, kept for ever, given out again."""

import datetime
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.ids import public_id, uuid7

if TYPE_CHECKING:
    from accounts.repository import Driver, Row

Sign = Callable[[dict[str, Any]], str]
"""Makes a JWS (compact) of claims."""


async def issue(
    driver: "Driver", sign: Sign, holder_id: UUID, kind: str, content: dict[str, Any], now: datetime.datetime
) -> tuple[UUID, str]:
    """Sign and keep a receipt; answers its id and the JWS. `content` is what was agreed, without identifiers."""
    receipt_id = uuid7(now)
    signed = sign(
        {
            "jti": public_id("rcp", receipt_id),
            "sub": public_id("hld", holder_id),
            "iat": int(now.timestamp()),
            "kind": kind,
            "content": content,
        }
    )
    await keep(driver, holder_id, receipt_id, kind, signed, now)
    return receipt_id, signed


async def keep(
    driver: "Driver", holder_id: UUID, receipt_id: UUID, kind: str, signed: str, now: datetime.datetime
) -> None:
    """Append a receipt."""
    await driver.execute(
        "INSERT INTO agreement_receipts (holder_id, id, kind, issued_at, signed) VALUES ($1, $2, $3, $4, $5)",
        holder_id,
        receipt_id,
        kind,
        now,
        signed,
    )


async def page(driver: "Driver", holder_id: UUID, before: UUID | None, limit: int) -> "Sequence[Row]":
    """(id, kind, issued_at, signed) of a holder's receipts, the newest first."""
    rows: Sequence[Row] = await driver.fetch(
        """
        SELECT id, kind, issued_at, signed FROM agreement_receipts
        WHERE holder_id = $1 AND id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY id DESC LIMIT $3
        """,
        holder_id,
        before,
        limit,
    )
    return rows


async def find(driver: "Driver", holder_id: UUID, receipt_id: UUID) -> "Row | None":
    """(id, kind, issued_at, signed) of one receipt."""
    return await driver.fetchrow(
        "SELECT id, kind, issued_at, signed FROM agreement_receipts WHERE holder_id = $1 AND id = $2",
        holder_id,
        receipt_id,
    )
