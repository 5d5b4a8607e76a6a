"""Taking back a credit: compensating entries, claims released, headroom returned, in one commit."""

import datetime
from typing import TYPE_CHECKING

from asyncpg.pgproto.pgproto import UUID as DriverUUID
from sqlmodel.ext.asyncio.session import AsyncSession

import dedup.repository as claims
from accounts import repository as ledger
from accounts.ids import epoch_ms, public_id, uuid7_batch
from accounts.models import AccountKind, EntryKind
from accounts.offsetting.service import keep_used
from accounts.quantities import grams
from app.auth import audit
from app.crediting import repository
from app.crediting.campaigns import undo_awards
from app.crediting.decision import HOLDING, window_start
from app.crediting.errors import AlreadyReversed, NotReversible
from app.crediting.explanation import methodology_of
from app.crediting.models import Activity
from app.crediting.prepare import EPOCH, SECOND
from app.crediting.recalculated import first_credited_on, first_recalculated_at
from app.crediting.rules import aggregation_key, aggregation_rule, cap_rules
from app.database import driver_of
from app.webhooks.events import ACTIVITY_REVERSED
from app.webhooks.outbox import activity_event, tell_now
from dedup.periods import day_of
from dedup.tokens import TOKEN_BYTES
from dedup.writes import Writes
from points.receivables import Undoing, take_back
from points.repository import Part

if TYPE_CHECKING:
    from uuid import UUID

    from app.auth.principal import Principal
    from app.crediting.rules import Rules
    from points.programmes import Programme


async def reverse(
    session: AsyncSession,
    rules: "Rules",
    activity: Activity,
    principal: "Principal",
    reason: str,
    now: datetime.datetime,
    address: str = "",
) -> None:
    """Reverse what stands of a credited activity; raises `AlreadyReversed`, `NotReversible` or `GramsUsed`."""
    driver = await driver_of(session)
    await ledger.lock_holders(driver, [activity.holder_id])
    # A recalculation may have changed it while the lock was waited for.
    await session.refresh(activity)
    if activity.outcome not in HOLDING and not activity.claim_tokens:
        raise NotReversible
    methodology = await methodology_of(session, rules, activity.methodology_id)
    if not await repository.mark_reversed(driver, activity.holder_id, activity.id, now):
        raise AlreadyReversed
    entries = await ledger.standing_of_activity(driver, activity.holder_id, activity.id)
    taken = [
        (entry["asset_id"], entry["amount"])
        for entry in entries
        if entry["amount"] and entry["account"] == AccountKind.HOLDER_OPEN
    ]
    await keep_used(driver, activity.holder_id, taken)
    writes = Writes()
    # Points are taken back apart: not all of them may be there.
    grams_moved = [entry for entry in entries if not entry["points"] and entry["amount"]]
    if grams_moved:
        ids = uuid7_batch(epoch_ms(now), len(grams_moved))
        ledger.write_entries(
            writes,
            [
                (
                    activity.holder_id,
                    entry_id,
                    activity.id,
                    entry["asset_id"],
                    EntryKind.REVERSAL,
                    entry["account"],
                    entry["system"],
                    entry["amount"],
                )
                for entry, entry_id in zip(grams_moved, ids, strict=True)
            ],
            now,
        )
        ledger.add_to_balances(writes, [activity.holder_id], [-activity.co2e_mg], [0])
    _release_claims(writes, activity)
    await writes.execute(driver)
    programme = rules.programme(activity.region, day_of((activity.started_at - EPOCH) // SECOND))
    if any(entry["points"] and entry["amount"] for entry in entries):
        await _take_back_points(driver, programme, activity, entries, now)
    await undo_awards(driver, activity, programme.spent_reversal, now)
    started_s = (activity.started_at - EPOCH) // SECOND
    for cap in cap_rules(methodology) if activity.outcome in HOLDING else ():
        window = window_start(cap.per, started_s)
        amount = 1 if cap.counted else activity.co2e_mg + activity.aggregated_mg
        await repository.return_headroom(driver, activity.holder_id, cap.key, window, amount)
    if activity.aggregated_mg and (rule := aggregation_rule(methodology)) is not None:
        key, window = aggregation_key(rule, activity.source_id), window_start(rule.per, started_s)
        await repository.return_headroom(driver, activity.holder_id, key, window, activity.aggregated_mg)
    told = activity_event(
        ACTIVITY_REVERSED,
        activity.source_id,
        activity.id,
        activity.outcome,
        activity.co2e_mg,
        activity.points,
    )
    await tell_now(driver, [told], now)
    await audit.append(
        session,
        principal,
        now,
        "activity.reversed",
        ("activity", public_id("act", activity.id)),
        region=activity.region,
        address=address,
        reason=reason,
        before=_told(activity),
        after={"reversed_at": now},
    )
    session.expunge(activity)  # its row is written already
    activity.reversed_at = now


def _told(activity: Activity) -> dict[str, str | int]:
    told: dict[str, str | int] = {
        "outcome": activity.outcome,
        "co2e_g": grams(activity.co2e_mg),
        "points": activity.points,
    }
    return told | ({"aggregated_g": grams(activity.aggregated_mg)} if activity.aggregated_mg else {})


async def _take_back_points(
    driver: ledger.Driver,
    programme: "Programme",
    activity: Activity,
    entries: list[ledger.Row],
    now: datetime.datetime,
) -> None:
    asset = next(entry["asset_id"] for entry in entries if entry["points"] and entry["amount"])
    first = min(entry["credited_at"] for entry in entries if entry["credited_at"] is not None)
    recalculated_at = await first_recalculated_at(driver, activity.holder_id, activity.id)
    expires_on = programme.expires_on(first_credited_on(activity.id, first, recalculated_at))
    earned = Part(asset, expires_on, activity.points)
    await take_back(driver, Undoing(activity.holder_id, activity.id, earned), programme.spent_reversal, now)


def _release_claims(writes: Writes, activity: Activity) -> None:
    held = activity.claim_tokens
    tokens: list[UUID] = [
        DriverUUID(held[start : start + TOKEN_BYTES]) for start in range(0, len(held), TOKEN_BYTES)
    ]
    if tokens:
        claims.release_whole(writes, tokens, [activity.id] * len(tokens))
        first, last = (day_of((at - EPOCH) // SECOND) for at in (activity.started_at, activity.ended_at))
        claims.release_intervals(writes, tokens, activity.id, first, last)
