"""What a resident's acts add up to over time, and the acts themselves."""

import datetime
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from pydantic import BaseModel
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.quantities import grams
from accounts.standing.levels import Badge, badges
from app.account import repository
from app.account.overview import read
from app.crediting import collection, queries
from app.crediting.models import Activity, Outcome
from app.crediting.queries import ActivityView
from dedup.periods import LOCAL

if TYPE_CHECKING:
    import asyncpg
    from sqlalchemy import ColumnElement

    from app.crediting.rules import Rules

MAX_DAYS = 800
"""Of a series: two years and what is left of a month."""
MAX_WAIT = datetime.timedelta(days=400)
"""No methodology lets a credit wait longer to be collected."""
By = Literal["scene", "month", "day"]


class Sum(BaseModel):
    """What the acts of one day, month or scene brought."""

    key: str
    co2e_g: str
    points: int
    acts: int


class Summary(BaseModel):
    """A series over local days, in order; days and months without an act are not in it."""

    by: By
    first_day: datetime.date
    last_day: datetime.date
    items: list[Sum]
    total: Sum


class ActivityList(BaseModel):
    """A page of activities, the last reported first."""

    items: list[ActivityView]
    next_cursor: str | None


class BadgeList(BaseModel):
    """All badges."""

    items: list[Badge]


class CollectableList(BaseModel):
    """Credits that wait, those that lapse first before the others."""

    items: list[ActivityView]


async def summary(
    driver: "asyncpg.Connection", holder_id: UUID, by: By, first: datetime.date, last: datetime.date
) -> Summary:
    """What the acts of local days `first` to `last` brought."""
    rows = await repository.series(driver, holder_id, by, first, last)

    def total(place: int) -> int:
        return sum(int(row[place]) for row in rows)

    return Summary(
        by=by,
        first_day=first,
        last_day=last,
        items=[Sum(key=key, co2e_g=grams(mg), points=points, acts=acts) for key, mg, points, acts in rows],
        total=Sum(key="total", co2e_g=grams(total(1)), points=total(2), acts=total(3)),
    )


async def badges_of(driver: "asyncpg.Connection", holder_id: UUID, now: datetime.datetime) -> list[Badge]:
    """All badges, computed from balances, streak and acts."""
    row, _, streak = await read(driver, holder_id, now.astimezone(LOCAL).date())
    acts = await repository.acts_by_scene(driver, holder_id, row["created_at"])
    return badges(row["open_mg"] + row["issued_mg"] + row["used_mg"] + row["excluded_mg"], streak, acts)


async def page_of_activities(
    session: AsyncSession,
    rules: "Rules",
    holder_id: UUID,
    before: UUID | None,
    limit: int,
    scene: str | None,
    outcome: str | None,
) -> list[ActivityView]:
    """At most `limit` activities older than `before`, the last reported first."""
    wanted: list[ColumnElement[bool]] = [col(Activity.holder_id) == holder_id]
    if before is not None:
        wanted.append(col(Activity.id) < before)
    if scene is not None:
        wanted.append(col(Activity.scene) == scene)
    if outcome is not None:
        wanted.append(col(Activity.outcome) == outcome)
    rows = await session.exec(select(Activity).where(*wanted).order_by(col(Activity.id).desc()).limit(limit))
    return [
        queries.view(activity, await collection.window_of(session, rules, activity))
        for activity in rows.all()
    ]


async def collectable(
    session: AsyncSession, rules: "Rules", holder_id: UUID, now: datetime.datetime
) -> list[ActivityView]:
    """Pending credits that are not lapsed, also those whose days have not come yet; the first to lapse first."""
    since = repository.floor((now - MAX_WAIT).astimezone(LOCAL).date())
    rows = await session.exec(
        select(Activity).where(
            col(Activity.holder_id) == holder_id,
            col(Activity.id) >= since,
            col(Activity.outcome) == Outcome.PENDING,
            col(Activity.reversed_at).is_(None),
        )
    )
    found = []
    for activity in rows.all():
        window = await collection.window_of(session, rules, activity)
        if window is not None and now < window[1]:
            found.append((window[1], activity.id, queries.view(activity, window)))
    return [shown for _, _, shown in sorted(found, key=lambda each: each[:2])]
