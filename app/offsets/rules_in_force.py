"""Which rule a filing is checked by: what operators put in force goes before what ships."""

import datetime
from typing import TYPE_CHECKING

from accounts.offset_rules.rules import DatedRule, OffsetRules, book
from app.offsets import repository
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from accounts.repository import Driver


async def rule_in_force(
    driver: "Driver", market: str, filed_on: datetime.date, period: int
) -> DatedRule | None:
    """The rule of a market for a filing of that day and period; None where none is known."""
    found = book().market(market)
    if found is None:
        return None
    for text in await written_rules(driver, found.region, filed_on):
        rule = text.dated()
        if text.market == market and rule.holds(filed_on, period):
            return rule
    return found.in_force(filed_on, period)


async def written_rules(driver: "Driver", region: str, day: datetime.date) -> list[OffsetRules]:
    """What operators put in force for a market's region up to a day, the newest first."""
    until = datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time(), LOCAL)
    rows = await repository.texts_in_force(driver, region, until)
    return [OffsetRules.model_validate_json(row["content"]) for row in rows]
