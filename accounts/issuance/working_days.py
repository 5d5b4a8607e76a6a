"""Working days of public notices: Monday to Friday, but for the days that the State Council moves each year."""

import datetime
from functools import cache
from importlib import resources

import yaml
from pydantic import BaseModel, ConfigDict

from accounts.issuance.errors import CalendarEnds
from dedup.periods import LOCAL

SATURDAY = 5
LEAST_DAYS_WITHOUT_CALENDAR = 21
"""Where a year's notice is not known, a last day that is given has to leave so much room: no holiday is longer."""


class Year(BaseModel):
    """One year's arrangement of days off and of weekends worked, and the notice that it was published with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    year: int
    notice: str
    source: str
    days_off: list[tuple[datetime.date, datetime.date]]
    worked: list[datetime.date]


@cache
def calendar() -> dict[int, Year]:
    """Years whose arrangement was published."""
    text = (resources.files("accounts.issuance") / "working_days.yaml").read_text(encoding="utf-8")
    years = [Year.model_validate(each) for each in yaml.load(text, yaml.CSafeLoader)["years"]]
    return {each.year: each for each in years}


def is_working_day(day: datetime.date) -> bool:
    """Whether work is done; raises `CalendarEnds` for years that are not published."""
    year = calendar().get(day.year)
    if year is None:
        raise CalendarEnds
    if day in year.worked:
        return True
    return day.weekday() < SATURDAY and not any(first <= day <= last for first, last in year.days_off)


def notice_end(now: datetime.datetime, working_days: int, given: datetime.date | None) -> datetime.date:
    """The last day of a notice of so many working days from the day after on; `given` may be later, never earlier.

    Raises `CalendarEnds` where the calendar does not reach so far and no day is given that is late enough anyway.
    """
    day = now.astimezone(LOCAL).date()
    earliest = day + datetime.timedelta(days=LEAST_DAYS_WITHOUT_CALENDAR + working_days)
    try:
        for _ in range(working_days):
            day += datetime.timedelta(days=1)
            while not is_working_day(day):
                day += datetime.timedelta(days=1)
    except CalendarEnds:
        if given is None or given < earliest:
            raise
        return given
    return day if given is None else max(day, given)
