"""SQL of carbon-neutral events."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from app.auth.principal import prefix

if TYPE_CHECKING:
    import asyncpg

    from app.events.models import NeutralEvent

Row = Any
_LAST = UUID(int=2**128 - 1)


# Pools


async def add_pool(driver: "asyncpg.Connection", row: tuple[Any, ...]) -> None:
    """Open one: id, organisation, account, origin, region, titles (zh, en), price, moment."""
    await driver.execute(
        """
        INSERT INTO event_pools (id, organisation_id, account_id, origin_id, region, title_zh, title_en,
            price_fen_per_t, opened_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        *row,
    )


async def close_pool(
    driver: "asyncpg.Connection", organisation_id: UUID, pool_id: UUID, now: datetime.datetime
) -> bool:
    """Sell no more of one's own; what is ordered stays so. False where it is none."""
    done = await driver.execute(
        "UPDATE event_pools SET closed_at = coalesce(closed_at, $3) WHERE id = $2 AND organisation_id = $1",
        organisation_id,
        pool_id,
        now,
    )
    return bool(done == "UPDATE 1")


_STOCKED = """
    SELECT p.*, coalesce((
        SELECT sum(upper(h.units) - lower(h.units))::bigint FROM unit_holdings h
        WHERE h.account_id = p.account_id AND h.status = 'held' AND h.ended_at IS NULL
          AND (p.origin_id IS NULL OR h.origin_id = p.origin_id)), 0) AS stock_kg
    FROM event_pools p
"""


async def stocked(driver: "asyncpg.Connection", pool_id: UUID) -> Row:
    """A pool with the stock that is free."""
    return await driver.fetchrow(f"{_STOCKED} WHERE p.id = $1", pool_id)


async def pools(
    driver: "asyncpg.Connection", region: str | None, before: UUID | None, limit: int
) -> Sequence[Row]:
    """Open pools of a region and its parts, the latest first, with the stock that is free."""
    rows: Sequence[Row] = await driver.fetch(
        f"""
        {_STOCKED} WHERE p.closed_at IS NULL AND p.region LIKE $1 || '%' AND p.id < $2 ORDER BY p.id DESC LIMIT $3
        """,
        "" if region is None else prefix(region),
        before or _LAST,
        limit,
    )
    return rows


async def open_pool(driver: "asyncpg.Connection", pool_id: UUID) -> Row | None:
    """A pool that sells."""
    return await driver.fetchrow("SELECT * FROM event_pools WHERE id = $1 AND closed_at IS NULL", pool_id)


async def pool(driver: "asyncpg.Connection", pool_id: UUID) -> Row:
    """A pool, open or closed."""
    return await driver.fetchrow("SELECT * FROM event_pools WHERE id = $1", pool_id)


# Events


async def add_event(driver: "asyncpg.Connection", event: "NeutralEvent") -> None:
    """Keep an event of which nothing is ordered yet."""
    await driver.execute(
        """
        INSERT INTO neutral_events (id, code, organiser_id, of_enterprise, kind, title, department, region, day,
            participants, co2e_mg, kg, ordered_kg, paid_kg, lines, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 0, $13::text::jsonb, $14)
        """,
        event.id,
        event.code,
        event.organiser_id,
        event.of_enterprise,
        event.kind,
        event.title,
        event.department,
        event.region,
        event.day,
        event.participants,
        event.co2e_mg,
        event.kg,
        orjson.dumps(event.lines).decode(),
        event.created_at,
    )


async def event(driver: "asyncpg.Connection", event_id: UUID, *, lock: bool = False) -> Row | None:
    """An event; locked, nobody else orders or pays for it meanwhile."""
    return await driver.fetchrow(
        f"SELECT *, lines::text AS lines_json FROM neutral_events WHERE id = $1{' FOR UPDATE' if lock else ''}",
        event_id,
    )


async def event_by_code(driver: "asyncpg.Connection", code: str) -> Row | None:
    """The event that a code leads to, locked."""
    return await driver.fetchrow("SELECT * FROM neutral_events WHERE code = $1 FOR UPDATE", code)


async def events_of(
    driver: "asyncpg.Connection", organiser_id: UUID, before: UUID | None, limit: int
) -> Sequence[Row]:
    """An organiser's events, the newest first."""
    rows: Sequence[Row] = await driver.fetch(
        "SELECT * FROM neutral_events WHERE organiser_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        organiser_id,
        before or _LAST,
        limit,
    )
    return rows


async def take_kg(driver: "asyncpg.Connection", event_id: UUID, kg: int) -> bool:
    """Have so many kg of an event ordered; False, and nothing, where fewer are left."""
    done = await driver.execute(
        "UPDATE neutral_events SET ordered_kg = ordered_kg + $2 WHERE id = $1 AND ordered_kg + $2 <= kg",
        event_id,
        kg,
    )
    return bool(done == "UPDATE 1")


async def give_kg_back(driver: "asyncpg.Connection", event_id: UUID, kg: int) -> None:
    """What was ordered and is not paid can be ordered again."""
    await driver.execute("UPDATE neutral_events SET ordered_kg = ordered_kg - $2 WHERE id = $1", event_id, kg)


async def pay_kg(driver: "asyncpg.Connection", event_id: UUID, kg: int) -> None:
    """Count what is paid."""
    await driver.execute("UPDATE neutral_events SET paid_kg = paid_kg + $2 WHERE id = $1", event_id, kg)


async def coverage(
    driver: "asyncpg.Connection",
    region: str | None,
    organiser_id: UUID | None,
    since: datetime.date,
    until: datetime.date,
) -> Sequence[Row]:
    """Enterprises' events of days, by department: of one organiser, or of a region and its parts."""
    rows: Sequence[Row] = await driver.fetch(
        """
        SELECT department, count(*) AS events, count(*) FILTER (WHERE paid_kg = kg) AS neutral,
            sum(co2e_mg)::bigint AS co2e_mg, sum(kg)::bigint AS kg, sum(paid_kg)::bigint AS paid_kg
        FROM neutral_events
        WHERE of_enterprise AND region LIKE $1 || '%' AND ($2::uuid IS NULL OR organiser_id = $2)
          AND day >= $3 AND day <= $4
        GROUP BY department ORDER BY department LIMIT 500
        """,
        "" if region is None else prefix(region),
        organiser_id,
        since,
        until,
    )
    return rows


# Orders


async def add_order(driver: "asyncpg.Connection", row: tuple[Any, ...]) -> None:
    """Keep one: id, event, pool, buyer, region, kg, price, fen, moment, until."""
    await driver.execute(
        """
        INSERT INTO event_orders (id, event_id, pool_id, buyer_id, region, kg, price_fen_per_t, amount_fen, state,
            created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'awaiting_payment', $9, $10)
        """,
        *row,
    )


async def order(driver: "asyncpg.Connection", order_id: UUID, *, lock: bool = False) -> Row | None:
    """An order; locked, its payment and its end wait for each other."""
    return await driver.fetchrow(
        f"SELECT * FROM event_orders WHERE id = $1{' FOR UPDATE' if lock else ''}", order_id
    )


async def orders_of_event(driver: "asyncpg.Connection", event_id: UUID, limit: int = 200) -> Sequence[Row]:
    """The orders of an event, the latest first."""
    rows: Sequence[Row] = await driver.fetch(
        "SELECT * FROM event_orders WHERE event_id = $1 ORDER BY id DESC LIMIT $2", event_id, limit
    )
    return rows


async def paid_orders(driver: "asyncpg.Connection", event_id: UUID) -> list[UUID]:
    """The orders that paid for an event, the first first."""
    rows = await driver.fetch(
        "SELECT id FROM event_orders WHERE event_id = $1 AND state = 'paid' ORDER BY id", event_id
    )
    return [row[0] for row in rows]


async def certificate_numbers(driver: "asyncpg.Connection", subject_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Event, order or share → the number of its certificate, of those that have one."""
    rows = await driver.fetch(
        "SELECT subject_id, number FROM certificates WHERE subject_id = ANY($1::uuid[])", list(subject_ids)
    )
    return {row[0]: row[1] for row in rows}


async def end_order(driver: "asyncpg.Connection", order_id: UUID, state: str) -> None:
    """Have an order expired or cancelled; shares that it was for can be ordered again."""
    await driver.execute("UPDATE event_orders SET state = $2 WHERE id = $1", order_id, state)
    await driver.execute("UPDATE event_shares SET order_id = NULL WHERE order_id = $1", order_id)


async def mark_paid(
    driver: "asyncpg.Connection", order_id: UUID, reference: str, paid_at: datetime.datetime
) -> None:
    """Keep that an order is paid."""
    await driver.execute(
        "UPDATE event_orders SET state = 'paid', payment_ref = $2, paid_at = $3 WHERE id = $1",
        order_id,
        reference,
        paid_at,
    )


async def due_orders(driver: "asyncpg.Connection", before: datetime.datetime, limit: int) -> Sequence[Row]:
    """Orders whose time is over, each locked, with their accounts; those that somebody else is at are left to them."""
    rows: Sequence[Row] = await driver.fetch(
        """
        SELECT o.*, p.account_id FROM event_orders o JOIN event_pools p ON p.id = o.pool_id
        WHERE o.state = 'awaiting_payment' AND o.expires_at < $1
        ORDER BY o.expires_at LIMIT $2 FOR UPDATE OF o SKIP LOCKED
        """,
        before,
        limit,
    )
    return rows


# Shares


async def add_share(driver: "asyncpg.Connection", row: tuple[Any, ...]) -> Row:
    """A participant's share (id, event, holder, mg, moment): a new one, or the one taken before."""
    await driver.execute(
        """
        INSERT INTO event_shares (id, event_id, holder_id, co2e_mg, taken_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (event_id, holder_id) DO NOTHING
        """,
        *row,
    )
    return await driver.fetchrow(
        "SELECT * FROM event_shares WHERE event_id = $1 AND holder_id = $2", row[1], row[2]
    )


async def count_shares(driver: "asyncpg.Connection", event_id: UUID) -> int:
    """How many have taken theirs."""
    return int(await driver.fetchval("SELECT count(*) FROM event_shares WHERE event_id = $1", event_id))


async def share(driver: "asyncpg.Connection", share_id: UUID) -> Row | None:
    """A share."""
    return await driver.fetchrow("SELECT * FROM event_shares WHERE id = $1", share_id)


_SHARES = """
    SELECT s.*, o.state AS order_state, o.buyer_id, e.title, e.kind, e.day,
        (SELECT number FROM certificates c WHERE c.kind = 'participant_share' AND c.subject_id = s.id) AS certificate
    FROM event_shares s JOIN neutral_events e ON e.id = s.event_id LEFT JOIN event_orders o ON o.id = s.order_id
"""


async def shown_share(driver: "asyncpg.Connection", share_id: UUID) -> Row:
    """A share with its event and the state of its order."""
    return await driver.fetchrow(f"{_SHARES} WHERE s.id = $1", share_id)


async def shares_of_event(
    driver: "asyncpg.Connection", event_id: UUID, before: UUID | None, limit: int
) -> Sequence[Row]:
    """Shares of an event, the latest first."""
    rows: Sequence[Row] = await driver.fetch(
        f"{_SHARES} WHERE s.event_id = $1 AND s.id < $2 ORDER BY s.id DESC LIMIT $3",
        event_id,
        before or _LAST,
        limit,
    )
    return rows


async def shares_of(
    driver: "asyncpg.Connection", holder_id: UUID, before: UUID | None, limit: int
) -> Sequence[Row]:
    """A participant's shares, the latest first."""
    rows: Sequence[Row] = await driver.fetch(
        f"{_SHARES} WHERE s.holder_id = $1 AND s.id < $2 ORDER BY s.id DESC LIMIT $3",
        holder_id,
        before or _LAST,
        limit,
    )
    return rows


async def shares_of_order(driver: "asyncpg.Connection", order_id: UUID) -> Sequence[Row]:
    """What an order pays for, in the order of their ids."""
    rows: Sequence[Row] = await driver.fetch(
        "SELECT * FROM event_shares WHERE order_id = $1 ORDER BY id", order_id
    )
    return rows


async def order_shares(
    driver: "asyncpg.Connection", event_id: UUID, share_ids: Sequence[UUID], order_id: UUID
) -> Sequence[Row]:
    """Put free shares of an event under an order; answers those that were free."""
    rows: Sequence[Row] = await driver.fetch(
        """
        UPDATE event_shares SET order_id = $3 WHERE event_id = $1 AND id = ANY($2::uuid[]) AND order_id IS NULL
        RETURNING *
        """,
        event_id,
        list(share_ids),
        order_id,
    )
    return rows


# A resident's rights


async def forget(driver: "asyncpg.Connection", holder_id: UUID) -> None:
    """Drop what a locked holder told of its events and where it took part; what is ordered keeps its sums."""
    await driver.execute("DELETE FROM event_shares WHERE holder_id = $1 AND order_id IS NULL", holder_id)
    await driver.execute(
        """
        DELETE FROM neutral_events e WHERE organiser_id = $1 AND ordered_kg = 0
          AND NOT EXISTS (SELECT FROM event_shares s WHERE s.event_id = e.id)
          AND NOT EXISTS (SELECT FROM event_orders o WHERE o.event_id = e.id)
        """,
        holder_id,
    )
    await driver.execute(
        "UPDATE neutral_events SET lines = '[]', title = '', department = '' WHERE organiser_id = $1",
        holder_id,
    )


async def move(driver: "asyncpg.Connection", holder_id: UUID, absorbed: UUID) -> None:
    """Give a holder the events, orders and shares of an account that becomes part of its own; both locked."""
    await driver.execute(
        "UPDATE neutral_events SET organiser_id = $1 WHERE organiser_id = $2", holder_id, absorbed
    )
    await driver.execute("UPDATE event_orders SET buyer_id = $1 WHERE buyer_id = $2", holder_id, absorbed)
    await driver.execute(
        """
        UPDATE event_shares s SET holder_id = $1 WHERE holder_id = $2 AND NOT EXISTS (
            SELECT FROM event_shares o WHERE o.event_id = s.event_id AND o.holder_id = $1)
        """,
        holder_id,
        absorbed,
    )
