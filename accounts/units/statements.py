"""What an account holds, range by range, and what moved in it."""

import datetime
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.units import repository
from accounts.units.ranges import UnitRange, total_kg
from accounts.units.serials import Origin

if TYPE_CHECKING:
    import asyncpg


@dataclass(frozen=True, slots=True)
class Holding:
    """One range as it stands."""

    units: UnitRange
    origin: Origin
    status: str
    since: datetime.datetime


@dataclass(frozen=True, slots=True)
class Line:
    """One movement: which ranges, of which origins."""

    id: UUID
    kind: str
    account_id: UUID
    to_account_id: UUID | None
    at: datetime.datetime
    parts: tuple[tuple[Origin, UnitRange], ...]

    @property
    def quantity_kg(self) -> int:
        """Units that it moved."""
        return total_kg(part for _, part in self.parts)


async def holdings(
    driver: "asyncpg.Connection", account_id: UUID, status: str, after: int, limit: int
) -> list[Holding]:
    """Ranges of a status that begin at a number or behind it, the lowest first."""
    rows = await repository.ranges_of_account(driver, account_id, status, after, limit)
    return [
        Holding(
            UnitRange(row["units"].lower, row["units"].upper),
            repository.origin_of_row(row),
            row["status"],
            row["begun_at"],
        )
        for row in rows
    ]


async def lines(
    driver: "asyncpg.Connection", account_id: UUID, before: UUID | None, limit: int
) -> list[Line]:
    """Movements out of, into and within an account, the newest first."""
    rows = await repository.movements_of(driver, account_id, before, limit)
    parts: dict[UUID, list[tuple[Origin, UnitRange]]] = defaultdict(list)
    for movement_id, origin, part in await repository.parts_of_all(driver, [row["id"] for row in rows]):
        parts[movement_id].append((origin, part))
    return [
        Line(
            row["id"],
            row["kind"],
            row["account_id"],
            row["to_account_id"],
            row["at"],
            tuple(parts[row["id"]]),
        )
        for row in rows
    ]
