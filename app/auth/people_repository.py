"""SQL of who is behind an identifier, and of two accounts becoming one."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.models import HolderStatus
from app.banking.monitors import stop_all
from app.banking.repository import end_all_grants

if TYPE_CHECKING:
    import asyncpg

    from app.auth.people import Proof


@dataclass(frozen=True, slots=True)
class KnownIdentity:
    """An identity as it is stored; `proven_at` is the time of its onboarding where nobody proved it since.

    `founding`: the account was made with it, and with no other of its scheme.
    """

    token: UUID
    holder_id: UUID
    proof: str
    proven_at: datetime.datetime
    founding: bool


async def known(driver: "asyncpg.Connection", tokens: Sequence[UUID]) -> dict[UUID, KnownIdentity]:
    """Those of the identities that somebody has."""
    rows = await driver.fetch(
        """
        SELECT i.token, i.holder_id, i.proof, coalesce(i.proven_at, i.created_at), i.created_at = h.created_at
            AND NOT EXISTS (SELECT FROM identities o
                WHERE o.holder_id = i.holder_id AND o.scheme = i.scheme AND o.token <> i.token
                    AND o.created_at = h.created_at)
        FROM identities i JOIN holders h ON h.id = i.holder_id WHERE i.token = ANY($1::uuid[])
        """,
        tokens,
    )
    return {row[0]: KnownIdentity(*row) for row in rows}


async def is_blank(driver: "asyncpg.Connection", holder_id: UUID) -> bool:
    """Whether a locked holder has neither an entry nor an activity since it was made."""
    return not await driver.fetchval(
        """
        WITH first AS (SELECT tanpuhui_uuid7_floor(created_at) AS id FROM holders WHERE id = $1)
        SELECT EXISTS (SELECT FROM entries e WHERE e.holder_id = $1 AND e.id >= (SELECT id FROM first))
            OR EXISTS (SELECT FROM activities a WHERE a.holder_id = $1 AND a.id >= (SELECT id FROM first))
        """,
        holder_id,
    )


async def attach(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    identities: Sequence[tuple[UUID, str]],
    proof: "Proof",
    now: datetime.datetime,
) -> None:
    """Have identities (token, scheme) lead to a holder, whomever they led to, as proven now."""
    await driver.execute(
        """
        INSERT INTO identities (token, holder_id, scheme, created_at, proof, proven_at)
        SELECT i.token, $3, i.scheme, $5, $4, $5 FROM unnest($1::uuid[], $2::varchar[]) AS i (token, scheme)
        ON CONFLICT (token) DO UPDATE
            SET holder_id = excluded.holder_id, proof = excluded.proof, proven_at = excluded.proven_at
        """,
        [token for token, _ in identities],
        [scheme for _, scheme in identities],
        holder_id,
        proof,
        now,
    )


async def confirm(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    tokens: Sequence[UUID],
    proof: "Proof",
    now: datetime.datetime,
) -> bool:
    """Mark identities as proven now, if all still lead to the holder."""
    rows = await driver.fetch(
        """
        UPDATE identities SET proof = $3, proven_at = $4 WHERE holder_id = $1 AND token = ANY($2::uuid[])
        RETURNING token
        """,
        holder_id,
        tokens,
        proof,
        now,
    )
    return len(rows) == len(tokens)


async def absorb(
    driver: "asyncpg.Connection", holder_id: UUID, absorbed: UUID, now: datetime.datetime
) -> None:
    """Lead to `holder_id` all that led to a blank account, take over its live consents, and close it. Both locked."""
    await driver.execute("UPDATE identities SET holder_id = $1 WHERE holder_id = $2", holder_id, absorbed)
    await driver.execute(
        """
        INSERT INTO consents (holder_id, source_id, scene_group, granted_at, text_version, receipt_id, recorded_at)
        SELECT $1, source_id, scene_group, granted_at, text_version, receipt_id, $3 FROM consents c
        WHERE holder_id = $2 AND withdrawn_at IS NULL AND NOT EXISTS (
            SELECT FROM consents o WHERE o.holder_id = $1 AND o.source_id = c.source_id
                AND o.scene_group = c.scene_group AND o.withdrawn_at >= c.granted_at)
        ON CONFLICT DO NOTHING
        """,
        holder_id,
        absorbed,
        now,
    )
    await driver.execute(
        """
        UPDATE consents SET withdrawn_at = greatest($2, granted_at)
        WHERE holder_id = $1 AND withdrawn_at IS NULL
        """,
        absorbed,
        now,
    )
    # What was granted to banks was granted by another account: it ends, and is granted anew where it is wanted.
    await stop_all(driver, absorbed)
    await end_all_grants(driver, absorbed, now)
    await driver.execute(
        f"UPDATE balances SET status = {HolderStatus.CLOSED:d} WHERE holder_id = $1", absorbed
    )


async def has_scheme(driver: "asyncpg.Connection", holder_id: UUID, scheme: str) -> UUID | None:
    """A holder's identity of a scheme, if it has one."""
    found: UUID | None = await driver.fetchval(
        "SELECT token FROM identities WHERE holder_id = $1 AND scheme = $2 LIMIT 1", holder_id, scheme
    )
    return found


async def sign_ins_of(
    driver: "asyncpg.Connection", holder_id: UUID
) -> list[tuple[str, str, datetime.datetime]]:
    """(scheme, proof, proven at) of what leads to a holder, the oldest first."""
    rows = await driver.fetch(
        """
        SELECT scheme, proof, coalesce(proven_at, created_at) FROM identities WHERE holder_id = $1
        ORDER BY created_at, token LIMIT 200
        """,
        holder_id,
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def person_key_taken(driver: "asyncpg.Connection", person_key: bytes) -> bool:
    """Whether a holder has the person key."""
    return bool(
        await driver.fetchval("SELECT EXISTS (SELECT FROM holders WHERE person_key = $1)", person_key)
    )


async def region_of(driver: "asyncpg.Connection", holder_id: UUID) -> str:
    """Where the holder is registered."""
    found: str = await driver.fetchval("SELECT region FROM holders WHERE id = $1", holder_id)
    return found
