"""The account page: balances as they are stored, today and this month from the holder's own acts of the month."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import BaseModel, Field

from accounts.errors import HolderNotFound
from accounts.ids import lowest_uuid7, public_id
from accounts.quantities import grams
from accounts.schemas import ExpiringPoints
from accounts.standing.equivalents import Equivalent, equivalents
from accounts.standing.levels import Level, level
from app.account import repository
from dedup.periods import LOCAL

if TYPE_CHECKING:
    import asyncpg

DAY = datetime.timedelta(days=1)
WEEK = datetime.timedelta(days=7)
"""Read in any case, so that most streaks are known at once in the first days of a month, too."""
FIRST_LOOK_BACK = 32
MAX_STREAK = 1_000
"""Days: a longer streak is told as this."""


class Earned(BaseModel):
    """What a period's acts brought."""

    co2e_g: str
    acts: int


class MyAccount(BaseModel):
    """A carbon account as its holder sees it."""

    holder_id: str
    kind: str
    region: str
    open_co2e_g: str = Field(description="Grams that can be offset with or issued", examples=["1234.567"])
    issued_co2e_g: str
    used_co2e_g: str
    points: int = Field(description="To be spent")
    held_points: int = Field(description="On hold for orders")
    owed_points: int = Field(description="Repaid first, from the next credits")
    points_expiring: list[ExpiringPoints]
    today: Earned = Field(description="Acts of this local day (Asia/Shanghai)")
    month: Earned = Field(description="Acts of this calendar month")
    all_time_co2e_g: str = Field(description="Open, issued and used together")
    streak_days: int = Field(description="Days in a row with a credited act, up to today or yesterday")
    level: Level
    equivalents: list[Equivalent] = Field(description="What all time's grams are like, each with its source")


async def overview(driver: "asyncpg.Connection", holder_id: UUID, now: datetime.datetime) -> MyAccount:
    """Read an account in one statement; raises `HolderNotFound`."""
    today = now.astimezone(LOCAL).date()
    row, days, streak = await read(driver, holder_id, today)
    month = [earned for day, earned in days.items() if (day.year, day.month) == (today.year, today.month)]
    here = days.get(today, (0, 0))
    total = row["open_mg"] + row["issued_mg"] + row["used_mg"] + row["excluded_mg"]
    return MyAccount(
        holder_id=public_id("hld", holder_id),
        kind=row["kind"],
        region=row["region"],
        open_co2e_g=grams(row["open_mg"]),
        issued_co2e_g=grams(row["issued_mg"]),
        used_co2e_g=grams(row["used_mg"]),
        points=row["points"],
        held_points=row["held_points"],
        owed_points=row["owed_points"],
        points_expiring=[
            ExpiringPoints(expires_on=day.isoformat(), points=points)
            for day, points in zip(row["expiring"] or (), row["amounts"] or (), strict=True)
        ],
        today=Earned(co2e_g=grams(here[0]), acts=here[1]),
        month=Earned(co2e_g=grams(sum(mg for mg, _ in month)), acts=sum(acts for _, acts in month)),
        all_time_co2e_g=grams(total),
        streak_days=streak,
        level=level(total),
        equivalents=equivalents(total),
    )


async def read(
    driver: "asyncpg.Connection", holder_id: UUID, today: datetime.date
) -> "tuple[asyncpg.Record, repository.Days, int]":
    """The account, its days of at least this month, and its streak; raises `HolderNotFound`.

    Looks further back, by statements of their own, only while the streak goes on.
    """
    first = min(today.replace(day=1), today - WEEK)
    after = lowest_uuid7(datetime.datetime.combine(today + 2 * DAY, datetime.time(), LOCAL))
    known = await repository.account(driver, holder_id, repository.floor(first), after)
    if known is None:
        raise HolderNotFound
    row, found = known
    look_back = FIRST_LOOK_BACK
    while True:
        streak, ended = streak_of(set(found), today)
        # That a day has no act is only known of the days that were read.
        if ended >= first or streak >= MAX_STREAK:
            return row, found, min(streak, MAX_STREAK)
        earlier = first - look_back * DAY
        more = await repository.days(driver, holder_id, repository.floor(earlier), repository.floor(first))
        for day, (mg, acts) in more.items():
            here = found.get(day, (0, 0))
            found[day] = (here[0] + mg, here[1] + acts)
        first, look_back = earlier, 2 * look_back


def streak_of(days: set[datetime.date], today: datetime.date) -> tuple[int, datetime.date]:
    """Days in a row, up to today, or to yesterday while today has no act yet; and the day before them, without one."""
    last = today if today in days else today - DAY
    length = 0
    while last - length * DAY in days:
        length += 1
    return length, last - length * DAY
