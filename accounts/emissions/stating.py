"""Statements: a month's emissions as computed at a moment, kept whole. A figure that changes leaves the old one."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from accounts.emissions import repository, telling
from accounts.emissions.activity import month_of, next_month
from accounts.emissions.service import EmissionReport, load, report_of
from accounts.ids import uuid7
from dedup.periods import LOCAL

if TYPE_CHECKING:
    import asyncpg

FIRST = "first"


async def state(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    first: datetime.date,
    after: datetime.date,
    now: datetime.datetime,
) -> list[UUID]:
    """Keep a statement of each month from `first` to before `after` that differs from its last; answers their ids.

    The enterprise is locked by the caller. A month in which nothing was used has none.
    """
    inputs = await load(driver, holder_id, first, after, now)
    found: dict[datetime.date, EmissionReport] = {}
    month = first
    while month < after:
        found[month] = report_of(inputs, month, next_month(month))
        month = next_month(month)
    before = await repository.latest_statements(driver, holder_id, list(found))
    made = []
    for each, report in found.items():
        row = before.get(each)
        if row is None and not report.anything:
            continue
        content = telling.content(report)
        text = telling.canonical(content)
        if row is not None and row["content_hash"] == telling.hashed(text):
            continue
        changed = [FIRST] if row is None else telling.differences(orjson.loads(row["content"]), content)
        made.append(uuid7(now))
        await repository.add_statement(
            driver,
            (
                holder_id,
                each,
                made[-1],
                now,
                report.total_mg,
                text.decode(),
                telling.hashed(text),
                changed,
            ),
        )
    return made


async def state_all(driver: "asyncpg.Connection", holder_id: UUID, now: datetime.datetime) -> list[UUID]:
    """State the closed months of this and the last year, and every earlier one that was stated before."""
    this_month = month_of(now.astimezone(LOCAL).date())
    first = datetime.date(this_month.year - 1, 1, 1)
    earlier = await repository.first_statement_month(driver, holder_id)
    made = await state(driver, holder_id, min(first, earlier or first), this_month, now)
    await repository.mark_checked(driver, holder_id, now)
    return made


async def state_due(driver: "asyncpg.Connection", now: datetime.datetime, limit: int) -> int:
    """State some enterprises that were not stated since today began, or since a factor was put in force.

    Answers how many; the caller commits, and asks again until there is none.
    """
    today = now.astimezone(LOCAL).replace(hour=0, minute=0, second=0, microsecond=0)
    corrected = await repository.last_correction(driver)
    due = await repository.due(driver, max(today, corrected or today), limit)
    for holder_id in due:
        await state_all(driver, holder_id, now)
    return len(due)
