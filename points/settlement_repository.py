"""SQL of issuing statements: set-based, in the transaction of the statement."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import lowest_uuid7
from accounts.models import AccountKind, EntryKind
from points.settlement_states import LATE

if TYPE_CHECKING:
    import asyncpg

# Entries that no statement has: of a party ($1), its money ($2), from an id on ($3), below one ($4).
_UNSETTLED = f"""
    FROM entries e
    WHERE e.party_id = $1 AND e.asset_id = $2 AND e.id >= $3::uuid AND e.id < $4::uuid
        AND e.kind IN ({EntryKind.SPEND:d}, {EntryKind.REFUND:d})
        AND NOT EXISTS (
            SELECT FROM settled_entries s WHERE s.holder_id = e.holder_id AND s.entry_id = e.id)
"""
_FEN = f"CASE WHEN e.credit = {AccountKind.MERCHANT:d} THEN e.amount ELSE -e.amount END"


@dataclass(frozen=True, slots=True)
class Account:
    """A merchant and the money of one region; `settled_until`: where its last statement ends."""

    merchant_id: UUID
    asset_id: int
    region: str
    since: datetime.datetime
    settled_until: datetime.datetime | None = None

    def first_id(self) -> UUID:
        """No unsettled entry lies below this id: the bound on the partitions that are read."""
        return lowest_uuid7((self.settled_until or self.since) - LATE)


@dataclass(frozen=True, slots=True)
class Sums:
    """What entries come to: how many, net points, fen."""

    redeemed: int = 0
    refunded: int = 0
    points: int = 0
    spent_fen: int = 0
    refunded_fen: int = 0


async def lock_plans(driver: "asyncpg.Connection") -> None:
    """Let this transaction read a million rows as a million rows: the service's plans are for look-ups by key."""
    await driver.execute(
        "SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; SET LOCAL enable_seqscan = on;"
        " SET LOCAL plan_cache_mode = auto; SET LOCAL statement_timeout = '10min'"
    )


async def find_account(driver: "asyncpg.Connection", merchant_id: UUID, region: str) -> Account | None:
    """The account of a merchant whose offers were approved in a region, whether or not it has a statement."""
    row = await driver.fetchrow(
        """
        SELECT o.merchant_id, o.money_asset_id, o.region, min(o.approved_at)
        FROM offers o WHERE o.merchant_id = $1 AND o.region = $2 AND o.money_asset_id IS NOT NULL
        GROUP BY 1, 2, 3
        """,
        merchant_id,
        region,
    )
    if row is None:
        return None
    until = await driver.fetchval(
        "SELECT settled_until FROM settlement_accounts WHERE merchant_id = $1 AND asset_id = $2",
        row[0],
        row[1],
    )
    return Account(row[0], row[1], row[2], row[3], until)


async def lock_account(driver: "asyncpg.Connection", account: Account) -> Account:
    """Take the lock under which statements of an account are issued; answers the account as of the lock."""
    await driver.execute(
        """
        INSERT INTO settlement_accounts (merchant_id, asset_id, region, since) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING
        """,
        account.merchant_id,
        account.asset_id,
        account.region,
        account.since,
    )
    row = await driver.fetchrow(
        """
        SELECT merchant_id, asset_id, region, since, settled_until FROM settlement_accounts
        WHERE merchant_id = $1 AND asset_id = $2 FOR NO KEY UPDATE
        """,
        account.merchant_id,
        account.asset_id,
    )
    return Account(*row)


async def accounts_to_look_at(driver: "asyncpg.Connection", month: datetime.datetime) -> list[Account]:
    """Accounts that may have something to settle of before the month that begins then."""
    rows = await driver.fetch(
        """
        SELECT o.merchant_id, o.money_asset_id, o.region, o.since, a.settled_until FROM (
            SELECT merchant_id, money_asset_id, region, min(approved_at) AS since FROM offers
            WHERE money_asset_id IS NOT NULL GROUP BY 1, 2, 3) o
        LEFT JOIN settlement_accounts a ON a.merchant_id = o.merchant_id AND a.asset_id = o.money_asset_id
        WHERE o.since < $1 AND (a.settled_until IS NULL OR a.settled_until < $1)
            AND (a.looked_until IS NULL OR a.looked_until < $1)
        ORDER BY 1, 2
        """,
        month,
    )
    return [Account(*row) for row in rows]


async def mark_looked(driver: "asyncpg.Connection", account: Account, month: datetime.datetime) -> None:
    """Remember that a locked account has nothing to settle of before the month."""
    await driver.execute(
        "UPDATE settlement_accounts SET looked_until = $3 WHERE merchant_id = $1 AND asset_id = $2",
        account.merchant_id,
        account.asset_id,
        month,
    )


async def oldest_unsettled(
    driver: "asyncpg.Connection", account: Account, ends_at: datetime.datetime
) -> UUID | None:
    """The first entry booked before a moment that no statement has."""
    found: UUID | None = await driver.fetchval(
        f"SELECT e.id {_UNSETTLED} ORDER BY e.id LIMIT 1",
        account.merchant_id,
        account.asset_id,
        account.first_id(),
        lowest_uuid7(ends_at),
    )
    return found


async def preview(driver: "asyncpg.Connection", account: Account, ends_at: datetime.datetime) -> Sums:
    """What a statement up to a moment would come to."""
    row = await driver.fetchrow(
        f"""
        SELECT count(*) FILTER (WHERE q.fen > 0), count(*) FILTER (WHERE q.fen < 0),
            coalesce(sum(sign(q.fen) * r.points), 0)::bigint,
            coalesce(sum(q.fen) FILTER (WHERE q.fen > 0), 0)::bigint,
            coalesce(-sum(q.fen) FILTER (WHERE q.fen < 0), 0)::bigint
        FROM (SELECT e.holder_id, e.cause_id, {_FEN} AS fen {_UNSETTLED}) q
        JOIN redemptions r ON r.holder_id = q.holder_id AND r.id = q.cause_id
        """,
        account.merchant_id,
        account.asset_id,
        account.first_id(),
        lowest_uuid7(ends_at),
    )
    return Sums(*row)


async def take_entries(
    driver: "asyncpg.Connection", account: Account, ends_at: datetime.datetime, settlement_id: UUID
) -> None:
    """Put every unsettled entry of a locked account into a statement. The key refuses one that is in another."""
    await driver.execute(
        f"""
        INSERT INTO settled_entries (holder_id, entry_id, settlement_id, redemption_id, day, fen)
        SELECT e.holder_id, e.id, $5, e.cause_id, (e.booked_at AT TIME ZONE 'Asia/Shanghai')::date, {_FEN}
        {_UNSETTLED}
        """,
        account.merchant_id,
        account.asset_id,
        account.first_id(),
        lowest_uuid7(ends_at),
        settlement_id,
    )


async def write_lines(driver: "asyncpg.Connection", settlement_id: UUID) -> Sums:
    """Add up a statement's entries by day, offer and shop; answers their sums."""
    await driver.execute(
        """
        INSERT INTO settlement_lines (settlement_id, line, day, offer_id, shop_id, redeemed, refunded, quantity,
            points, spent_fen, refunded_fen)
        SELECT $1, row_number() OVER (ORDER BY s.day, r.offer_id, r.shop_id NULLS FIRST), s.day, r.offer_id,
            r.shop_id, count(*) FILTER (WHERE s.fen > 0), count(*) FILTER (WHERE s.fen < 0),
            sum(sign(s.fen) * r.quantity), sum(sign(s.fen) * r.points),
            coalesce(sum(s.fen) FILTER (WHERE s.fen > 0), 0), coalesce(-sum(s.fen) FILTER (WHERE s.fen < 0), 0)
        FROM settled_entries s JOIN redemptions r ON r.holder_id = s.holder_id AND r.id = s.redemption_id
        WHERE s.settlement_id = $1 GROUP BY s.day, r.offer_id, r.shop_id
        """,
        settlement_id,
    )
    row = await driver.fetchrow(
        """
        SELECT coalesce(sum(redeemed), 0)::bigint, coalesce(sum(refunded), 0)::bigint,
            coalesce(sum(points), 0)::bigint, coalesce(sum(spent_fen), 0)::bigint,
            coalesce(sum(refunded_fen), 0)::bigint
        FROM settlement_lines WHERE settlement_id = $1
        """,
        settlement_id,
    )
    return Sums(*row)


_CARRY = "least(opening_fen + spent_fen - refunded_fen + adjusted_fen, 0)"


async def open_carry(driver: "asyncpg.Connection", account: Account) -> int:
    """What statements leave over that no later one took, fen; above zero where a correction came after that."""
    return int(
        await driver.fetchval(
            f"""
            SELECT coalesce(sum({_CARRY} - carried_fen), 0)::bigint FROM settlements
            WHERE merchant_id = $1 AND asset_id = $2
            """,
            account.merchant_id,
            account.asset_id,
        )
    )


async def take_carry(driver: "asyncpg.Connection", account: Account) -> None:
    """Mark as taken over what the statements of a locked account leave over."""
    await driver.execute(
        f"""
        UPDATE settlements SET carried_fen = {_CARRY}
        WHERE merchant_id = $1 AND asset_id = $2 AND carried_fen <> {_CARRY}
        """,
        account.merchant_id,
        account.asset_id,
    )


async def next_number(driver: "asyncpg.Connection", region: str, year: int) -> str:
    """`440300-2026-000001`: without gaps, since a statement that is not issued gives its number back."""
    last = await driver.fetchval(
        """
        INSERT INTO settlement_numbers (region, year, last) VALUES ($1, $2, 1)
        ON CONFLICT (region, year) DO UPDATE SET last = settlement_numbers.last + 1 RETURNING last
        """,
        region,
        year,
    )
    return f"{region}-{year}-{last:06d}"


async def mark_settled(driver: "asyncpg.Connection", account: Account, ends_at: datetime.datetime) -> None:
    """Move the end of what is settled of a locked account."""
    await driver.execute(
        "UPDATE settlement_accounts SET settled_until = $3 WHERE merchant_id = $1 AND asset_id = $2",
        account.merchant_id,
        account.asset_id,
        ends_at,
    )
