"""SQL of teams. A total is the sum of what present members were credited since they joined, net of reversals."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from accounts.ids import lowest_uuid7
from accounts.models import AccountKind

if TYPE_CHECKING:
    import asyncpg

Row: TypeAlias = "asyncpg.Record"
_IN = f"e.debit = {AccountKind.ISSUANCE_SIDE:d} AND e.credit = {AccountKind.HOLDER_OPEN:d}"
_OUT = f"e.debit = {AccountKind.HOLDER_OPEN:d} AND e.credit = {AccountKind.ISSUANCE_SIDE:d}"
_NET = f"sum(CASE WHEN {_IN} THEN e.amount ELSE -e.amount END)"
_MOVES = f"(({_IN}) OR ({_OUT}))"


@dataclass(frozen=True)
class TeamTotal:
    """What a team has; `closed` ones have no place any more."""

    team_id: UUID
    region: str
    kind: str
    closed: bool
    mg: int


async def add_team(driver: "asyncpg.Connection", row: tuple[object, ...]) -> None:
    """Create a team (id, kind, name, region, owner, code, created at)."""
    await driver.execute(
        "INSERT INTO teams (id, kind, name, region, owner_id, code, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *row,
    )


async def add_member(
    driver: "asyncpg.Connection", team_id: UUID, member_id: UUID, holder_id: UUID, now: datetime.datetime
) -> None:
    """Begin a membership."""
    await driver.execute(
        "INSERT INTO team_members (team_id, id, holder_id, joined_at) VALUES ($1, $2, $3, $4)",
        team_id,
        member_id,
        holder_id,
        now,
    )


async def team_by_code(driver: "asyncpg.Connection", code: str) -> UUID | None:
    """The open team that a code leads to."""
    found: UUID | None = await driver.fetchval(
        "SELECT id FROM teams WHERE code = $1 AND closed_at IS NULL", code
    )
    return found


async def lock_team(driver: "asyncpg.Connection", team_id: UUID) -> "Row | None":
    """An open team, locked: kind, owner_id, code; its members are read by the next statement."""
    return await driver.fetchrow(
        "SELECT id, kind, name, region, owner_id, code FROM teams WHERE id = $1 AND closed_at IS NULL FOR UPDATE",
        team_id,
    )


async def find_team(driver: "asyncpg.Connection", team_id: UUID) -> "Row | None":
    """An open team."""
    return await driver.fetchrow(
        "SELECT id, kind, name, region, owner_id, code FROM teams WHERE id = $1 AND closed_at IS NULL",
        team_id,
    )


async def members(driver: "asyncpg.Connection", team_id: UUID) -> list[Row]:
    """Present members, who joined first before the others: id, holder_id, joined_at."""
    return list(
        await driver.fetch(
            "SELECT id, holder_id, joined_at FROM team_members WHERE team_id = $1 AND left_at IS NULL"
            " ORDER BY joined_at, id",
            team_id,
        )
    )


async def teams_of(driver: "asyncpg.Connection", holder_id: UUID) -> list[Row]:
    """Open teams that a holder is in, who joined last after the others."""
    return list(
        await driver.fetch(
            """
            SELECT t.id, t.kind, t.name, t.region, t.owner_id, t.code
            FROM team_members m JOIN teams t ON t.id = m.team_id
            WHERE m.holder_id = $1 AND m.left_at IS NULL AND t.closed_at IS NULL ORDER BY m.joined_at, t.id
            """,
            holder_id,
        )
    )


async def end_member(
    driver: "asyncpg.Connection", team_id: UUID, member_id: UUID, now: datetime.datetime
) -> None:
    """End a membership."""
    await driver.execute(
        "UPDATE team_members SET left_at = greatest($3, joined_at) WHERE team_id = $1 AND id = $2 AND left_at IS NULL",
        team_id,
        member_id,
        now,
    )


async def change_team(
    driver: "asyncpg.Connection",
    team_id: UUID,
    owner_id: UUID,
    code: str,
    closed_at: datetime.datetime | None,
) -> None:
    """Another owner, another code, or the end of a locked team."""
    await driver.execute(
        "UPDATE teams SET owner_id = $2, code = $3, closed_at = $4 WHERE id = $1",
        team_id,
        owner_id,
        code,
        closed_at,
    )


async def forget_names(driver: "asyncpg.Connection", owner_id: UUID) -> None:
    """Drop the names of ended teams of an owner."""
    await driver.execute(
        "UPDATE teams SET name = '' WHERE owner_id = $1 AND closed_at IS NOT NULL AND name <> ''", owner_id
    )


async def sums(
    driver: "asyncpg.Connection", team_id: UUID, since: datetime.datetime, until: datetime.datetime
) -> dict[UUID, int]:
    """Present member's membership → mg booked from its joining (no member joined before `since`) to before `until`."""
    rows = await driver.fetch(
        f"""
        SELECT m.id, {_NET}::bigint FROM team_members m JOIN entries e ON e.holder_id = m.holder_id
        WHERE m.team_id = $1 AND m.left_at IS NULL AND e.id >= $2 AND e.id < $3 AND e.booked_at >= m.joined_at
            AND {_MOVES}
        GROUP BY m.id
        """,
        team_id,
        lowest_uuid7(since),
        lowest_uuid7(until),
    )
    return {row[0]: row[1] for row in rows}


async def touched(
    driver: "asyncpg.Connection", since: datetime.datetime, until: datetime.datetime
) -> list[UUID]:
    """Teams whose total may have changed: by bookings of a period, or by who came and went since it began."""
    rows = await driver.fetch(
        f"""
        SELECT m.team_id FROM entries e JOIN team_members m ON m.holder_id = e.holder_id AND m.left_at IS NULL
        WHERE e.id >= $1 AND e.id < $2 AND {_MOVES}
        UNION SELECT team_id FROM team_members WHERE joined_at >= $3 OR left_at >= $3
        UNION SELECT id FROM teams WHERE closed_at >= $3
        """,
        lowest_uuid7(since),
        lowest_uuid7(until),
        since,
    )
    return [row[0] for row in rows]


async def totals(
    driver: "asyncpg.Connection", team_ids: Sequence[UUID] | None, until: datetime.datetime
) -> list[TeamTotal]:
    """Totals of some teams, or of all that are open."""
    rows = await driver.fetch(
        """
        SELECT t.id, t.region, t.kind, t.closed_at IS NOT NULL AS closed, min(m.joined_at) AS since
        FROM teams t LEFT JOIN team_members m ON m.team_id = t.id AND m.left_at IS NULL
        WHERE CASE WHEN $1::uuid[] IS NULL THEN t.closed_at IS NULL ELSE t.id = ANY($1) END
        GROUP BY t.id
        """,
        team_ids,
    )
    found = []
    for row in rows:
        closed = row["closed"] or row["since"] is None
        mg = 0 if closed else sum((await sums(driver, row["id"], row["since"], until)).values())
        found.append(TeamTotal(row["id"], row["region"], row["kind"], closed, mg))
    return found
