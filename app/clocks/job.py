"""The job that measures how far the clocks of two sources are apart, from acts that both reported under one number."""

import datetime
from typing import TYPE_CHECKING

from app.clocks.repository import read_differences, write_clocks
from app.crediting.sameness import parameters_on
from dedup.periods import day_of
from dedup.sightings import measured_clock

if TYPE_CHECKING:
    import asyncpg

    from app.crediting.rules import Rules

SINCE = datetime.timedelta(days=7)
"""A clock that was set right is measured anew within so long, and a pair that shares no act any more is forgotten."""


async def measure_clocks(driver: "asyncpg.Connection", rules: "Rules", now: datetime.datetime) -> int:
    """Measure every pair of sources with enough acts of the last days; answers how many have a clock."""
    rule = parameters_on(day_of(int(now.timestamp()))).clock.rule
    reasons = {
        "claimed_" + claim.rule
        for methodology in rules.catalogue.methodologies
        for claim in methodology.claims
        if "order_no" in claim.of.split("+") and claim.period == "forever"
    }
    since = now - SINCE
    # Each act gives two: of its starts and of its ends.
    found = await read_differences(driver, since, sorted(reasons), rule.latest_values // 2)
    rows = []
    for (left, right), values in found.items():
        clock = measured_clock(values, rule)
        if clock is not None:
            rows.append((left, right, clock.ahead_s, clock.tolerance_s, min(len(values), rule.latest_values)))
    await write_clocks(driver, rows, now, since)
    return len(rows)
