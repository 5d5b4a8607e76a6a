"""SQL of proofs: in which issuances an entry may stand."""

from typing import TYPE_CHECKING
from uuid import UUID

from accounts.issuance.models import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accounts.repository import Driver, Row

PUBLISHED = (Status.NOTICED, Status.ISSUED)
"""From the public notice on, anybody sees an issuance's root."""


async def issuances_over(driver: "Driver", holder_id: UUID, entry_id: UUID) -> "Sequence[Row]":
    """(id, secret, root) of published issuances whose asset and period are those of a holder's own entry."""
    rows: Sequence[Row] = await driver.fetch(
        """
        SELECT i.id, i.secret, i.root FROM entries e
        JOIN issuances i ON i.asset_id = e.asset_id AND e.booked_at >= i.booked_from AND e.booked_at < i.booked_until
        WHERE e.holder_id = $1 AND e.id = $2 AND i.root IS NOT NULL AND i.status = ANY($3::varchar[])
        ORDER BY i.id
        """,
        holder_id,
        entry_id,
        list(PUBLISHED),
    )
    return rows
