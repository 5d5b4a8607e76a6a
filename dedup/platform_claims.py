"""SQL of platforms' claims. Every statement is array-shaped."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from dedup.writes import Writes, columns

if TYPE_CHECKING:
    import asyncpg

ClaimRow = tuple[UUID, bytes, str, str, str, str | None, UUID | None, bytes, date, date, str | None]
"""(id, MAC of the body, scene, region, outcome, reason, winner, tokens, first day, last day, comparison as JSON)."""


async def read_claims(
    driver: "asyncpg.Connection", ids: Sequence[UUID]
) -> dict[UUID, tuple[bytes, str, str | None, UUID | None, datetime | None]]:
    """Id → (MAC of the body, outcome, reason, winner, released at) of the claims that exist."""
    rows = await driver.fetch(
        """
        SELECT id, body_mac, outcome, reason, winner_id, released_at FROM platform_claims WHERE id = ANY($1::uuid[])
        """,
        ids,
    )
    return {row[0]: (row[1], row[2], row[3], row[4], row[5]) for row in rows}


def write_claims(writes: Writes, organisation_id: UUID, rows: Sequence[ClaimRow], now: datetime) -> None:
    """Append decided claims of one platform; a unique violation where one of the ids was written meanwhile."""
    writes.add(
        """
        INSERT INTO platform_claims (id, body_mac, scene, region, outcome, reason, winner_id, claim_tokens, first_day,
                                     last_day, comparison, organisation_id, claimed_at)
        SELECT id, mac, scene, region, outcome, reason, winner, tokens, first_day, last_day, told::jsonb,
               $12::uuid, $13::timestamptz
        FROM unnest($1::uuid[], $2::bytea[], $3::varchar[], $4::varchar[], $5::varchar[], $6::varchar[], $7::uuid[],
                    $8::bytea[], $9::date[], $10::date[], $11::text[])
            AS c (id, mac, scene, region, outcome, reason, winner, tokens, first_day, last_day, told)
        ORDER BY id
        """,
        *columns(rows),
        organisation_id,
        now,
    )


async def mark_released(
    driver: "asyncpg.Connection", claim_id: UUID, organisation_id: UUID, now: datetime
) -> tuple[bytes, date, date] | None:
    """Tokens and days of a claim that its platform held until now; None where it did not: one caller gets through."""
    row = await driver.fetchrow(
        """
        UPDATE platform_claims SET released_at = $3
        WHERE id = $1 AND organisation_id = $2 AND outcome = 'claimed' AND released_at IS NULL
        RETURNING claim_tokens, first_day, last_day
        """,
        claim_id,
        organisation_id,
        now,
    )
    return None if row is None else (row[0], row[1], row[2])


async def organisations_of_claims(driver: "asyncpg.Connection", ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Claim → its organisation."""
    rows = await driver.fetch(
        "SELECT id, organisation_id FROM platform_claims WHERE id = ANY($1::uuid[])", ids
    )
    return {row[0]: row[1] for row in rows}
