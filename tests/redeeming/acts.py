"""Credited acts of so many points, written straight to the tables: for tests that care where points go."""

import datetime
import uuid
from typing import TYPE_CHECKING
from uuid import UUID

from accounts import repository as ledger
from accounts.ids import uuid7
from accounts.models import AccountKind, EntryKind
from accounts.postings import Posting, post
from dedup.writes import Writes
from points.repository import add_to_lots

if TYPE_CHECKING:
    import asyncpg


async def act_of(
    driver: "asyncpg.Connection",
    holder: UUID,
    asset: int,
    points: int,
    expires_on: datetime.date,
    now: datetime.datetime,
) -> UUID:
    """A month's electronic bill of a bank whose text gives points alone, with its receipt, entry and lot."""
    await ledger.lock_holders(driver, [holder])
    act = uuid7(now)
    await driver.execute(
        """
        INSERT INTO activities (holder_id, id, source_id, scene, region, started_at, ended_at, evidence, inputs,
            outcome, methodology_id, co2e_mg, full_mg, points, claim_tokens)
        SELECT $1, $2, $3, scene, region, $4, $4, 'platform', '{"count": 1}', 'credited', id, 0, 0, $5, ''
        FROM methodology_versions WHERE code = 'RZ-BANK-CARBON-ACCOUNT.bill'
        """,
        *(holder, act, UUID(int=8), now, points),
    )
    await driver.execute(
        "INSERT INTO receipts (token, body_mac, holder_id, activity_id) VALUES ($1, '', $2, $3)",
        *(uuid.uuid4(), holder, act),
    )
    writes = Writes()
    accounts = (AccountKind.PROGRAMME, AccountKind.HOLDER_POINTS)
    post(writes, [Posting(holder, act, asset, EntryKind.CREDIT, *accounts, points)], now)
    add_to_lots(writes, [holder], [asset], [expires_on], [points], now)
    await writes.execute(driver)
    return act
