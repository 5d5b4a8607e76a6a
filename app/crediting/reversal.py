"""Taking back a credit: compensating entries, claims released, headroom returned, in one commit.

Where other platforms' reports of the act stand behind the credit, the same commit decides on them again.
"""

import datetime
from typing import TYPE_CHECKING

from asyncpg.pgproto.pgproto import UUID as DriverUUID
from sqlmodel.ext.asyncio.session import AsyncSession

import dedup.repository as claims
from accounts import repository as ledger
from accounts.ids import epoch_ms, public_id, uuid7_batch
from accounts.issuance.standing import bring_back
from accounts.models import AccountKind, EntryKind
from accounts.offsetting.service import keep_used
from accounts.quantities import grams
from app.auth import audit
from app.crediting import repository
from app.crediting.campaigns import undo_awards
from app.crediting.corroboration_decision import AFTER_REVERSAL, Behind, decide_behind
from app.crediting.decision import HELD, HOLDING, window_start
from app.crediting.errors import AlreadyReversed, NotReversible
from app.crediting.explanation import methodology_of
from app.crediting.models import Activity, Outcome
from app.crediting.prepare import EPOCH, SECOND
from app.crediting.recalculated import first_credited_on, first_recalculated_at
from app.crediting.rules import aggregation_key, aggregation_rule, cap_rules
from app.database import driver_of
from app.neighbours.repository import release_ledger
from app.review.repository import REJECTED_IN_REVIEW, end_reversed, forget_trace
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
    behind: Behind = Behind.DECIDE_AGAIN,
) -> int:
    """Reverse what stands of a credited activity; raises `AlreadyReversed`, `NotReversible` or `GramsUsed`.

    Answers how many points are lost, being neither there nor owed.
    """
    driver = await driver_of(session)
    statuses = await ledger.lock_holders(driver, [activity.holder_id])
    # A recalculation may have changed it while the lock was waited for.
    await session.refresh(activity)
    if activity.outcome not in HOLDING and not keeps_claims(activity):
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
    await bring_back(driver, activity.holder_id, activity.id, taken, now)
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
    await bring_back_claims(driver, activity)
    release_claims(writes, activity)
    forget_trace(writes, activity)
    if activity.reason == HELD:
        end_reversed(writes, activity, now)
    await writes.execute(driver)
    programme = rules.programme(activity.region, day_of((activity.started_at - EPOCH) // SECOND))
    lost = 0
    if any(entry["points"] and entry["amount"] for entry in entries):
        lost += await _take_back_points(driver, programme, activity, entries, now)
    lost += await undo_awards(driver, activity, programme.spent_reversal, now)
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
    decided = await decide_behind(
        session, driver, rules, activity, behind, statuses.get(activity.holder_id), lost, now
    )
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
        after={"reversed_at": now}
        | ({"refuted": True} if behind is Behind.REFUTED else {})
        | decided.trail(),
    )
    if decided.credited is not None:
        await _tell_of_another(session, principal, activity, decided.credited, now, address)
    session.expunge(activity)  # its row is written already
    activity.reversed_at = now
    return lost


async def _tell_of_another(
    session: AsyncSession,
    principal: "Principal",
    had: Activity,
    gets: Activity,
    now: datetime.datetime,
    address: str,
) -> None:
    await audit.append(
        session,
        principal,
        now,
        f"activity.{AFTER_REVERSAL}",
        ("activity", public_id("act", gets.id)),
        region=gets.region,
        address=address,
        before={"outcome": Outcome.DUPLICATE},
        after=_told(gets) | {"winner": public_id("act", had.id)},
    )


def keeps_claims(activity: Activity) -> bool:
    """A recalculation that left an act without credit left it its claims; a duplicate's tokens were never its own."""
    return (
        activity.outcome == Outcome.REJECTED
        and bool(activity.claim_tokens)
        and activity.reason != REJECTED_IN_REVIEW
    )


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
) -> int:
    asset = next(entry["asset_id"] for entry in entries if entry["points"] and entry["amount"])
    first = min(entry["credited_at"] for entry in entries if entry["credited_at"] is not None)
    recalculated_at = await first_recalculated_at(driver, activity.holder_id, activity.id)
    expires_on = programme.expires_on(first_credited_on(activity.id, first, recalculated_at))
    earned = Part(asset, expires_on, activity.points)
    return await take_back(
        driver, Undoing(activity.holder_id, activity.id, earned), programme.spent_reversal, now
    )


async def bring_back_claims(driver: ledger.Driver, activity: Activity) -> None:
    """Have what an activity claims in the database, so that it can be freed: an archive may hold it."""
    tokens, first, last = _held(activity)
    await claims.bring_back_claims(driver, tokens, first, last)


def release_claims(writes: Writes, activity: Activity) -> None:
    """Free what an activity claims."""
    tokens, first, last = _held(activity)
    if tokens:
        claims.release_whole(writes, tokens, [activity.id] * len(tokens))
        claims.release_intervals(writes, tokens, activity.id, first, last)
        release_ledger(writes, activity.id, first, last)


def _held(activity: Activity) -> "tuple[list[UUID], datetime.date, datetime.date]":
    """The tokens of an activity, and its first and last local day."""
    held = activity.claim_tokens
    tokens: list[UUID] = [
        DriverUUID(held[start : start + TOKEN_BYTES]) for start in range(0, len(held), TOKEN_BYTES)
    ]
    first, last = (day_of((at - EPOCH) // SECOND) for at in (activity.started_at, activity.ended_at))
    return tokens, first, last
