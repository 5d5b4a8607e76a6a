"""SQL of listings, auctions, bids and trades."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from app.market.trading import COLUMNS, TYPES, Trade

if TYPE_CHECKING:
    import asyncpg
    from sqlmodel import SQLModel

Row: TypeAlias = "asyncpg.Record"
Driver: TypeAlias = "asyncpg.Connection"
OF_ORIGIN = (
    "o.kind AS origin_kind, o.region AS origin_region, o.methodology AS origin_methodology,"
    " o.vintage AS origin_vintage, o.unit_type AS origin_unit_type"
)


async def insert(driver: Driver, row: "SQLModel") -> None:
    """A new row of its own table."""
    values = row.model_dump()
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    await driver.execute(
        f"INSERT INTO {row.__tablename__} ({', '.join(values)}) VALUES ({places})", *values.values()
    )


# Listings


async def lock_listing(driver: Driver, listing_id: UUID) -> "Row | None":
    """A listing; others who buy of it wait."""
    return await driver.fetchrow("SELECT * FROM market_listings WHERE id = $1 FOR UPDATE", listing_id)


async def change_listing(
    driver: Driver, listing_id: UUID, sold_kg: int, state: str, ended_at: datetime.datetime | None
) -> None:
    """Keep how much is sold, and how it stands."""
    await driver.execute(
        "UPDATE market_listings SET sold_kg = $2, state = $3, ended_at = $4 WHERE id = $1",
        listing_id,
        sold_kg,
        state,
        ended_at,
    )


async def listing(driver: Driver, listing_id: UUID) -> "Row | None":
    """A listing with what its units are."""
    return await driver.fetchrow(
        f"SELECT l.*, {OF_ORIGIN} FROM market_listings l JOIN unit_origins o ON o.id = l.origin_id WHERE l.id = $1",
        listing_id,
    )


async def page_of_listings(
    driver: Driver, seller_id: UUID | None, now: datetime.datetime, before: UUID | None, limit: int
) -> list[Row]:
    """Open listings, or all of a seller, the newest first."""
    rows: list[Row] = await driver.fetch(
        f"""
        SELECT l.*, {OF_ORIGIN} FROM market_listings l JOIN unit_origins o ON o.id = l.origin_id
        WHERE CASE WHEN $1::uuid IS NULL THEN l.state = 'open' AND l.ends_at > $2 ELSE l.seller_id = $1 END
          AND ($3::uuid IS NULL OR l.id < $3)
        ORDER BY l.id DESC LIMIT $4
        """,
        seller_id,
        now,
        before,
        limit,
    )
    return rows


async def listings_over(driver: Driver, now: datetime.datetime, limit: int) -> list[UUID]:
    """Open listings whose time is over."""
    rows = await driver.fetch(
        "SELECT id FROM market_listings WHERE state = 'open' AND ends_at <= $1 ORDER BY id LIMIT $2",
        now,
        limit,
    )
    return [row["id"] for row in rows]


# Auctions


async def lock_auction(driver: Driver, auction_id: UUID) -> "Row | None":
    """An auction; bids and steps on it wait."""
    return await driver.fetchrow("SELECT * FROM market_auctions WHERE id = $1 FOR UPDATE", auction_id)


async def update_auction(driver: Driver, auction_id: UUID, **changes: Any) -> None:
    """Write columns of an auction."""
    columns = ", ".join(f"{name} = ${place}" for place, name in enumerate(changes, 2))
    await driver.execute(f"UPDATE market_auctions SET {columns} WHERE id = $1", auction_id, *changes.values())


async def auction(driver: Driver, auction_id: UUID) -> "Row | None":
    """An auction with what its units are."""
    return await driver.fetchrow(
        f"SELECT a.*, {OF_ORIGIN} FROM market_auctions a JOIN unit_origins o ON o.id = a.origin_id WHERE a.id = $1",
        auction_id,
    )


async def page_of_auctions(
    driver: Driver,
    states: Sequence[str],
    seller_id: UUID | None,
    within: str,
    before: UUID | None,
    limit: int,
) -> list[Row]:
    """Auctions in these states, of a seller or of a region's sellers, the newest first."""
    rows: list[Row] = await driver.fetch(
        f"""
        SELECT a.*, {OF_ORIGIN} FROM market_auctions a JOIN unit_origins o ON o.id = a.origin_id
        WHERE a.state = ANY($1::varchar[]) AND ($2::uuid IS NULL OR a.seller_id = $2)
          AND starts_with(a.region, $3) AND ($4::uuid IS NULL OR a.id < $4)
        ORDER BY a.id DESC LIMIT $5
        """,
        list(states),
        seller_id,
        within,
        before,
        limit,
    )
    return rows


async def next_round_of(driver: Driver, auction_id: UUID) -> UUID | None:
    """The auction that follows on one."""
    found: UUID | None = await driver.fetchval(
        "SELECT id FROM market_auctions WHERE previous_id = $1", auction_id
    )
    return found


async def auctions_over(driver: Driver, now: datetime.datetime, limit: int) -> list[UUID]:
    """Announced auctions whose time is over."""
    rows = await driver.fetch(
        "SELECT id FROM market_auctions WHERE state = 'announced' AND ends_at <= $1 ORDER BY ends_at LIMIT $2",
        now,
        limit,
    )
    return [row["id"] for row in rows]


async def standing_bids(driver: Driver, auction_id: UUID) -> list[Row]:
    """The bids that stand in an auction."""
    rows: list[Row] = await driver.fetch(
        "SELECT * FROM market_bids WHERE auction_id = $1 AND state <> 'replaced'", auction_id
    )
    return rows


async def mark_bids(driver: Driver, bids: Sequence[UUID], state: str, won_kg: Sequence[int]) -> None:
    """Keep what became of bids."""
    await driver.execute(
        """
        UPDATE market_bids b SET state = $2, won_kg = w.kg
        FROM unnest($1::uuid[], $3::bigint[]) AS w (id, kg) WHERE b.id = w.id
        """,
        list(bids),
        state,
        list(won_kg),
    )


async def page_of_bids(driver: Driver, buyer_id: UUID, before: UUID | None, limit: int) -> list[Row]:
    """A buyer's bids, the newest first."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT * FROM market_bids WHERE buyer_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
        """,
        buyer_id,
        before,
        limit,
    )
    return rows


# Trades


async def insert_trades(driver: Driver, trades: Sequence[Trade]) -> None:
    """New trades, in one statement."""
    arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(TYPES, 1))
    await driver.execute(
        f"INSERT INTO market_trades ({', '.join(COLUMNS)}) SELECT * FROM unnest({arrays})",
        *([getattr(trade, name) for trade in trades] for name in COLUMNS),
    )


async def trade(driver: Driver, trade_id: UUID) -> "Row | None":
    """A trade."""
    return await driver.fetchrow("SELECT * FROM market_trades WHERE id = $1", trade_id)


async def lock_trade(driver: Driver, trade_id: UUID) -> "Row | None":
    """A trade; who would settle it as well waits."""
    return await driver.fetchrow("SELECT * FROM market_trades WHERE id = $1 FOR UPDATE", trade_id)


async def end_trade(driver: Driver, trade_id: UUID, state: str, now: datetime.datetime) -> bool:
    """End a trade that is due; False where it has ended."""
    done = await driver.execute(
        "UPDATE market_trades SET state = $2, ended_at = $3, deposit_fen = 0 WHERE id = $1 AND state = 'due'",
        trade_id,
        state,
        now,
    )
    return bool(done == "UPDATE 1")


async def trades_due(driver: Driver, auction_id: UUID) -> int:
    """How many trades of an auction are not ended."""
    return int(
        await driver.fetchval(
            "SELECT count(*) FROM market_trades WHERE auction_id = $1 AND state = 'due'", auction_id
        )
    )


async def trades_late(driver: Driver, now: datetime.datetime, limit: int) -> list[UUID]:
    """Trades that were to be paid by now."""
    rows = await driver.fetch(
        "SELECT id FROM market_trades WHERE state = 'due' AND pay_by <= $1 ORDER BY pay_by LIMIT $2",
        now,
        limit,
    )
    return [row["id"] for row in rows]


async def page_of_trades(
    driver: Driver, organisation_id: UUID, state: str | None, before: UUID | None, limit: int
) -> list[Row]:
    """What an organisation bought and sold, the newest first."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT * FROM (
            (SELECT * FROM market_trades WHERE seller_id = $1 AND ($2::varchar IS NULL OR state = $2)
                AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4)
            UNION ALL
            (SELECT * FROM market_trades WHERE buyer_id = $1 AND ($2::varchar IS NULL OR state = $2)
                AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4)) t
        ORDER BY id DESC LIMIT $4
        """,
        organisation_id,
        state,
        before,
        limit,
    )
    return rows
