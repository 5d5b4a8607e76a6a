"""Who calls in these tests, and what must not change when a request is refused."""

from dataclasses import dataclass

import asyncpg
from helpers import Caller, City

KEPT = (
    "activities",
    "receipts",
    "entries",
    "whole_claims",
    "interval_claims",
    "lots",
    "cap_usage",
    "holders",
    "identities",
    "consents",
)


@dataclass
class Stage:
    """An operator of Guangdong, two platforms, and a person who lets the first one's reports count."""

    city: City
    operator: Caller
    source: Caller
    other: Caller
    phone: str
    holder: str
    resident: Caller


async def kept(owner: asyncpg.Connection) -> dict[str, int]:
    """Rows of every table that a report or an onboarding may write to."""
    counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in KEPT)
    return dict(zip(KEPT, await owner.fetchrow(f"SELECT {counts}"), strict=True))
