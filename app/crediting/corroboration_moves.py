"""A credit that goes from one report to another: the old one reversed, the new one made, in the caller's commit."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.crediting import corroboration_store as store
from app.crediting import reversal
from app.crediting.corroboration_decision import Behind
from app.crediting.late import Cause, credit_after_all
from app.crediting.settlements import PRECEDENCE
from app.database import driver_of

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.auth.principal import Principal
    from app.crediting.models import Activity
    from app.crediting.rules import Rules


@dataclass(frozen=True)
class By:
    """Who moves a credit, why, and from where."""

    principal: "Principal"
    reason: str
    address: str = ""


async def pass_credit(
    session: "AsyncSession",
    rules: "Rules",
    had: "Activity | None",
    gets: "Activity",
    cause: Cause,
    by: By,
    at: datetime.datetime,
) -> int:
    """Reverse what one report has, credit the other, and have what stood behind the one follow.

    The holders of both are locked. Raises what reversing and crediting raise. Answers how many points are lost.
    """
    driver = await driver_of(session)
    lost = 0
    if had is not None:
        lost = await reversal.reverse(
            session, rules, had, by.principal, by.reason, at, by.address, Behind.LEAVE
        )
    await credit_after_all(session, driver, rules, gets, cause, at)
    ended = "took_over" if cause.kind == PRECEDENCE else "moved"
    await store.hand_over(driver, had, gets, ended, at)
    return lost
