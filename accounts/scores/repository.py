"""SQL of scores, but for what cards compile to."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from accounts.scores.cards import Card
from accounts.scores.errors import CardChanged
from accounts.scores.model import Conduct, Deed

if TYPE_CHECKING:
    import asyncpg

Row: TypeAlias = "asyncpg.Record"


async def know_card(driver: "asyncpg.Connection", card: Card, now: dt.datetime) -> int:
    """The id of a card's version here, written down with its text; raises `CardChanged` where that is another."""
    found = await driver.fetchrow(
        "SELECT id, content_hash FROM score_cards WHERE card = $1 AND version = $2", card.name, card.version
    )
    if found is None:
        await driver.execute(
            """
            INSERT INTO score_cards (card, version, content_hash, content, recorded_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT DO NOTHING
            """,
            *(card.name, card.version, card.content_hash, card.content, now),
        )
        # In a statement of its own: who wrote it at the same time has committed by now.
        found = await driver.fetchrow(
            "SELECT id, content_hash FROM score_cards WHERE card = $1 AND version = $2",
            card.name,
            card.version,
        )
    if found is None or found["content_hash"] != card.content_hash:
        raise CardChanged
    card_id: int = found["id"]
    return card_id


async def region_of(driver: "asyncpg.Connection", holder_id: UUID) -> tuple[str, str] | None:
    """The kind of an active holder, and the region whose programme it is in."""
    found = await driver.fetchrow(
        """
        SELECT h.kind, h.region FROM holders h JOIN balances b ON b.holder_id = h.id
        WHERE h.id = $1 AND b.status = 1
        """,
        holder_id,
    )
    return None if found is None else (found["kind"], found["region"])


async def deeds_of(
    driver: "asyncpg.Connection", holder_id: UUID, first: dt.date, before: dt.date
) -> list[Deed]:
    """What is counted of a holder, from one month to before another."""
    rows = await driver.fetch(
        """
        SELECT month, scene, grade, acts, co2e_mg FROM monthly_deeds
        WHERE holder_id = $1 AND month >= $2 AND month < $3 ORDER BY month, scene, grade
        """,
        *(holder_id, first, before),
    )
    return [Deed(*row) for row in rows]


async def conduct_of(driver: "asyncpg.Connection", holder_id: UUID) -> list[Conduct]:
    """What is on a holder's record and not withdrawn."""
    rows = await driver.fetch(
        """
        SELECT id, kind, happened_on FROM conduct_records WHERE holder_id = $1 AND withdrawn_at IS NULL
        ORDER BY happened_on, id
        """,
        holder_id,
    )
    return [Conduct(*row) for row in rows]


async def conduct_by_id(driver: "asyncpg.Connection", ids: Iterable[UUID]) -> dict[UUID, Conduct]:
    """Records as snapshots counted them, withdrawn since or not."""
    rows = await driver.fetch(
        "SELECT id, kind, happened_on FROM conduct_records WHERE id = ANY($1::uuid[])", list(ids)
    )
    return {row[0]: Conduct(*row) for row in rows}


async def add_conduct(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    conduct: Conduct,
    region: str,
    reason: str,
    recorded: tuple[dt.datetime, str],
) -> None:
    """Put a conduct on record; `recorded` is when and by which client."""
    await driver.execute(
        """
        INSERT INTO conduct_records (holder_id, id, kind, region, happened_on, reason, recorded_at, recorded_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        *(holder_id, conduct.id, conduct.kind, region, conduct.happened_on, reason, *recorded),
    )


async def conduct_record(driver: "asyncpg.Connection", record_id: UUID) -> "Row | None":
    """One record, locked."""
    return await driver.fetchrow("SELECT * FROM conduct_records WHERE id = $1 FOR UPDATE", record_id)


async def conduct_records(
    driver: "asyncpg.Connection",
    within: str,
    holder_id: UUID | None,
    before: UUID | None,
    limit: int,
) -> Sequence[Row]:
    """Records of a region and below, the newest first."""
    rows: Sequence[Row] = await driver.fetch(
        """
        SELECT * FROM conduct_records
        WHERE starts_with(region, $1) AND ($2::uuid IS NULL OR holder_id = $2) AND ($3::uuid IS NULL OR id < $3)
        ORDER BY id DESC LIMIT $4
        """,
        *(within, holder_id, before, limit),
    )
    return rows


async def withdraw_conduct(
    driver: "asyncpg.Connection", record_id: UUID, now: dt.datetime, by: str, reason: str
) -> "Row | None":
    """Withdraw a record, once; None where it is withdrawn already."""
    return await driver.fetchrow(
        """
        UPDATE conduct_records SET withdrawn_at = $2, withdrawn_by = $3, withdrawal_reason = $4
        WHERE id = $1 AND withdrawn_at IS NULL RETURNING *
        """,
        *(record_id, now, by, reason),
    )


async def forget(driver: "asyncpg.Connection", holder_id: UUID) -> None:
    """Delete a holder's scores, and the words of what is on record: no score is made of an account that is gone."""
    await driver.execute("DELETE FROM scores WHERE holder_id = $1", holder_id)
    await driver.execute(
        "UPDATE conduct_records SET reason = '', withdrawal_reason = NULL WHERE holder_id = $1", holder_id
    )
