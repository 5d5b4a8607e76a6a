"""The days in force of a region's versions of a scene, and the gaps between them."""

import datetime
from typing import TYPE_CHECKING

from accounts.ids import public_id
from app.versions import repository
from app.versions.models import State
from app.versions.occupancy import occupants
from app.versions.schemas import AdoptedDays, Gap, InForcePeriod, Timeline
from methodologies.catalogue import gaps, upward
from methodologies.gathering import NATION

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from methodologies import Catalogue


async def timeline(
    session: "AsyncSession", packs: "Catalogue", region: str, scene: str, now: datetime.datetime
) -> Timeline:
    """A region's own versions of a scene, with the days that none has."""
    held = await occupants(session, packs, region, scene)
    periods = [
        InForcePeriod(
            code=each.code,
            version=each.version,
            revision_id=None if each.revision is None else public_id("mrv", each.revision.id),
            state=State.ACTIVE if each.revision is None else each.revision.state(now),
            first_day=each.period.first_day,
            last_day=each.period.last_day,
            activates_at=None if each.revision is None else each.revision.activates_at,
        )
        for each in held
    ]
    counting = [
        each.period for each in held if each.revision is None or each.revision.activates_at is not None
    ]
    asked = upward(region)
    adoptions = [
        AdoptedDays(region=each.region, adoption_id=None, first_day=None, last_day=None)
        for each in packs.adoptions(region, scene)
    ] + [
        AdoptedDays(
            region=each.region,
            adoption_id=public_id("mad", each.id),
            first_day=each.first_day,
            last_day=each.last_day,
        )
        for each in await repository.adopted(session, scene)
        if each.region in asked
    ]
    above = (*asked, NATION) if adoptions else asked
    return Timeline(
        region=region,
        scene=scene,
        periods=periods,
        gaps=[Gap(first_day=gap.first_day, last_day=gap.last_day) for gap in gaps(counting)],
        falls_to=[each for each in above if each != region],
        adoptions=adoptions,
    )
