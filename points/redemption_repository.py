"""SQL of redemptions: array-shaped, in the transaction of the group that they are decided in."""

import datetime
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from dedup.writes import Writes, columns
from points.redemption_states import Redemption, Terms
from points.repository import Part

if TYPE_CHECKING:
    import asyncpg

LimitKey = tuple[UUID, UUID, datetime.date]
"""(holder, offer, local day or `IN_ALL`)."""

_COLUMNS = (
    "holder_id, id, offer_id, merchant_id, state, quantity, points, fen, settle_fen, counted, ordered_on,"
    " hold_until, code_until, shop_id, till_id, bound_at, bound_until, binding_nonce, payment_ref, confirmed_at,"
    " fulfilled_at, ended_at"
)
_TERMS = ", ".join(Terms.__dataclass_fields__)


async def holders_of(driver: "asyncpg.Connection", redemption_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Redemption → holder."""
    rows = await driver.fetch(
        "SELECT id, holder_id FROM redemptions WHERE id = ANY($1::uuid[])", redemption_ids
    )
    return {row[0]: row[1] for row in rows}


async def redemptions_of_codes(
    driver: "asyncpg.Connection", merchant_ids: Sequence[UUID], codes: Sequence[str]
) -> dict[tuple[UUID, str], tuple[UUID, UUID]]:
    """(merchant, text code) → (redemption, holder) of codes that were given."""
    rows = await driver.fetch(
        """
        SELECT c.merchant_id, c.code, c.redemption_id, c.holder_id
        FROM unnest($1::uuid[], $2::varchar[]) AS k (merchant, code)
        JOIN offer_codes c ON c.merchant_id = k.merchant AND c.code = k.code WHERE c.redemption_id IS NOT NULL
        """,
        merchant_ids,
        codes,
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


async def read(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID], ids: Sequence[UUID]
) -> dict[UUID, Redemption]:
    """Redemptions of locked holders."""
    rows = await driver.fetch(
        f"SELECT {_COLUMNS} FROM redemptions WHERE holder_id = ANY($1::uuid[]) AND id = ANY($2::uuid[])",
        holder_ids,
        ids,
    )
    return {row[1]: Redemption(*row) for row in rows}


async def read_parts(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID], ids: Sequence[UUID]
) -> dict[UUID, list[Part]]:
    """Redemption → the lots that its points came from, the earliest first."""
    rows = await driver.fetch(
        """
        SELECT redemption_id, asset_id, expires_on, points FROM redemption_lots
        WHERE holder_id = ANY($1::uuid[]) AND redemption_id = ANY($2::uuid[]) ORDER BY expires_on
        """,
        holder_ids,
        ids,
    )
    found: dict[UUID, list[Part]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(Part(row[1], row[2], row[3]))
    return found


async def read_terms(driver: "asyncpg.Connection", offer_ids: Sequence[UUID]) -> dict[UUID, Terms]:
    """Offer → its terms."""
    rows = await driver.fetch(f"SELECT {_TERMS} FROM offers WHERE id = ANY($1::uuid[])", offer_ids)
    return {row[0]: Terms(*row) for row in rows}


async def lock_stock(driver: "asyncpg.Connection", offer_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Take the locks of limited offers in id order; answers offer → what is left, as of the lock."""
    rows = await driver.fetch(
        """
        SELECT offer_id, remaining FROM offer_stock WHERE offer_id = ANY($1::uuid[])
        ORDER BY offer_id FOR NO KEY UPDATE
        """,
        offer_ids,
    )
    return {row[0]: row[1] for row in rows}


async def read_limits(
    driver: "asyncpg.Connection",
    holder_ids: Sequence[UUID],
    offer_ids: Sequence[UUID],
    days: Iterable[datetime.date],
) -> dict[LimitKey, int]:
    """(holder, offer, day) → what the locked holder has taken."""
    rows = await driver.fetch(
        """
        SELECT holder_id, offer_id, day, used FROM redemption_limits
        WHERE holder_id = ANY($1::uuid[]) AND offer_id = ANY($2::uuid[]) AND day = ANY($3::date[])
        """,
        holder_ids,
        offer_ids,
        list(days),
    )
    return {(row[0], row[1], row[2]): row[3] for row in rows}


async def read_free_codes(
    driver: "asyncpg.Connection", wanted: Sequence[tuple[UUID, int]]
) -> dict[UUID, list[str]]:
    """Offer, whose lock is held → at most so many codes of its pool that nobody has."""
    rows = await driver.fetch(
        """
        SELECT o.offer, c.code FROM unnest($1::uuid[], $2::int[]) AS o (offer, number)
        CROSS JOIN LATERAL (SELECT code FROM offer_codes WHERE offer_id = o.offer AND redemption_id IS NULL
            LIMIT o.number) c
        """,
        *columns(wanted),
    )
    found: dict[UUID, list[str]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row[1])
    return found


def write_new(
    writes: Writes, redemptions: Sequence[Redemption], parts: Sequence[tuple[UUID, UUID, Part]]
) -> None:
    """Append redemptions, and the lots (holder, redemption, part) that their points came from."""
    writes.add(
        f"""
        INSERT INTO redemptions ({_COLUMNS})
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::varchar[], $6::int[], $7::bigint[],
            $8::bigint[], $9::bigint[], $10::bool[], $11::date[], $12::timestamptz[], $13::timestamptz[],
            $14::uuid[], $15::uuid[], $16::timestamptz[], $17::timestamptz[], $18::bytea[], $19::varchar[],
            $20::timestamptz[], $21::timestamptz[], $22::timestamptz[])
        """,
        *columns(
            [
                (
                    *(r.holder_id, r.id, r.offer_id, r.merchant_id, r.state, r.quantity, r.points, r.fen),
                    *(
                        r.settle_fen,
                        r.counted,
                        r.ordered_on,
                        r.hold_until,
                        r.code_until,
                        r.shop_id,
                        r.till_id,
                    ),
                    *(r.bound_at, r.bound_until, r.binding_nonce, r.payment_ref, r.confirmed_at),
                    *(r.fulfilled_at, r.ended_at),
                )
                for r in redemptions
            ]
        ),
    )
    writes.add(
        """
        INSERT INTO redemption_lots (holder_id, redemption_id, asset_id, expires_on, points)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::date[], $5::bigint[])
        """,
        *columns([(holder, id_, p.asset_id, p.expires_on, p.points) for holder, id_, p in parts]),
    )


def write_changed(writes: Writes, redemptions: Sequence[Redemption]) -> None:
    """Store what steps changed of redemptions of locked holders."""
    writes.add(
        """
        UPDATE redemptions r SET state = c.state, counted = c.counted, code_until = c.code_until,
            shop_id = c.shop, till_id = c.till, bound_at = c.bound_at, bound_until = c.bound_until,
            binding_nonce = c.nonce, payment_ref = c.payment, confirmed_at = c.confirmed,
            fulfilled_at = c.fulfilled, ended_at = c.ended
        FROM unnest($1::uuid[], $2::uuid[], $3::varchar[], $4::bool[], $5::timestamptz[], $6::uuid[], $7::uuid[],
            $8::timestamptz[], $9::timestamptz[], $10::bytea[], $11::varchar[], $12::timestamptz[],
            $13::timestamptz[], $14::timestamptz[])
            AS c (holder, id, state, counted, code_until, shop, till, bound_at, bound_until, nonce, payment,
                confirmed, fulfilled, ended)
        WHERE r.holder_id = c.holder AND r.id = c.id
        """,
        *columns(
            [
                (
                    *(r.holder_id, r.id, r.state, r.counted, r.code_until, r.shop_id, r.till_id, r.bound_at),
                    *(
                        r.bound_until,
                        r.binding_nonce,
                        r.payment_ref,
                        r.confirmed_at,
                        r.fulfilled_at,
                        r.ended_at,
                    ),
                )
                for r in redemptions
            ]
        ),
    )


def change_stock(writes: Writes, changes: dict[UUID, int]) -> None:
    """Add to what is left of locked offers; the table's CHECK is the backstop."""
    writes.add(
        """
        UPDATE offer_stock s SET remaining = s.remaining + c.change
        FROM unnest($1::uuid[], $2::bigint[]) AS c (offer, change) WHERE s.offer_id = c.offer
        """,
        list(changes),
        list(changes.values()),
    )


def write_limits(writes: Writes, rows: Sequence[tuple[UUID, UUID, datetime.date, int, int]]) -> None:
    """Store (holder, offer, day, used, cap) of locked holders; the table's CHECK is the backstop."""
    writes.add(
        """
        INSERT INTO redemption_limits (holder_id, offer_id, day, used, cap)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::date[], $4::int[], $5::int[])
        ON CONFLICT (holder_id, offer_id, day) DO UPDATE SET used = excluded.used
        """,
        *columns(rows),
    )


GivenCode = tuple[UUID, str, UUID, UUID, UUID]
"""(merchant, code, offer, holder, redemption)."""


def write_generated_codes(writes: Writes, rows: Sequence[GivenCode]) -> None:
    """Append codes that were made for redemptions."""
    writes.add(
        """
        INSERT INTO offer_codes (merchant_id, code, offer_id, holder_id, redemption_id)
        SELECT * FROM unnest($1::uuid[], $2::varchar[], $3::uuid[], $4::uuid[], $5::uuid[])
        """,
        *columns(rows),
    )


def give_pool_codes(writes: Writes, rows: Sequence[GivenCode]) -> None:
    """Give free codes of locked offers to redemptions."""
    writes.add(
        """
        UPDATE offer_codes c SET holder_id = g.holder, redemption_id = g.redemption
        FROM unnest($1::uuid[], $2::varchar[], $3::uuid[], $4::uuid[], $5::uuid[])
            AS g (merchant, code, offer, holder, redemption)
        WHERE c.merchant_id = g.merchant AND c.code = g.code AND c.redemption_id IS NULL
        """,
        *columns(rows),
    )


async def read_due(
    driver: "asyncpg.Connection",
    now: datetime.datetime,
    payment_grace: datetime.timedelta,
    upload_grace: datetime.timedelta,
    limit: int,
) -> list[tuple[UUID, UUID, bool]]:
    """(holder, redemption, whether it is a code) whose hold or code has run out, the oldest first."""
    rows = await driver.fetch(
        """
        (SELECT holder_id, id, false FROM redemptions
         WHERE state IN ('held', 'awaiting_payment')
           AND hold_until <= CASE WHEN state = 'held' THEN $1::timestamptz ELSE $2::timestamptz END
           AND hold_until <= $1
         ORDER BY hold_until LIMIT $4)
        UNION ALL
        (SELECT holder_id, id, true FROM redemptions
         WHERE state = 'confirmed' AND code_until <= $1
           AND (till_id IS NULL OR code_until <= $3::timestamptz)
         ORDER BY code_until LIMIT $4)
        """,
        now,
        now - payment_grace,
        now - upload_grace,
        limit,
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def page_of_holder(
    driver: "asyncpg.Connection", holder_id: UUID, before: UUID | None, limit: int
) -> list[Redemption]:
    """A holder's redemptions, the newest first."""
    rows = await driver.fetch(
        f"""
        SELECT {_COLUMNS} FROM redemptions WHERE holder_id = $1 AND ($2::uuid IS NULL OR id < $2)
        ORDER BY id DESC LIMIT $3
        """,
        holder_id,
        before,
        limit,
    )
    return await _with_terms(driver, [Redemption(*row) for row in rows])


async def page_of_merchant(
    driver: "asyncpg.Connection", merchant_id: UUID, state: str | None, before: UUID | None, limit: int
) -> list[Redemption]:
    """A merchant's redemptions, the newest first."""
    rows = await driver.fetch(
        f"""
        SELECT {_COLUMNS} FROM redemptions WHERE merchant_id = $1 AND ($2::uuid IS NULL OR id < $2)
            AND ($3::varchar IS NULL OR state = $3)
        ORDER BY id DESC LIMIT $4
        """,
        merchant_id,
        before,
        state,
        limit,
    )
    return await _with_terms(driver, [Redemption(*row) for row in rows])


async def find(driver: "asyncpg.Connection", redemption_id: UUID) -> Redemption | None:
    """One redemption with its terms, whosever it is."""
    rows = await driver.fetch(f"SELECT {_COLUMNS} FROM redemptions WHERE id = $1", redemption_id)
    found = await _with_terms(driver, [Redemption(*row) for row in rows])
    return found[0] if found else None


async def find_own(driver: "asyncpg.Connection", holder_id: UUID, redemption_id: UUID) -> Redemption | None:
    """One redemption of a holder, with its terms and its text code."""
    found = list((await read(driver, [holder_id], [redemption_id])).values())
    if not found:
        return None
    (redemption,) = await _with_terms(driver, found)
    redemption.code = await driver.fetchval(
        "SELECT code FROM offer_codes WHERE redemption_id = $1", redemption_id
    )
    return redemption


async def _with_terms(driver: "asyncpg.Connection", found: list[Redemption]) -> list[Redemption]:
    terms = await read_terms(driver, list({r.offer_id for r in found})) if found else {}
    for redemption in found:
        redemption.terms = terms.get(redemption.offer_id)
    return found
