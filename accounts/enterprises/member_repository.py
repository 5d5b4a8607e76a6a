"""SQL of who belongs to an enterprise, and of invitations."""

import datetime
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from accounts.enterprises.repository import NOTHING

if TYPE_CHECKING:
    import asyncpg

Row: TypeAlias = "asyncpg.Record"
_MEMBER = "holder_id, id, member_id, role, label, joined_at"
_INVITATION = "holder_id, id, role, label, created_at, expires_at, used_at, withdrawn_at"


async def add_member(driver: "asyncpg.Connection", row: tuple[object, ...]) -> None:
    """Begin a membership (holder, id, member, role, label, joined at)."""
    await driver.execute(
        "INSERT INTO enterprise_members (holder_id, id, member_id, role, label, joined_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        *row,
    )


async def members(driver: "asyncpg.Connection", holder_id: UUID) -> list[Row]:
    """Present members of an enterprise, the first first; there are never many."""
    return list(
        await driver.fetch(
            f"SELECT {_MEMBER} FROM enterprise_members WHERE holder_id = $1 AND left_at IS NULL ORDER BY id",
            holder_id,
        )
    )


async def memberships(driver: "asyncpg.Connection", member_id: UUID) -> list[Row]:
    """Present memberships of a resident, with the enterprise's name and region."""
    return list(
        await driver.fetch(
            """
            SELECT m.holder_id, m.id, m.role, m.joined_at, e.name, e.region
            FROM enterprise_members m JOIN enterprises e ON e.holder_id = m.holder_id
            WHERE m.member_id = $1 AND m.left_at IS NULL ORDER BY m.id
            """,
            member_id,
        )
    )


async def end_member(
    driver: "asyncpg.Connection", holder_id: UUID, membership_id: UUID, now: datetime.datetime
) -> None:
    """End a membership of a locked enterprise, and forget what the member was called."""
    await driver.execute(
        "UPDATE enterprise_members SET left_at = greatest($3, joined_at), label = ''"
        " WHERE holder_id = $1 AND id = $2 AND left_at IS NULL",
        holder_id,
        membership_id,
        now,
    )


async def add_invitation(driver: "asyncpg.Connection", row: tuple[object, ...]) -> None:
    """Enter an invitation (holder, id, role, label, hash of its code, created at, expires at)."""
    await driver.execute(
        "INSERT INTO enterprise_invitations (holder_id, id, role, label, code_hash, created_at, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *row,
    )


async def invitation_by_code(driver: "asyncpg.Connection", code_hash: bytes) -> "Row | None":
    """The invitation of a code, whatever became of it."""
    return await driver.fetchrow(
        f"SELECT {_INVITATION} FROM enterprise_invitations WHERE code_hash = $1", code_hash
    )


async def find_invitation(driver: "asyncpg.Connection", holder_id: UUID, invitation_id: UUID) -> "Row | None":
    """An invitation of an enterprise."""
    return await driver.fetchrow(
        f"SELECT {_INVITATION} FROM enterprise_invitations WHERE holder_id = $1 AND id = $2",
        holder_id,
        invitation_id,
    )


async def page_of_invitations(
    driver: "asyncpg.Connection", holder_id: UUID, after: UUID | None, limit: int
) -> list[Row]:
    """Invitations of an enterprise, the first first."""
    return list(
        await driver.fetch(
            f"SELECT {_INVITATION} FROM enterprise_invitations WHERE holder_id = $1 AND id > $2"
            " ORDER BY id LIMIT $3",
            holder_id,
            after or NOTHING,
            limit,
        )
    )


async def open_invitations(driver: "asyncpg.Connection", holder_id: UUID, now: datetime.datetime) -> int:
    """How many invitations of an enterprise can be used."""
    found: int = await driver.fetchval(
        "SELECT count(*) FROM enterprise_invitations"
        " WHERE holder_id = $1 AND used_at IS NULL AND withdrawn_at IS NULL AND expires_at > $2",
        holder_id,
        now,
    )
    return found


async def end_invitation(
    driver: "asyncpg.Connection", holder_id: UUID, invitation_id: UUID, now: datetime.datetime, *, used: bool
) -> None:
    """Mark an invitation of a locked enterprise as used or withdrawn; whom it named is the membership's from then."""
    column = "used_at" if used else "withdrawn_at"
    await driver.execute(
        f"UPDATE enterprise_invitations SET {column} = $3, label = '' WHERE holder_id = $1 AND id = $2",
        holder_id,
        invitation_id,
        now,
    )
