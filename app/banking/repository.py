"""SQL of grants to banks, of the names by which banks know holders, and of the record of what they ask."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

if TYPE_CHECKING:
    from accounts.repository import Driver, Row

NOBODY = UUID(int=0)
"""In whose place a query is recorded that finds nobody, so that it takes as long as any other."""
LAST = UUID(int=(1 << 128) - 1)


async def bank_name(driver: "Driver", bank_id: UUID) -> str | None:
    """The name of a bank; None where there is none."""
    found: str | None = await driver.fetchval(
        "SELECT name FROM organisations WHERE id = $1 AND kind = 'bank'", bank_id
    )
    return found


async def reference_of(driver: "Driver", holder_id: UUID, bank_id: UUID, now: datetime.datetime) -> UUID:
    """The name by which a bank knows a locked holder: made with the first grant, the same from then on."""
    await driver.execute(
        """
        INSERT INTO bank_references (holder_id, bank_id, reference, created_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (holder_id, bank_id) DO NOTHING
        """,
        holder_id,
        bank_id,
        # Random to the last bit: a UUIDv7 would tell when the customer first came.
        uuid4(),
        now,
    )
    found: UUID = await driver.fetchval(
        "SELECT reference FROM bank_references WHERE holder_id = $1 AND bank_id = $2", holder_id, bank_id
    )
    return found


async def references_of(driver: "Driver", holder_ids: Sequence[UUID], bank_id: UUID) -> dict[UUID, UUID]:
    """Holder → the name by which a bank knows it."""
    rows = await driver.fetch(
        "SELECT holder_id, reference FROM bank_references WHERE holder_id = ANY($1::uuid[]) AND bank_id = $2",
        holder_ids,
        bank_id,
    )
    return {row[0]: row[1] for row in rows}


async def holders_of(driver: "Driver", references: Sequence[UUID]) -> dict[UUID, tuple[UUID, UUID]]:
    """Reference → (holder, the bank whose it is)."""
    rows = await driver.fetch(
        "SELECT reference, holder_id, bank_id FROM bank_references WHERE reference = ANY($1::uuid[])",
        references,
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def refused_lately(driver: "Driver", holders: Sequence[UUID], refusal: str, since: UUID) -> set[UUID]:
    """Of some holders those whose access log has such a refusal since a record's id."""
    rows = await driver.fetch(
        "SELECT DISTINCT holder_id FROM access_records"
        " WHERE holder_id = ANY($1::uuid[]) AND id >= $3 AND refused = $2",
        holders,
        refusal,
        since,
    )
    return {row[0] for row in rows}


async def holders_of_identities(driver: "Driver", tokens: Sequence[UUID]) -> dict[UUID, UUID]:
    """Identity token → holder."""
    rows = await driver.fetch("SELECT token, holder_id FROM identities WHERE token = ANY($1::uuid[])", tokens)
    return {row[0]: row[1] for row in rows}


async def add_grant(driver: "Driver", row: tuple[object, ...]) -> None:
    """Record a grant: holder, id, bank, purpose, scope, text version, granted at, valid until, receipt."""
    await driver.execute(
        """
        INSERT INTO bank_grants (holder_id, id, bank_id, purpose, scope, text_version, granted_at, valid_until,
                                 receipt_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        *row,
    )


async def end_grants(
    driver: "Driver", holder_id: UUID, grant_ids: Sequence[UUID], how: str, now: datetime.datetime
) -> None:
    """End grants of a locked holder; waits for queries that hold them, and none that comes later finds them."""
    await driver.execute(
        """
        UPDATE bank_grants SET ended_at = $4, ended = $3
        WHERE holder_id = $1 AND id = ANY($2::uuid[]) AND ended_at IS NULL
        """,
        holder_id,
        grant_ids,
        how,
        now,
    )


async def end_all_grants(driver: "Driver", holder_id: UUID, now: datetime.datetime) -> None:
    """End all that a locked holder granted, and the names by which banks knew it."""
    await driver.execute(
        "UPDATE bank_grants SET ended_at = $2, ended = 'withdrawn' WHERE holder_id = $1 AND ended_at IS NULL",
        holder_id,
        now,
    )
    await forget_references(driver, holder_id)


async def not_ended(driver: "Driver", holder_id: UUID) -> "Sequence[Row]":
    """A holder's grants that were not ended, expired ones among them."""
    rows: Sequence[Row] = await driver.fetch(
        """
        SELECT id, bank_id, purpose, scope, valid_until FROM bank_grants
        WHERE holder_id = $1 AND ended_at IS NULL ORDER BY id
        """,
        holder_id,
    )
    return rows


async def find_grant(driver: "Driver", holder_id: UUID, grant_id: UUID) -> "Row | None":
    """One grant of a holder."""
    return await driver.fetchrow(
        "SELECT id, bank_id, purpose, scope, valid_until, ended_at FROM bank_grants WHERE holder_id = $1 AND id = $2",
        holder_id,
        grant_id,
    )


async def hold_grants(
    driver: "Driver", holder_ids: Sequence[UUID], bank_id: UUID, purpose: str
) -> "dict[UUID, Row]":
    """Holder → the grant for a purpose that was not ended, kept from ending until the transaction is over.

    In the order of holders, and of one bank alone, so that no withdrawal waits for two of them.
    """
    rows = await driver.fetch(
        """
        SELECT holder_id, id, bank_id, purpose, scope, valid_until FROM bank_grants
        WHERE holder_id = ANY($1::uuid[]) AND bank_id = $2 AND purpose = $3 AND ended_at IS NULL
        ORDER BY holder_id FOR SHARE
        """,
        holder_ids,
        bank_id,
        purpose,
    )
    return {row["holder_id"]: row for row in rows}


async def hold_white_list(
    driver: "Driver",
    bank_id: UUID,
    scopes: Sequence[str],
    after: UUID | None,
    limit: int,
    now: datetime.datetime,
) -> "Sequence[Row]":
    """The next live grants to be on a bank's list, with its names for the holders, kept from ending as above."""
    rows: Sequence[Row] = await driver.fetch(
        """
        SELECT g.id, g.holder_id, r.reference FROM bank_grants g
        JOIN bank_references r ON r.holder_id = g.holder_id AND r.bank_id = g.bank_id
        WHERE g.bank_id = $1 AND g.purpose = 'white_list' AND g.scope = ANY($2::varchar[]) AND g.ended_at IS NULL
            AND g.valid_until > $5 AND g.id > $3
        ORDER BY g.id LIMIT $4 FOR SHARE OF g
        """,
        bank_id,
        scopes,
        after or NOBODY,
        limit,
        now,
    )
    return rows


async def latest_grants(
    driver: "Driver", holder_ids: Sequence[UUID], bank_id: UUID
) -> "dict[UUID, list[Row]]":
    """Holder → of each purpose the latest grant to a bank, whether it is over or not."""
    found: dict[UUID, list[Row]] = {}
    for row in await driver.fetch(
        """
        SELECT DISTINCT ON (holder_id, purpose) holder_id, purpose, scope, valid_until, ended_at FROM bank_grants
        WHERE holder_id = ANY($1::uuid[]) AND bank_id = $2 ORDER BY holder_id, purpose, id DESC
        """,
        holder_ids,
        bank_id,
    ):
        found.setdefault(row["holder_id"], []).append(row)
    return found


_WITH_NAMES = """
    SELECT g.id, g.bank_id, o.name AS bank_name, r.reference, g.purpose, g.scope, g.text_version, g.granted_at,
           g.valid_until, g.receipt_id, g.ended_at, g.ended
    FROM bank_grants g JOIN organisations o ON o.id = g.bank_id
    LEFT JOIN bank_references r ON r.holder_id = g.holder_id AND r.bank_id = g.bank_id
"""


async def page_of_holder(
    driver: "Driver", holder_id: UUID, before: UUID | None, limit: int
) -> "Sequence[Row]":
    """A holder's grants, the newest first, over or not."""
    rows: Sequence[Row] = await driver.fetch(
        _WITH_NAMES + "WHERE g.holder_id = $1 AND g.id < $2 ORDER BY g.id DESC LIMIT $3",
        holder_id,
        before or LAST,
        limit,
    )
    return rows


async def page_of_bank(
    driver: "Driver", bank_id: UUID, before: UUID | None, limit: int, now: datetime.datetime
) -> "Sequence[Row]":
    """What a bank is granted now, the newest first."""
    rows: Sequence[Row] = await driver.fetch(
        _WITH_NAMES
        + """
        WHERE g.bank_id = $1 AND g.ended_at IS NULL AND g.valid_until > $4 AND g.id < $2
        ORDER BY g.id DESC LIMIT $3
        """,
        bank_id,
        before or LAST,
        limit,
        now,
    )
    return rows


async def forget_references(driver: "Driver", holder_id: UUID) -> None:
    """No bank has a name for the holder any more."""
    await driver.execute("DELETE FROM bank_references WHERE holder_id = $1", holder_id)
