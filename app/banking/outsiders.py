"""Queries of banks whose sign-in does not count: refused at the door, and told to the customers whom they name."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from accounts.ids import lowest_uuid7
from app.banking import repository
from app.banking.terms import Refusal
from app.my_data import access

if TYPE_CHECKING:
    from accounts.repository import Driver
    from app.auth.principal import Principal
    from app.my_data.access import What

UNKNOWN: Final = "unknown client"
"""Reader's name where nobody signed the token."""
PAUSE: Final = datetime.timedelta(minutes=1)
"""A customer's log has one such line in this time, however often somebody tries."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was asked, by whose token: it had expired, was ended, or has no right to ask; None where it is nobody's."""

    caller: "Principal | None"
    what: "What"
    purpose: str | None
    references: Sequence[UUID]


async def note(driver: "Driver", attempt: Attempt, now: datetime.datetime) -> int:
    """Write a line for each customer who is named by a bank's reference; answers how many."""
    meant = await repository.holders_of(driver, attempt.references)
    caller = attempt.caller
    lately = await repository.refused_lately(
        driver,
        sorted({holder_id for holder_id, _ in meant.values()}),
        Refusal.SIGN_IN.value,
        lowest_uuid7(now - PAUSE),
    )
    asked = [
        access.Asked(
            None if caller is None else caller.organisation_id,
            UNKNOWN if caller is None else caller.name,
            attempt.what,
            attempt.purpose,
            holder_id,
            "",
            Refusal.SIGN_IN.value,
        )
        for holder_id in sorted({holder_id for holder_id, _ in meant.values()} - lately)
    ]
    await access.record_asked(driver, asked, now)
    return len(asked)
