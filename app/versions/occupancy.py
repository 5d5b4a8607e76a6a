"""Which versions hold which days of a region and scene, and what a decision about them needs to know."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accounts.errors import Fault
from app.auth.principal import covers
from app.problems import RequestError
from app.versions import repository
from app.versions.errors import LeadTooShort, at
from app.versions.models import Revision
from app.versions.repository import LATEST
from dedup.periods import LOCAL
from methodologies import Adoption, Catalogue, Period
from methodologies.gathering import overlap

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession


@dataclass(frozen=True)
class Occupant:
    """A version of a region and scene with the days on which it counts; `revision` is None for a pack's."""

    region: str
    code: str
    version: str
    period: Period
    revision: Revision | None = None

    def __str__(self) -> str:
        return f"{self.code} {self.version} ({shown(self.period)})"


@dataclass(frozen=True)
class Rulebook:
    """What a decision needs to know of the deployment."""

    packs: Catalogue
    lead: datetime.timedelta
    production: bool
    clock: Callable[[], datetime.datetime]


def shown(period: Period) -> str:
    """A period as people read it: `2026-01-01/2026-12-31`, open ends as `..`."""
    return f"{period.first_day}/{period.last_day or '..'}"


async def occupants(session: "AsyncSession", packs: Catalogue, region: str, scene: str) -> list[Occupant]:
    """Versions that hold days of one region and scene: approved or active revisions, and packs' beside them."""
    ends = await repository.ends_of(session, scene)

    def clipped(code: str, version: str, period: Period) -> Period:
        first, last = period
        end = ends.get((region, code, version))
        return Period(first, last if end is None or (last is not None and last < end) else end)

    found = [
        Occupant(
            region,
            each.code,
            each.version,
            clipped(each.code, each.version, Period(each.first_day, each.last_day)),
            each,
        )
        for each in await repository.of_place(session, region, scene)
        if each.first_day is not None and (each.retired_at is None or each.activates_at is not None)
    ]
    found = [each for each in found if has_days(each.period)]
    active = [each.period for each in found if each.revision is not None and each.revision.activates_at]
    for each in packs.of(region, scene):
        period = clipped(each.code, each.version, each.in_force)
        if not any(overlap(period, other) for other in active):
            found.append(Occupant(region, each.code, each.version, period))
    return sorted((each for each in found if has_days(each.period)), key=lambda each: each.period.first_day)


def has_days(period: Period) -> bool:
    """Whether a period has any day; one that ends before it begins has none."""
    return period.last_day is None or period.first_day <= period.last_day


async def adoptions_of(session: "AsyncSession", packs: Catalogue, scene: str) -> list[Adoption]:
    """Where the nation's rule of a scene is adopted, by packs and by operators."""
    return [
        *(each for each in packs.adopted if each.scene == scene),
        *(
            Adoption(each.region, each.scene, each.first_day, each.last_day)
            for each in await repository.adopted(session, scene)
        ),
    ]


def related(region: str, other: str) -> bool:
    """Whether one of two regions is the other, or a part of it."""
    return covers(region, other) or covers(other, region)


def in_time(book: Rulebook, moment: datetime.datetime, pointer: str) -> None:
    """Refuse what would count before all processes know. By the time after the locks, however long they took."""
    earliest = book.clock() + book.lead
    if moment < earliest:
        told = earliest.astimezone(LOCAL).isoformat(timespec="seconds")
        raise LeadTooShort(at(pointer, f"须不早于 {told}", f"must take effect at {told} or later"))
    if moment >= LATEST:
        raise RequestError("request.invalid", Fault(pointer, "lies too far ahead"))
