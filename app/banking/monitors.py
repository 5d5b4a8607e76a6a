"""Monitoring after a loan: a bank is told when a customer's tier or label falls, while the customer lets it."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from accounts.ids import public_id
from app.banking.terms import Purpose, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accounts.repository import Driver, Row

BATCH: Final = 500
"""Customers of one bank that one transaction looks at."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a bank was told last of a customer."""

    tier: str | None
    label: str | None


async def begin(
    driver: "Driver", bank_id: UUID, holder_id: UUID, card: str, seen: Seen, now: datetime.datetime
) -> None:
    """Monitor a customer from what it has now; again from what it has now where it was monitored already."""
    await driver.execute(
        """
        INSERT INTO bank_monitors (bank_id, holder_id, card, tier, label, since, looked_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6)
        ON CONFLICT (bank_id, holder_id) DO UPDATE
            SET card = excluded.card, tier = excluded.tier, label = excluded.label, looked_at = excluded.looked_at
        """,
        bank_id,
        holder_id,
        card,
        seen.tier,
        seen.label,
        now,
    )


async def stop(driver: "Driver", bank_id: UUID, holder_id: UUID) -> bool:
    """Monitor a customer no more, and take back what waits to be told; False where it was not monitored."""
    ended = await driver.fetchval(
        "DELETE FROM bank_monitors WHERE bank_id = $1 AND holder_id = $2 RETURNING holder_id",
        bank_id,
        holder_id,
    )
    if ended is None:
        return False
    reference = await driver.fetchval(
        "SELECT reference FROM bank_references WHERE bank_id = $1 AND holder_id = $2", bank_id, holder_id
    )
    if reference is not None:
        # What was delivered goes as well: the bank could have it replayed.
        await driver.execute(
            """
            DELETE FROM webhook_deliveries WHERE subject = $2 AND endpoint_id IN (
                SELECT id FROM webhook_endpoints WHERE organisation_id = $1)
            """,
            bank_id,
            public_id("cus", reference),
        )
    return True


async def stop_all(driver: "Driver", holder_id: UUID) -> None:
    """Nobody monitors a locked holder any more."""
    rows = await driver.fetch(
        "SELECT bank_id FROM bank_monitors WHERE holder_id = $1 ORDER BY bank_id", holder_id
    )
    for row in rows:
        await stop(driver, row[0], holder_id)


async def _granted(driver: "Driver", bank_id: UUID, holder_id: UUID, now: datetime.datetime) -> bool:
    """Whether a grant took the place of one that ended while it was waited for."""
    return bool(
        await driver.fetchval(
            """
            SELECT EXISTS (SELECT FROM bank_grants WHERE holder_id = $2 AND bank_id = $1 AND purpose = $3
                AND ended_at IS NULL AND valid_until > $4)
            """,
            bank_id,
            holder_id,
            Purpose.POST_LOAN_MONITORING.value,
            now,
        )
    )


async def page(
    driver: "Driver", bank_id: UUID, after: UUID | None, limit: int, now: datetime.datetime
) -> "Sequence[Row]":
    """Whom a bank monitors and may, by its names for them."""
    rows: Sequence[Row] = await driver.fetch(
        """
        SELECT r.reference, m.card, m.since FROM bank_monitors m
        JOIN bank_references r ON r.bank_id = m.bank_id AND r.holder_id = m.holder_id
        WHERE m.bank_id = $1 AND r.reference > $2 AND EXISTS (
            SELECT FROM bank_grants g WHERE g.holder_id = m.holder_id AND g.bank_id = m.bank_id AND g.purpose = $5
                AND g.ended_at IS NULL AND g.valid_until > $4)
        ORDER BY r.reference LIMIT $3
        """,
        bank_id,
        after or UUID(int=0),
        limit,
        now,
        Purpose.POST_LOAN_MONITORING.value,
    )
    return rows


async def banks(driver: "Driver") -> list[UUID]:
    """Banks that monitor anybody."""
    rows = await driver.fetch("SELECT DISTINCT bank_id FROM bank_monitors ORDER BY bank_id")
    return [row[0] for row in rows]


async def hold_granted(
    driver: "Driver", bank_id: UUID, after: UUID | None, limit: int, now: datetime.datetime
) -> "tuple[Sequence[Row], UUID | None]":
    """The next customers that a bank monitors and may, kept from withdrawing until the transaction is over.

    Each with (holder, card, tier, label, reference, grant, scope); and the last one that was looked at. Those whose
    grant is over are forgotten.
    """
    place = await driver.fetch(
        "SELECT holder_id FROM bank_monitors WHERE bank_id = $1 AND holder_id > $2 ORDER BY holder_id LIMIT $3",
        bank_id,
        after or UUID(int=0),
        limit,
    )
    if not place:
        return [], None
    holders = [row[0] for row in place]
    # In the order of holders, and of one bank alone: a withdrawal never waits for two of them.
    held = await driver.fetch(
        """
        SELECT holder_id, id, scope FROM bank_grants
        WHERE bank_id = $1 AND holder_id = ANY($2::uuid[]) AND purpose = $3 AND ended_at IS NULL
            AND valid_until > $4
        ORDER BY holder_id FOR SHARE
        """,
        bank_id,
        holders,
        Purpose.POST_LOAN_MONITORING.value,
        now,
    )
    for holder in set(holders) - {row["holder_id"] for row in held}:
        if not await _granted(driver, bank_id, holder, now):
            await stop(driver, bank_id, holder)
    rows = await driver.fetch(
        """
        SELECT m.holder_id, m.card, m.tier, m.label, r.reference, g.id AS grant_id, g.scope
        FROM unnest($2::uuid[], $3::uuid[], $4::varchar[]) AS g (holder_id, id, scope)
        JOIN bank_monitors m ON m.bank_id = $1 AND m.holder_id = g.holder_id
        JOIN bank_references r ON r.bank_id = $1 AND r.holder_id = g.holder_id ORDER BY m.holder_id
        """,
        bank_id,
        [row["holder_id"] for row in held],
        [row["id"] for row in held],
        [row["scope"] for row in held],
    )
    return rows, holders[-1] if len(holders) == limit else None


async def remember(
    driver: "Driver",
    bank_id: UUID,
    seen: "Sequence[tuple[UUID, str | None, str | None]]",
    now: datetime.datetime,
) -> None:
    """Keep what customers have now: (holder, tier, label)."""
    await driver.execute(
        """
        UPDATE bank_monitors m SET tier = s.tier, label = s.label, looked_at = $5
        FROM unnest($2::uuid[], $3::varchar[], $4::varchar[]) AS s (holder_id, tier, label)
        WHERE m.bank_id = $1 AND m.holder_id = s.holder_id
        """,
        bank_id,
        [each[0] for each in seen],
        [each[1] for each in seen],
        [each[2] for each in seen],
        now,
    )


def tells_reasons(scope: str) -> bool:
    """Whether a grant of this scope lets the bank know why."""
    return Scope(scope).covers(Scope.SCORE)
