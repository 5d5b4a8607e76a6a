"""What stays out of an issuance, moved by entries before the close: under the holders' locks, act by act."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.errors import Fault
from accounts.issuance import errors, repository
from accounts.issuance.models import Issuance, Reason
from accounts.issuance.selection import CREDITED_AT, IS_CREDIT, IS_OTHER, LIVE, WITH_END
from accounts.models import AccountKind, EntryKind
from accounts.offsetting.repository import open_of_users
from accounts.postings import Posting, post
from accounts.repository import lock_holders
from dedup.writes import Writes

if TYPE_CHECKING:
    import asyncpg

_OPEN = AccountKind.HOLDER_OPEN
MANDATES = f"SELECT m.holder_id, m.valid_from, {LIVE} AS ends FROM {WITH_END} WHERE m.applicant_id = $5"


async def exclude_acts(
    driver: "asyncpg.Connection",
    issuance: Issuance,
    acts: Sequence[tuple[UUID, UUID]],
    reason: Reason,
    note: str,
    by: str,
    now: datetime.datetime,
) -> list[UUID]:
    """Move what stands of acts, (holder, act), out of reach of the close; answers those that have nothing in it."""
    holders = sorted({holder for holder, _ in acts})
    await lock_holders(driver, holders)
    standing = {(owner, act): mg for owner, act, mg in await _acts(driver, issuance, holders)}
    users = await open_of_users(driver, holders)
    rows: list[repository.Excluded] = []
    for holder, act in acts:
        mg = standing.get((holder, act))
        if mg is None:
            continue
        if holder in users:
            # What was used is not there to be moved; the act stays out all the same.
            there = users[holder].get(issuance.asset_id, 0)
            mg = max(0, min(mg, there))
            users[holder][issuance.asset_id] = there - mg
        rows.append((holder, act, mg))
    if rows:
        await repository.exclude(driver, issuance, rows, reason, note, by, now)
    return [act for holder, act in acts if (holder, act) not in standing]


async def exclude_named(
    driver: "asyncpg.Connection",
    issuance: Issuance,
    activity_ids: Sequence[UUID],
    reason: Reason,
    note: str,
    by: str,
    now: datetime.datetime,
) -> None:
    """Exclude acts by their ids; raises `ActNotInPeriod` where one has nothing in the period that is not out."""
    rows = await driver.fetch("SELECT holder_id, id FROM activities WHERE id = ANY($1::uuid[])", activity_ids)
    acts = [(row[0], row[1]) for row in rows]
    missing = set(activity_ids) - {act for _, act in acts}
    missing.update(await exclude_acts(driver, issuance, acts, reason, note, by, now))
    if missing:
        raise errors.ActNotInPeriod(
            *(
                Fault(f"/activity_ids/{place}", "has nothing in this period")
                for place, each in enumerate(activity_ids)
                if each in missing
            )
        )


async def exclude_disputed(driver: "asyncpg.Connection", issuance: Issuance, now: datetime.datetime) -> None:
    """Exclude the acts of the period that are disputed at this moment."""
    rows = await driver.fetch(
        f"""
        SELECT DISTINCT d.holder_id, d.activity_id FROM disputes d
        JOIN entries e ON e.holder_id = d.holder_id AND e.cause_id = d.activity_id AND {IS_CREDIT}
            AND e.asset_id = $1 AND e.id >= tanpuhui_uuid7_floor($2)
            AND e.id < tanpuhui_uuid7_floor($3::timestamptz + interval '1 millisecond')
        WHERE d.state = 'open'
        """,
        issuance.asset_id,
        issuance.booked_from,
        issuance.booked_until,
    )
    acts = sorted((row[0], row[1]) for row in rows)
    if acts:
        await exclude_acts(driver, issuance, acts, Reason.DISPUTED, "", "system", now)


async def leave_out_used(
    driver: "asyncpg.Connection", issuance: Issuance, after: UUID, limit: int, now: datetime.datetime
) -> UUID | None:
    """Of holders who have used grams of the asset, leave out the latest acts until the rest is open.

    A page of them; answers where the next begins.
    """
    rows = await driver.fetch(
        """
        SELECT DISTINCT m.holder_id FROM mandates m JOIN balances b ON b.holder_id = m.holder_id
        WHERE m.applicant_id = $1 AND b.used_mg > 0 AND m.holder_id > $2 ORDER BY m.holder_id LIMIT $3
        """,
        issuance.applicant_id,
        after,
        limit,
    )
    holders = [row[0] for row in rows]
    if not holders:
        return None
    await lock_holders(driver, holders)
    acts = await _acts(driver, issuance, holders)
    open_mg = await open_of_users(driver, holders)
    out: list[tuple[UUID, UUID]] = []
    for holder in holders:
        mine = [(act, mg) for owner, act, mg in acts if owner == holder]
        # What is open now, less nothing: later periods' grams are open too, and may stand in for used ones.
        too_much = sum(mg for _, mg in mine) - open_mg.get(holder, {}).get(issuance.asset_id, 0)
        for act, mg in reversed(mine):
            if too_much <= 0:
                break
            out.append((holder, act))
            too_much -= mg
    if out:
        await repository.leave_out_used(driver, issuance, out, now)
    return holders[-1] if len(holders) == limit else None


async def include(
    driver: "asyncpg.Connection", issuance: Issuance, activity_id: UUID, now: datetime.datetime
) -> None:
    """Give an act that was excluded back to its holder, open; it counts in the period of this booking.

    Raises `ExclusionNotFound`.
    """
    found = await driver.fetchrow(
        """
        SELECT holder_id, entry_id, amount_mg FROM issuance_exclusions
        WHERE issuance_id = $1 AND cause_id = $2 AND included_at IS NULL AND reason <> 'used'
        """,
        issuance.id,
        activity_id,
    )
    if found is None:
        raise errors.ExclusionNotFound
    holder_id, entry_id, amount = found
    await lock_holders(driver, [holder_id])
    changed = await driver.fetchval(
        """
        UPDATE issuance_exclusions SET included_at = $4
        WHERE holder_id = $1 AND cause_id = $2 AND entry_id = $3 AND included_at IS NULL RETURNING 1
        """,
        holder_id,
        activity_id,
        entry_id,
        now,
    )
    if not changed:
        raise errors.ExclusionNotFound
    if amount:
        writes = Writes()
        accounts = (AccountKind.HOLDER_EXCLUDED, _OPEN)
        post(
            writes,
            [
                Posting(
                    holder_id,
                    activity_id,
                    issuance.asset_id,
                    EntryKind.INCLUSION,
                    *accounts,
                    amount,
                    issuance.id,
                )
            ],
            now,
        )
        await writes.execute(driver)


async def _acts(
    driver: "asyncpg.Connection", issuance: Issuance, holder_ids: Sequence[UUID]
) -> list[tuple[UUID, UUID, int]]:
    """(holder, act, mg that stand of it now) of locked holders' acts that count in the period, in order of booking."""
    rows = await driver.fetch(
        f"""
        SELECT e.holder_id, e.cause_id,
            sum(CASE WHEN e.credit = {_OPEN:d} THEN e.amount ELSE -e.amount END)::bigint AS mg
        FROM entries e CROSS JOIN LATERAL ({CREDITED_AT}) c
        LEFT JOIN ({MANDATES}) l ON l.holder_id = e.holder_id AND c.at >= l.valid_from AND c.at < l.ends
        WHERE e.holder_id = ANY($1::uuid[]) AND e.asset_id = $2 AND e.id >= tanpuhui_uuid7_floor($3)
          AND ({IS_CREDIT} OR {IS_OTHER}) AND NOT EXISTS (
              SELECT FROM issuance_exclusions x
              WHERE x.holder_id = e.holder_id AND x.cause_id = e.cause_id AND x.entry_id > e.id)
        GROUP BY e.holder_id, e.cause_id
        HAVING bool_or(e.booked_at >= $3 AND e.booked_at < $4 AND l.ends IS NOT NULL
                AND e.kind <> {EntryKind.REVERSAL:d})
        ORDER BY e.holder_id, min(e.booked_at), e.cause_id
        """,
        holder_ids,
        issuance.asset_id,
        issuance.booked_from,
        issuance.booked_until,
        issuance.applicant_id,
    )
    return [(row[0], row[1], row[2]) for row in rows]
