"""Corrections: what a person says is wrong, and what an operator of its region decides."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import public_id, uuid7
from app.auth.principal import prefix
from app.crediting.errors import ActivityNotFound
from app.my_data.errors import CorrectionDecided, CorrectionNotFound, TooManyCorrections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accounts.repository import Driver, Row

MOST_WAITING = 20
REGION, ACTIVITY = "region", "activity"
_LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"


async def request(
    driver: "Driver",
    holder_id: UUID,
    change: tuple[str, str | UUID],
    explanation: str,
    now: datetime.datetime,
) -> "Row":
    """Ask that a locked holder's region become another one, or that an activity of its own be looked at.

    `change` is the subject and the new region or the activity. Raises `ActivityNotFound`, `TooManyCorrections`.
    """
    subject, target = change
    if isinstance(target, UUID):
        own = await driver.fetchval(
            """
            SELECT id FROM activities WHERE holder_id = $1 AND id = $2
            """,
            holder_id,
            target,
        )
        if own is None:
            raise ActivityNotFound
    waiting = await driver.fetchval(
        "SELECT count(*) FROM corrections WHERE holder_id = $1 AND decided_at IS NULL", holder_id
    )
    if waiting >= MOST_WAITING:
        raise TooManyCorrections
    row: Row = await driver.fetchrow(
        """
        INSERT INTO corrections (holder_id, id, region, subject, target, explanation, requested_at, reason)
        SELECT id, $2, region, $3, $4, $5, $6, '' FROM holders WHERE id = $1 RETURNING *
        """,
        holder_id,
        uuid7(now),
        subject,
        public_id("act", target) if isinstance(target, UUID) else target,
        explanation,
        now,
    )
    return row


async def page(driver: "Driver", holder_id: UUID, before: UUID | None, limit: int) -> "Sequence[Row]":
    """A holder's requests, the newest first."""
    rows: Sequence[Row] = await driver.fetch(
        f"""
        SELECT * FROM corrections WHERE holder_id = $1 AND id < coalesce($2::uuid, '{_LAST}')
        ORDER BY id DESC LIMIT $3
        """,
        holder_id,
        before,
        limit,
    )
    return rows


async def page_of_region(
    driver: "Driver", region: str, before: UUID | None, limit: int, *, waiting: bool
) -> "Sequence[Row]":
    """Requests of a region and below, the newest first; only those that wait, or all."""
    rows: Sequence[Row] = await driver.fetch(
        f"""
        SELECT * FROM corrections
        WHERE id < coalesce($2::uuid, '{_LAST}') AND region LIKE $1 || '%' AND (NOT $4 OR decided_at IS NULL)
        ORDER BY id DESC LIMIT $3
        """,
        prefix(region),
        before,
        limit,
        waiting,
    )
    return rows


async def find_of_region(driver: "Driver", region: str, correction_id: UUID) -> "Row":
    """One request of a region and below; raises `CorrectionNotFound`."""
    row = await driver.fetchrow(
        "SELECT * FROM corrections WHERE id = $2 AND region LIKE $1 || '%'", prefix(region), correction_id
    )
    if row is None:
        raise CorrectionNotFound
    return row


async def decide(
    driver: "Driver", found: "Row", reason: str, now: datetime.datetime, *, accepted: bool
) -> "Row":
    """Decide a request, once, under its holder's lock. An accepted region counts from now on.

    A wrong activity is reversed through the door that reverses. Raises `CorrectionDecided`.
    """
    row = await driver.fetchrow(
        """
        UPDATE corrections SET decided_at = $3, accepted = $4, reason = $5
        WHERE holder_id = $1 AND id = $2 AND decided_at IS NULL RETURNING *
        """,
        found["holder_id"],
        found["id"],
        now,
        accepted,
        reason,
    )
    if row is None:
        raise CorrectionDecided
    if accepted and row["subject"] == REGION:
        await driver.execute("UPDATE holders SET region = $2 WHERE id = $1", row["holder_id"], row["target"])
    return row
