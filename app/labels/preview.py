"""A label on demand, by what is known now, and what would change it. Nothing of it is stored or published."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.enterprises.errors import EnterpriseNotFound
from accounts.labels import errors
from accounts.labels.improvement import Change, least_changes
from accounts.labels.measures import Indicator
from accounts.labels.repository import Enterprise, enterprises
from accounts.labels.rules import LabelTexts, LiveRules, Scale
from accounts.labels.run_repository import Told, told
from accounts.labels.scoring import Assessment, Colour, Facts, assess
from app.labels.facts import Emitted, cell_of, gather
from app.labels.runs import places
from dedup.periods import LOCAL

if TYPE_CHECKING:
    import asyncpg


@dataclass(frozen=True)
class Preview:
    """What a label would be, and on what."""

    rules: LiveRules
    scale: Scale
    facts: Facts
    past: Facts | None
    peers: Mapping[Indicator, Mapping[int, Fraction]]
    found: Assessment


async def place_of(
    driver: "asyncpg.Connection", texts: LabelTexts, holder_id: UUID, now: datetime.datetime
) -> tuple[Enterprise, LiveRules, Scale]:
    """An enterprise with the rules and the scale of today; raises `EnterpriseNotFound` or `NoScale`."""
    found = (await enterprises(driver, [holder_id])).get(holder_id)
    if found is None:
        raise EnterpriseNotFound
    rules = texts.of(found.region, now.astimezone(LOCAL).date())
    scale = None if rules is None else rules.text.scale_of(found.domain, found.industry)
    if rules is None or scale is None:
        raise errors.NoScale
    return found, rules, scale


async def preview(
    driver: "asyncpg.Connection",
    texts: LabelTexts,
    holder_id: UUID,
    year: int | None,
    emitted: Emitted,
    now: datetime.datetime,
) -> Preview:
    """The label of a year that is over, last year's where none is named.

    Others are known by what was told of them only: figures that are tried out tell nothing about theirs.
    """
    enterprise, rules, scale = await place_of(driver, texts, holder_id, now)
    this_year = now.astimezone(LOCAL).year
    asked = this_year - 1 if year is None else year
    if asked >= this_year:
        raise errors.YearNotOver
    (case,) = await gather(driver, [(enterprise, scale)], asked, emitted)
    known = await told(driver, cell_of(scale), places(enterprise.region), asked, until=True)
    peers = {each.indicator: each.percentiles for each in known if each.percentiles is not None}
    return Preview(rules, scale, case.facts, case.past, peers, assess(scale, case.facts, case.past, peers))


def changes(shown: Preview, colour: Colour) -> tuple[Change, ...]:
    """The least change of each single figure that reaches a colour."""
    return least_changes(shown.scale, shown.facts, shown.past, shown.peers, colour)


async def benchmarks(
    driver: "asyncpg.Connection",
    texts: LabelTexts,
    holder_id: UUID,
    year: int | None,
    now: datetime.datetime,
) -> tuple[Scale, list[Told]]:
    """What was told of the enterprise's industry, of a year or of the latest."""
    enterprise, _, scale = await place_of(driver, texts, holder_id, now)
    asked = now.astimezone(LOCAL).year if year is None else year
    return scale, await told(driver, cell_of(scale), places(enterprise.region), asked, until=year is None)
