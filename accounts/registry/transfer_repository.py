"""SQL of transfers between registry accounts, and of pledges."""

import datetime
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    import asyncpg

Row: TypeAlias = "asyncpg.Record"
_TRANSFER = (
    "id, account_id, to_account_id, origin_id, quantity_kg, note, state, proposed_by, proposed_at, expires_at,"
    " approved_by, decided_at"
)
_PLEDGE = "id, account_id, bank_id, origin_id, quantity_kg, contract, pledged_at, released_at"


async def add(driver: "asyncpg.Connection", row: tuple[object, ...]) -> Row:
    """Write a transfer down (id, from, to, origin, kg, note, state, client, time, expiry)."""
    made = await driver.fetchrow(
        f"""
        INSERT INTO unit_transfers (id, account_id, to_account_id, origin_id, quantity_kg, note, state, proposed_by,
            proposed_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING {_TRANSFER}
        """,
        *row,
    )
    return _there(made)


async def sent_since(driver: "asyncpg.Connection", account_id: UUID, since: UUID) -> int:
    """Units that an account transferred or has on offer, from an id on."""
    found: int = await driver.fetchval(
        "SELECT coalesce(sum(quantity_kg), 0)::bigint FROM unit_transfers"
        " WHERE account_id = $1 AND id >= $2 AND state IN ('proposed', 'offered', 'accepted')",
        account_id,
        since,
    )
    return found


async def find(driver: "asyncpg.Connection", transfer_id: UUID, account_id: UUID) -> "Row | None":
    """A transfer from or to an account. What is not offered yet is the sender's only."""
    return await driver.fetchrow(
        f"""
        SELECT {_TRANSFER} FROM unit_transfers
        WHERE id = $1 AND (account_id = $2 OR to_account_id = $2 AND state <> 'proposed')
        """,
        transfer_id,
        account_id,
    )


async def lock(driver: "asyncpg.Connection", transfer_id: UUID, account_id: UUID) -> "Row | None":
    """The same, locked until the transaction ends."""
    return await driver.fetchrow(
        f"""
        SELECT {_TRANSFER} FROM unit_transfers
        WHERE id = $1 AND (account_id = $2 OR to_account_id = $2 AND state <> 'proposed') FOR NO KEY UPDATE
        """,
        transfer_id,
        account_id,
    )


async def offer(driver: "asyncpg.Connection", transfer_id: UUID, client_id: str) -> Row:
    """A second client lets a locked transfer be offered."""
    return _there(
        await driver.fetchrow(
            f"UPDATE unit_transfers SET state = 'offered', approved_by = $2 WHERE id = $1 RETURNING {_TRANSFER}",
            transfer_id,
            client_id,
        )
    )


async def decide(
    driver: "asyncpg.Connection",
    transfer_id: UUID,
    state: str,
    client_id: str | None,
    now: datetime.datetime,
) -> Row:
    """End a locked transfer."""
    return _there(
        await driver.fetchrow(
            "UPDATE unit_transfers SET state = $2, decided_by = $3, decided_at = $4 WHERE id = $1"
            f" RETURNING {_TRANSFER}",
            transfer_id,
            state,
            client_id,
            now,
        )
    )


def _there(row: "Row | None") -> Row:
    if row is None:
        raise LookupError("a row that was just written or locked")
    return row


async def due(driver: "asyncpg.Connection", now: datetime.datetime, limit: int) -> list[UUID]:
    """Transfers that nobody decided in time, locked; what another process has is left out."""
    rows = await driver.fetch(
        "SELECT id FROM unit_transfers WHERE decided_at IS NULL AND expires_at <= $1"
        " ORDER BY expires_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
        now,
        limit,
    )
    return [row["id"] for row in rows]


async def page(
    driver: "asyncpg.Connection", account_id: UUID, direction: str, before: UUID | None, limit: int
) -> list[Row]:
    """Transfers `out` of or `in` to an account, the newest first."""
    mine = "account_id = $1" if direction == "out" else "to_account_id = $1 AND state <> 'proposed'"
    return list(
        await driver.fetch(
            f"SELECT {_TRANSFER} FROM unit_transfers WHERE {mine} AND ($2::uuid IS NULL OR id < $2)"
            " ORDER BY id DESC LIMIT $3",
            account_id,
            before,
            limit,
        )
    )


async def is_bank(driver: "asyncpg.Connection", organisation_id: UUID) -> bool:
    """Whether there is such a bank."""
    return bool(
        await driver.fetchval(
            "SELECT true FROM organisations WHERE id = $1 AND kind = 'bank'", organisation_id
        )
    )


async def add_pledge(driver: "asyncpg.Connection", row: tuple[object, ...]) -> Row:
    """Write a pledge down (id, account, bank, origin, kg, contract, client, time)."""
    made = await driver.fetchrow(
        f"""
        INSERT INTO unit_pledges (id, account_id, bank_id, origin_id, quantity_kg, contract, pledged_by, pledged_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING {_PLEDGE}
        """,
        *row,
    )
    return _there(made)


async def pledge_of_account(driver: "asyncpg.Connection", pledge_id: UUID, account_id: UUID) -> "Row | None":
    """A pledge of an account."""
    return await driver.fetchrow(
        f"SELECT {_PLEDGE} FROM unit_pledges WHERE id = $1 AND account_id = $2", pledge_id, account_id
    )


async def pledge_to_bank(driver: "asyncpg.Connection", pledge_id: UUID, bank_id: UUID) -> "Row | None":
    """A pledge to a bank, locked."""
    return await driver.fetchrow(
        f"SELECT {_PLEDGE} FROM unit_pledges WHERE id = $1 AND bank_id = $2 FOR NO KEY UPDATE",
        pledge_id,
        bank_id,
    )


async def end_pledge(
    driver: "asyncpg.Connection", pledge_id: UUID, client_id: str, now: datetime.datetime
) -> None:
    """A locked pledge has nothing left."""
    await driver.execute(
        "UPDATE unit_pledges SET released_by = $2, released_at = $3 WHERE id = $1", pledge_id, client_id, now
    )


async def page_of_pledges(
    driver: "asyncpg.Connection", whose: str, owner_id: UUID, before: UUID | None, limit: int
) -> list[Row]:
    """Pledges of an account (`account_id`) or to a bank (`bank_id`), the newest first."""
    mine = "account_id = $1" if whose == "account_id" else "bank_id = $1"
    return list(
        await driver.fetch(
            f"SELECT {_PLEDGE} FROM unit_pledges WHERE {mine} AND ($2::uuid IS NULL OR id < $2)"
            " ORDER BY id DESC LIMIT $3",
            owner_id,
            before,
            limit,
        )
    )


async def left_of(driver: "asyncpg.Connection", subjects: list[UUID]) -> dict[UUID, int]:
    """What the locks of subjects still have, in kg."""
    rows = await driver.fetch(
        """
        SELECT l.subject_id, sum(upper(h.units) - lower(h.units))::bigint AS kg
        FROM unit_locks l JOIN unit_holdings h ON h.lock_id = l.id AND h.ended_at IS NULL
        WHERE l.subject_id = ANY($1) GROUP BY 1
        """,
        subjects,
    )
    return {row["subject_id"]: row["kg"] for row in rows}
