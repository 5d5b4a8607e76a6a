"""Taking back a credit: compensating entries, claims released, headroom returned, in one commit."""

import datetime
from typing import TYPE_CHECKING

from asyncpg.pgproto.pgproto import UUID as DriverUUID
from sqlmodel.ext.asyncio.session import AsyncSession

import dedup.repository as claims
from accounts import repository as ledger
from accounts.ids import epoch_ms, public_id, uuid7_batch
from accounts.models import EntryKind
from accounts.quantities import grams
from app.auth import audit
from app.crediting import repository
from app.crediting.decision import HOLDING, window_start
from app.crediting.errors import AlreadyReversed, NotReversible, PointsSpent
from app.crediting.explanation import methodology_of
from app.crediting.models import Activity
from app.crediting.prepare import EPOCH, SECOND
from app.crediting.rules import cap_rules
from app.database import driver_of
from dedup.periods import LOCAL, day_of
from dedup.tokens import TOKEN_BYTES
from dedup.writes import Writes
from points import repository as lots

if TYPE_CHECKING:
    from uuid import UUID

    from app.auth.principal import Principal
    from app.crediting.rules import Rules


async def reverse(
    session: AsyncSession,
    rules: "Rules",
    activity: Activity,
    principal: "Principal",
    reason: str,
    now: datetime.datetime,
    address: str = "",
) -> None:
    """Reverse a credited activity; raises `AlreadyReversed`, `NotReversible` or `PointsSpent`."""
    if activity.outcome not in HOLDING:
        raise NotReversible
    methodology = await methodology_of(session, rules, activity.methodology_id)
    driver = await driver_of(session)
    await ledger.lock_holders(driver, [activity.holder_id])
    if not await repository.mark_reversed(driver, activity.holder_id, activity.id, now):
        raise AlreadyReversed
    entries = await ledger.entries_of_activity(driver, activity.holder_id, activity.id)
    writes = Writes()
    if entries:
        ids = uuid7_batch(epoch_ms(now), len(entries))
        ledger.write_entries(
            writes,
            [
                (
                    activity.holder_id,
                    entry_id,
                    activity.id,
                    entry["asset_id"],
                    EntryKind.REVERSAL,
                    entry["credit"],
                    entry["debit"],
                    entry["amount"],
                )
                for entry, entry_id in zip(entries, ids, strict=True)
            ],
            now,
        )
        ledger.add_to_balances(writes, [activity.holder_id], [-activity.co2e_mg], [-activity.points])
    _release_claims(writes, activity)
    await writes.execute(driver)
    if entries and activity.points:
        await _take_back_points(driver, rules, activity, entries)
    started_s = (activity.started_at - EPOCH) // SECOND
    for cap in cap_rules(methodology):
        window = window_start(cap.per, started_s)
        amount = 1 if cap.counted else activity.co2e_mg
        await repository.return_headroom(driver, activity.holder_id, cap.key, window, amount)
    await audit.append(
        session,
        principal,
        now,
        "activity.reversed",
        ("activity", public_id("act", activity.id)),
        region=activity.region,
        address=address,
        reason=reason,
        before={"outcome": activity.outcome, "co2e_g": grams(activity.co2e_mg), "points": activity.points},
        after={"reversed_at": now},
    )
    session.expunge(activity)  # its row is written already
    activity.reversed_at = now


async def _take_back_points(
    driver: ledger.Driver, rules: "Rules", activity: Activity, entries: list[ledger.Row]
) -> None:
    earned = next(entry for entry in entries if entry["amount"] == activity.points and entry["points"])
    day = day_of((activity.started_at - EPOCH) // SECOND)
    expires_on = rules.programme(activity.region, day).expires_on(
        earned["booked_at"].astimezone(LOCAL).date()
    )
    if not await lots.take_back(driver, activity.holder_id, earned["asset_id"], expires_on, activity.points):
        raise PointsSpent


def _release_claims(writes: Writes, activity: Activity) -> None:
    held = activity.claim_tokens
    tokens: list[UUID] = [
        DriverUUID(held[start : start + TOKEN_BYTES]) for start in range(0, len(held), TOKEN_BYTES)
    ]
    if tokens:
        claims.release_whole(writes, tokens, [activity.id] * len(tokens))
        first, last = (day_of((at - EPOCH) // SECOND) for at in (activity.started_at, activity.ended_at))
        claims.release_intervals(writes, tokens, activity.id, first, last)
