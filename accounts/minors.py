"""Who is a minor: for whatever shows people to others."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    import asyncpg


async def minors_among(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID], today: datetime.date
) -> set[UUID]:
    """Those of the holders who are minors on a local day: never to be shown in a public rank."""
    rows = await driver.fetch(
        "SELECT holder_id FROM minors WHERE holder_id = ANY($1::uuid[]) AND minor_until > $2",
        holder_ids,
        today,
    )
    return {row[0] for row in rows}
