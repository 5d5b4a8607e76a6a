"""Who belongs to an enterprise. A member is locked before the enterprise; who is in is decided under both locks."""

import datetime
import hashlib
import secrets
from typing import TYPE_CHECKING, Final
from uuid import UUID

from accounts.enterprises import member_repository as repository
from accounts.enterprises.errors import (
    AlreadyEnterpriseMember,
    EnterpriseNotFound,
    InvitationInvalid,
    LastOwner,
    MemberNotFound,
    TooManyParts,
)
from accounts.enterprises.repository import lock_enterprise
from accounts.enterprises.roles import Role
from accounts.errors import HolderNotFound
from accounts.ids import uuid7
from accounts.models import HolderStatus
from accounts.repository import lock_holders

if TYPE_CHECKING:
    import asyncpg

    from accounts.enterprises.member_repository import Row

MAX_MEMBERS: Final = 100
MAX_MEMBERSHIPS: Final = 20
"""Of one resident."""
MAX_INVITATIONS: Final = 20
"""Of one enterprise, that can still be used."""
INVITED: Final = datetime.timedelta(days=7)
CODE_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH: Final = 20
"""98 bits: a code is not found from its hash either."""


def hash_of(code: str) -> bytes:
    """What is kept of a code."""
    return hashlib.blake2b(code.encode(), digest_size=32, person=b"tph enterprise").digest()


async def invite(
    driver: "asyncpg.Connection", holder_id: UUID, role: Role, label: str, now: datetime.datetime
) -> tuple[UUID, str]:
    """Make an invitation; answers its id and its code, which is kept as a hash only. Raises `TooManyParts`."""
    await _lock(driver, holder_id)
    if await repository.open_invitations(driver, holder_id, now) >= MAX_INVITATIONS:
        raise TooManyParts
    made, code = uuid7(now), "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
    await repository.add_invitation(
        driver, (holder_id, made, role.value, label, hash_of(code), now, now + INVITED)
    )
    return made, code


async def withdraw(
    driver: "asyncpg.Connection", holder_id: UUID, invitation_id: UUID, now: datetime.datetime
) -> None:
    """Have an invitation not count any more; raises `MemberNotFound` where it does not already."""
    await _lock(driver, holder_id)
    found = await repository.find_invitation(driver, holder_id, invitation_id)
    if found is None or not _is_open(found, now):
        raise MemberNotFound
    await repository.end_invitation(driver, holder_id, invitation_id, now, used=False)


async def join(driver: "asyncpg.Connection", member_id: UUID, code: str, now: datetime.datetime) -> UUID:
    """Use an invitation; answers the enterprise.

    Raises `InvitationInvalid`, `AlreadyEnterpriseMember` or `TooManyParts`.
    """
    await _enter(driver, member_id)
    hashed = hash_of(code)
    known = await repository.invitation_by_code(driver, hashed)
    if known is None:
        raise InvitationInvalid
    holder_id: UUID = known["holder_id"]
    await _lock(driver, holder_id)
    invitation = await repository.invitation_by_code(driver, hashed)
    if invitation is None or not _is_open(invitation, now):
        raise InvitationInvalid
    await _add(driver, holder_id, member_id, Role(invitation["role"]), invitation["label"], now)
    await repository.end_invitation(driver, holder_id, invitation["id"], now, used=True)
    return holder_id


async def appoint(
    driver: "asyncpg.Connection", holder_id: UUID, member_id: UUID, label: str, now: datetime.datetime
) -> UUID:
    """Make a resident an owner, as its operator does; answers the membership. Raises what joining does."""
    await _enter(driver, member_id)
    await _lock(driver, holder_id)
    present = await repository.members(driver, holder_id)
    own = next((row for row in present if row["member_id"] == member_id), None)
    if own is not None and own["role"] != Role.OWNER:
        await repository.end_member(driver, holder_id, own["id"], now)
    return await _add(driver, holder_id, member_id, Role.OWNER, label, now)


async def change_role(
    driver: "asyncpg.Connection", holder_id: UUID, membership_id: UUID, role: Role, now: datetime.datetime
) -> UUID:
    """Give a member another role, by another membership, which it answers. Raises `MemberNotFound` or `LastOwner`."""
    row = await _leaving(driver, holder_id, membership_id, stays=role is Role.OWNER)
    await repository.end_member(driver, holder_id, membership_id, now)
    made = uuid7(now)
    await repository.add_member(driver, (holder_id, made, row["member_id"], role.value, row["label"], now))
    return made


async def remove(
    driver: "asyncpg.Connection", holder_id: UUID, membership_id: UUID, now: datetime.datetime
) -> None:
    """End a membership; raises `MemberNotFound` or `LastOwner`."""
    await _leaving(driver, holder_id, membership_id, stays=False)
    await repository.end_member(driver, holder_id, membership_id, now)


async def leave(
    driver: "asyncpg.Connection", holder_id: UUID, member_id: UUID, now: datetime.datetime
) -> UUID:
    """End one's own membership, which it answers; raises `EnterpriseNotFound` or `LastOwner`."""
    own = await membership(driver, holder_id, member_id)
    try:
        await remove(driver, holder_id, own["id"], now)
    except MemberNotFound:
        raise EnterpriseNotFound from None
    return UUID(bytes=own["id"].bytes)


async def membership(driver: "asyncpg.Connection", holder_id: UUID, member_id: UUID) -> "Row":
    """A resident's present membership of an enterprise; raises `EnterpriseNotFound`."""
    for row in await repository.memberships(driver, member_id):
        if row["holder_id"] == holder_id:
            return row
    raise EnterpriseNotFound


async def leave_all(driver: "asyncpg.Connection", member_id: UUID, now: datetime.datetime) -> None:
    """End the memberships of a locked resident who is to be forgotten, also the last owner's.

    The right to be forgotten does not wait for an enterprise: its operator appoints another owner.
    """
    rows = await repository.memberships(driver, member_id)
    for row in sorted(rows, key=lambda row: row["holder_id"]):
        await _lock(driver, row["holder_id"])
        await repository.end_member(driver, row["holder_id"], row["id"], now)


async def hand_over(
    driver: "asyncpg.Connection", member_id: UUID, absorbed: UUID, now: datetime.datetime
) -> None:
    """Give a resident the memberships of an account that becomes part of its own; both are locked.

    Where it is a member itself, its own role stays, unless the other one is an owner's.
    """
    rows = await repository.memberships(driver, absorbed)
    for row in sorted(rows, key=lambda row: row["holder_id"]):
        holder_id = row["holder_id"]
        await _lock(driver, holder_id)
        present = {each["member_id"]: each for each in await repository.members(driver, holder_id)}
        former, own = present.get(absorbed), present.get(member_id)
        if former is None:
            continue
        await repository.end_member(driver, holder_id, former["id"], now)
        if own is not None and former["role"] == Role.OWNER != own["role"]:
            await repository.end_member(driver, holder_id, own["id"], now)
        elif own is not None:
            continue
        await repository.add_member(
            driver, (holder_id, uuid7(now), member_id, former["role"], former["label"], now)
        )


async def _enter(driver: "asyncpg.Connection", member_id: UUID) -> None:
    """Lock a resident who may be in one more enterprise."""
    statuses = await lock_holders(driver, [member_id])
    if statuses.get(member_id) != HolderStatus.ACTIVE:
        raise HolderNotFound
    if len(await repository.memberships(driver, member_id)) >= MAX_MEMBERSHIPS:
        raise TooManyParts


async def _lock(driver: "asyncpg.Connection", holder_id: UUID) -> None:
    if await lock_enterprise(driver, holder_id) is None:
        raise EnterpriseNotFound


async def _add(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    member_id: UUID,
    role: Role,
    label: str,
    now: datetime.datetime,
) -> UUID:
    """Begin a membership in a locked enterprise."""
    present = await repository.members(driver, holder_id)
    if member_id == holder_id or any(row["member_id"] == member_id for row in present):
        raise AlreadyEnterpriseMember
    if len(present) >= MAX_MEMBERS:
        raise TooManyParts
    made = uuid7(now)
    await repository.add_member(driver, (holder_id, made, member_id, role.value, label, now))
    return made


async def _leaving(
    driver: "asyncpg.Connection", holder_id: UUID, membership_id: UUID, *, stays: bool
) -> "Row":
    """A member of an enterprise, locked, who is not the last owner, or stays one."""
    await _lock(driver, holder_id)
    present = await repository.members(driver, holder_id)
    row = next((each for each in present if each["id"] == membership_id), None)
    if row is None:
        raise MemberNotFound
    owners = [each for each in present if each["role"] == Role.OWNER]
    if not stays and [each["id"] for each in owners] == [membership_id]:
        raise LastOwner
    return row


def _is_open(invitation: "Row", now: datetime.datetime) -> bool:
    return (
        invitation["used_at"] is None
        and invitation["withdrawn_at"] is None
        and invitation["expires_at"] > now
    )
