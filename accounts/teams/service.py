"""Coming and going in teams: how many there may be is decided under the holder's lock, then the team's."""

import datetime
import secrets
from typing import TYPE_CHECKING, Final
from uuid import UUID

from accounts.errors import HolderNotFound
from accounts.ids import uuid7
from accounts.models import HolderStatus
from accounts.repository import lock_holders, regions_of
from accounts.teams import repository
from accounts.teams.errors import AlreadyMember, NotOwner, TeamFull, TeamNotFound, TooManyTeams

if TYPE_CHECKING:
    import asyncpg

MAX_TEAMS: Final = 5
"""Of one person."""
MAX_MEMBERS: Final = {"family": 20, "company": 500, "school": 500}
CODE_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH: Final = 10
"""49 bits: at 30 tries in ten seconds nobody guesses one."""


def new_code() -> str:
    """A code to join by, without letters and digits that look alike."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


async def _enter(driver: "asyncpg.Connection", holder_id: UUID) -> str:
    """Lock a holder that may be in one more team; answers its region."""
    statuses = await lock_holders(driver, [holder_id])
    if statuses.get(holder_id) != HolderStatus.ACTIVE:
        raise HolderNotFound
    if len(await repository.teams_of(driver, holder_id)) >= MAX_TEAMS:
        raise TooManyTeams
    return (await regions_of(driver, [holder_id]))[holder_id]


async def create(
    driver: "asyncpg.Connection", holder_id: UUID, kind: str, name: str, now: datetime.datetime
) -> UUID:
    """Make a team that its founder owns and is in; raises `TooManyTeams`."""
    region = await _enter(driver, holder_id)
    made = uuid7(now)
    await repository.add_team(driver, (made, kind, name, region, holder_id, new_code(), now))
    await repository.add_member(driver, made, uuid7(now), holder_id, now)
    return made


async def join(driver: "asyncpg.Connection", holder_id: UUID, code: str, now: datetime.datetime) -> UUID:
    """Join the team of a code; raises `TeamNotFound`, `TeamFull`, `TooManyTeams` or `AlreadyMember`."""
    found = await repository.team_by_code(driver, code)
    if found is None:
        raise TeamNotFound
    statuses = await lock_holders(driver, [holder_id])
    if statuses.get(holder_id) != HolderStatus.ACTIVE:
        raise HolderNotFound
    team = await repository.lock_team(driver, found)
    if team is None or team["code"] != code:
        raise TeamNotFound
    present = await repository.members(driver, found)
    if any(row["holder_id"] == holder_id for row in present):
        raise AlreadyMember
    if len(await repository.teams_of(driver, holder_id)) >= MAX_TEAMS:
        raise TooManyTeams
    if len(present) >= MAX_MEMBERS[team["kind"]]:
        raise TeamFull
    await repository.add_member(driver, found, uuid7(now), holder_id, now)
    return found


async def leave(driver: "asyncpg.Connection", holder_id: UUID, team_id: UUID, now: datetime.datetime) -> None:
    """Leave a team. Its owner's place goes to who joined first; without members it ends. Raises `TeamNotFound`."""
    team = await repository.lock_team(driver, team_id)
    present = await repository.members(driver, team_id)
    own = [row for row in present if row["holder_id"] == holder_id]
    if team is None or not own:
        raise TeamNotFound
    await repository.end_member(driver, team_id, own[0]["id"], now)
    others = [row for row in present if row["holder_id"] != holder_id]
    if not others:
        await repository.change_team(driver, team_id, holder_id, new_code(), now)
    elif team["owner_id"] == holder_id:
        # Who leaves knows the code: the team gets another one.
        await repository.change_team(driver, team_id, others[0]["holder_id"], new_code(), None)


async def leave_all(driver: "asyncpg.Connection", holder_id: UUID, now: datetime.datetime) -> None:
    """Leave every team; teams that ended keep no name that their last owner, who is locked, gave them."""
    for team_id in sorted(team["id"] for team in await repository.teams_of(driver, holder_id)):
        await leave(driver, holder_id, team_id, now)
    await repository.forget_names(driver, holder_id)


async def hand_over(
    driver: "asyncpg.Connection", holder_id: UUID, absorbed: UUID, now: datetime.datetime
) -> None:
    """Put a holder into the teams of an account that becomes part of its own, while it may be in more; both locked.

    It counts for them from now on. What the account owned it owns.
    """
    own = {team["id"] for team in await repository.teams_of(driver, holder_id)}
    for team_id in sorted(team["id"] for team in await repository.teams_of(driver, absorbed)):
        if (team := await repository.lock_team(driver, team_id)) is None:
            continue
        if team_id not in own and len(own) < MAX_TEAMS:
            await repository.add_member(driver, team_id, uuid7(now), holder_id, now)
            own.add(team_id)
        if team_id in own and team["owner_id"] == absorbed:
            await repository.change_team(driver, team_id, holder_id, team["code"], None)
        await leave(driver, absorbed, team_id, now)


async def remove(
    driver: "asyncpg.Connection", owner_id: UUID, team_id: UUID, member_id: UUID, now: datetime.datetime
) -> None:
    """Remove a member, who cannot come back by the old code; raises `TeamNotFound` or `NotOwner`."""
    team, present = await _owned(driver, owner_id, team_id)
    if not any(row["id"] == member_id and row["holder_id"] != owner_id for row in present):
        raise TeamNotFound
    await repository.end_member(driver, team_id, member_id, now)
    await repository.change_team(driver, team_id, team["owner_id"], new_code(), None)


async def rotate(driver: "asyncpg.Connection", owner_id: UUID, team_id: UUID) -> None:
    """Give a team another code; the old one leads nowhere. Raises `TeamNotFound` or `NotOwner`."""
    await _owned(driver, owner_id, team_id)
    await repository.change_team(driver, team_id, owner_id, new_code(), None)


async def _owned(
    driver: "asyncpg.Connection", owner_id: UUID, team_id: UUID
) -> tuple[repository.Row, list[repository.Row]]:
    team = await repository.lock_team(driver, team_id)
    present = await repository.members(driver, team_id)
    if team is None or not any(row["holder_id"] == owner_id for row in present):
        raise TeamNotFound
    if team["owner_id"] != owner_id:
        raise NotOwner
    return team, present
