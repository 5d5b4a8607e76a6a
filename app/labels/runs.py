"""A yearly run, step by step, each step a transaction: facts, then distributions by cell, then labels.

What a step does is fixed by what is stored: a run that was cut off goes on, and ends as one that was not.
"""

import datetime
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import uuid7
from accounts.labels import errors
from accounts.labels import run_repository as repository
from accounts.labels.measures import Indicator
from accounts.labels.percentiles import better_than, distribution
from accounts.labels.reasons import no_scale, reasons_of, views_of
from accounts.labels.repository import enterprises_after
from accounts.labels.rules import LabelRules, LabelTexts, Scale
from accounts.labels.run_repository import Assessed, Decided, Run
from accounts.labels.scoring import Colour, Missing, assess, value_of
from app.auth.principal import prefix
from app.labels.facts import Emitted, cell_of, gather, kept, read_back
from dedup.periods import LOCAL

if TYPE_CHECKING:
    import asyncpg

SLICE = 500
JOB = "job"


def places(region: str) -> list[str]:
    """A region and those that it is part of, the nearest first."""
    return list(dict.fromkeys((region, region[:4] + "00", region[:2] + "0000", "100000")))


async def begin(
    driver: "asyncpg.Connection",
    texts: LabelTexts,
    region: str,
    year: int,
    by: str,
    reason: str,
    now: datetime.datetime,
) -> Run:
    """Begin a run of a region by its rules of today; raises `NoRules` or `YearNotOver`."""
    today = now.astimezone(LOCAL).date()
    if year >= today.year:
        raise errors.YearNotOver
    rules = texts.of(region, today)
    if rules is None:
        raise errors.NoRules
    run = _run(region, year, rules.id, by, reason, now, yearly=False)
    await repository.add_run(driver, run)
    return run


async def begin_due(driver: "asyncpg.Connection", texts: LabelTexts, now: datetime.datetime) -> list[UUID]:
    """Begin last year's runs of all regions with rules whose month has come, once each."""
    today = now.astimezone(LOCAL).date()
    begun = []
    for rules in texts.live(today):
        if today.month >= rules.text.due_month:
            run = _run(rules.text.region, today.year - 1, rules.id, JOB, "", now, yearly=True)
            if await repository.add_run(driver, run):
                begun.append(run.id)
    return begun


def _run(
    region: str, year: int, rules_id: UUID, by: str, reason: str, now: datetime.datetime, *, yearly: bool
) -> Run:
    return Run(
        uuid7(now), region, year, rules_id, yearly, reason, now, by, None, None, None, None, None, None
    )


async def step(
    driver: "asyncpg.Connection",
    run_id: UUID,
    texts: LabelTexts,
    emitted: Emitted,
    now: datetime.datetime,
    size: int = SLICE,
) -> bool:
    """Do a slice of a run; false where nothing is left, or another process works at it."""
    run = await repository.take_run(driver, run_id)
    if run is None:
        return False
    day = run.created_at.astimezone(LOCAL).date()
    if run.assessed_at is None:
        await _assess(driver, run, texts, day, emitted, now, size)
        return True
    rules = texts.by_id(run.rules_id)
    cell = await repository.next_cell(driver, run.id)
    if cell is not None:
        await _distribute(driver, run, rules, cell)
        return True
    await _decide(driver, run, rules, now, size)
    return True


async def _assess(
    driver: "asyncpg.Connection",
    run: Run,
    texts: LabelTexts,
    day: datetime.date,
    emitted: Emitted,
    now: datetime.datetime,
    size: int,
) -> None:
    found = await enterprises_after(driver, prefix(run.region), run.position, size)
    if not found:
        await repository.move(driver, run.id, None, now, None)
        return
    mine = []
    for each in found:
        # Rules of a city within the region are its own: an enterprise is in the run of its nearest rules only.
        rules = texts.of(each.region, day)
        if rules is not None and rules.id == run.rules_id:
            mine.append((each, rules.text.scale_of(each.domain, each.industry)))
    cases = await gather(driver, mine, run.year, emitted)
    rows = [
        Assessed(
            case.enterprise.holder_id,
            case.enterprise.domain,
            case.enterprise.industry,
            None if case.scale is None else cell_of(case.scale),
            kept(case),
        )
        for case in cases
    ]
    await repository.add_assessed(driver, run, rows)
    await repository.move(driver, run.id, found[-1].holder_id, None, None)


def _scales(rules: LabelRules) -> dict[str, Scale]:
    return {cell_of(scale): scale for scale in rules.scales}


async def _distribute(driver: "asyncpg.Connection", run: Run, rules: LabelRules, cell: str) -> None:
    """Percentiles of a cell, and each enterprise's place in it.

    Where one of its enterprises is in percentiles of the year that were told before, those count again: two that share
    enterprises could be subtracted.
    """
    scale = _scales(rules)[cell]
    rows = await repository.of_cell(driver, run.id, cell)
    again = await repository.any_released(driver, run.year, [row.holder_id for row in rows])
    before = {}
    if again:
        told = await repository.told(driver, cell, places(run.region), run.year, until=False)
        before = {each.indicator: each.percentiles for each in told}
    for place, indicator in enumerate(scale.indicators):
        values: dict[UUID, Fraction] = {}
        for row in rows:
            value = value_of(scale, indicator, read_back(row.facts)[0])
            if not isinstance(value, Missing):
                values[row.holder_id] = value
        every = list(values.values())
        told_now = before.get(indicator) if again else distribution(every, scale.least_enterprises)
        await repository.add_distribution(driver, run, cell, indicator, len(every), told_now, own=not again)
        if place == 0:
            own = {
                holder_id: found
                for holder_id, value in values.items()
                if (found := better_than(value, every, scale.least_enterprises)) is not None
            }
            await repository.set_percentiles(driver, run.id, own)


async def _decide(
    driver: "asyncpg.Connection", run: Run, rules: LabelRules, now: datetime.datetime, size: int
) -> None:
    rows = await repository.assessed_after(driver, run.id, run.position, size)
    if not rows:
        await repository.move(driver, run.id, None, run.assessed_at, now)
        return
    peers = await repository.distributions(driver, run.id)
    decided = [decided_of(row, rules, peers) for row in rows]
    await repository.decide(driver, run.id, decided, now)
    await repository.move(driver, run.id, rows[-1].holder_id, run.assessed_at, None)


Peers = Mapping[str, Mapping[Indicator, Mapping[int, Fraction]]]


def decided_of(row: Assessed, rules: LabelRules, peers: Peers) -> Decided:
    """The label that follows from stored facts, rules and percentiles by cell."""
    if row.cell is None:
        return Decided(row.holder_id, Colour.UNLABELLED, None, {}, [no_scale()])
    scale = _scales(rules)[row.cell]
    facts, past = read_back(row.facts)
    found = assess(scale, facts, past, peers.get(row.cell, {}))
    points = None if found.points is None else str(found.points)
    return Decided(row.holder_id, found.colour, points, views_of(found), reasons_of(found, scale))


async def publish(
    driver: "asyncpg.Connection",
    run: Run,
    rules: LabelRules,
    by: str,
    now: datetime.datetime,
    *,
    official: bool,
) -> int:
    """Publish a locked run, as official or as a trial; answers how many labels fell.

    Raises `RunUnfinished`, `RunPublished`, `NotOfficial`, `PublishOwn`, and `RunStale` where percentiles of enterprises
    of this run were told since it looked.
    """
    if run.published_at is not None:
        raise errors.RunPublished
    if run.decided_at is None:
        raise errors.RunUnfinished
    if official and not rules.official:
        raise errors.NotOfficial
    if official and run.created_by == by:
        raise errors.PublishOwn
    if not await repository.release(driver, run, now):
        raise errors.RunStale
    return await repository.publish(driver, run.id, now, by, official=official)
