"""Registry accounts of many buyers at once."""

import datetime
from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import epoch_ms, uuid7_batch

if TYPE_CHECKING:
    import asyncpg


async def of_buyers(
    driver: "asyncpg.Connection", organisations: Iterable[UUID], now: datetime.datetime
) -> dict[UUID, UUID]:
    """Organisation → its registry account, opened where there is none."""
    ids = sorted(set(organisations))
    found = await _known(driver, ids)
    missing = [each for each in ids if each not in found]
    if missing:
        await driver.execute(
            """
            INSERT INTO registry_accounts (id, organisation_id, region, opened_at)
            SELECT n.id, o.id, o.region, $3 FROM unnest($1::uuid[], $2::uuid[]) AS n (id, organisation_id)
            JOIN organisations o ON o.id = n.organisation_id ORDER BY o.id ON CONFLICT (organisation_id) DO NOTHING
            """,
            uuid7_batch(epoch_ms(now), len(missing)),
            missing,
            now,
        )
        found |= await _known(driver, missing)
    return found


async def _known(driver: "asyncpg.Connection", ids: list[UUID]) -> dict[UUID, UUID]:
    rows = await driver.fetch(
        "SELECT organisation_id, id FROM registry_accounts WHERE organisation_id = ANY($1::uuid[])", ids
    )
    return {row["organisation_id"]: row["id"] for row in rows}
