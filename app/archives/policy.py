"""Which months of claims may be archived. Pure."""

import datetime
from typing import TYPE_CHECKING, Final

from dedup.periods import day_of

if TYPE_CHECKING:
    from app.crediting.rules import Rules

CONTESTED_DAYS: Final = 62
"""Within so long after the last report of a month most of its disputes and reversals are over; the others go on."""


def least_days(rules: "Rules") -> int:
    """How many local days after its end a month is archived at the soonest.

    The longest report window of the texts in force and to come, and the time for disputes and reversals. A text that
    accepts reports for ever bounds nothing: what comes so late is answered from the archive.
    """
    windows = (each.text.report_within_days for each in rules.catalogue.methodologies)
    return max((days for days in windows if days is not None), default=0) + CONTESTED_DAYS


def latest_before(now: datetime.datetime, days: int) -> datetime.date:
    """The first month that is not to be archived at a moment: all before it ended at least so many days ago."""
    today = day_of(int(now.timestamp()))
    return (today - datetime.timedelta(days=days)).replace(day=1)
