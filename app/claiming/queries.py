"""Whether acts are claimed, and whose claim won where both platforms agreed to tell."""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import dedup.repository as tokens
from accounts.ids import is_platform_claim, public_id
from app.claiming.decision import lost
from dedup import platform_claims
from dedup.repository import Held

if TYPE_CHECKING:
    import asyncpg

    from app.claiming.prepare import PreparedAct
    from dedup.sightings import Clocks


async def holders_of(
    driver: "asyncpg.Connection", acts: "Sequence[PreparedAct]", clocks: "Clocks"
) -> list[tuple[str, UUID] | None]:
    """(reason, owner) of each act that is claimed now; nothing is locked, so that it may be otherwise in a moment."""
    whole = {token for act in acts for _, token in act.whole}
    pieces = {(token, day) for act in acts for _, token, day, _, _ in act.intervals}
    pieces.update(near for act in acts for near in act.near)
    held = Held(whole=await tokens.read_whole(driver, list(whole)) if whole else {})
    if pieces:
        names, days = [token for token, _ in pieces], [day for _, day in pieces]
        held.add(await tokens.read_interval_claims(driver, names, days))
        await held.read_archived(driver, pieces)
    refusals = (None if act.refusal is not None else lost(act, held, clocks) for act in acts)
    return [None if each is None else (each.reason, each.winner) for each in refusals]


async def organisations_of(driver: "asyncpg.Connection", owners: Collection[UUID]) -> dict[UUID, UUID]:
    """Who holds claims → the organisation that claimed or reported."""
    claimed = [owner for owner in owners if is_platform_claim(owner)]
    reported = [owner for owner in owners if not is_platform_claim(owner)]
    found = await platform_claims.organisations_of_claims(driver, claimed) if claimed else {}
    if reported:
        rows = await driver.fetch(
            "SELECT id, source_id FROM activities WHERE id = ANY($1::uuid[]) AND id BETWEEN $2 AND $3",
            reported,
            min(reported),
            max(reported),
        )
        found |= {row[0]: row[1] for row in rows}
    return found


async def disclosed(
    driver: "asyncpg.Connection", asking: UUID, owners: Iterable[UUID]
) -> dict[UUID, dict[str, str]]:
    """Owner → its platform, of those platforms that agreed to tell, where the asking one agreed too."""
    wanted = set(owners)
    if not wanted or not await driver.fetchval(
        "SELECT discloses_wins FROM organisations WHERE id = $1", asking
    ):
        return {}
    platforms = await organisations_of(driver, wanted)
    rows = await driver.fetch(
        "SELECT id, name FROM organisations WHERE id = ANY($1::uuid[]) AND discloses_wins",
        list(set(platforms.values())),
    )
    names = {row[0]: row[1] for row in rows}
    return {
        owner: {"organisation_id": public_id("org", platform), "name": names[platform]}
        for owner, platform in platforms.items()
        if platform in names
    }
