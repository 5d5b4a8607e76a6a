"""Grams that a reversal takes back have to be open again: what a closed period took of them, or what was excluded."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import lowest_uuid7, moment_ms
from accounts.models import AccountKind, EntryKind
from accounts.offsetting.repository import open_by_asset
from accounts.postings import Posting, post
from dedup.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

_OPEN, _ISSUED, _EXCLUDED = AccountKind.HOLDER_OPEN, AccountKind.HOLDER_ISSUED, AccountKind.HOLDER_EXCLUDED
_DAY = datetime.timedelta(days=1)


async def bring_back(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    activity_id: UUID,
    taken: "Sequence[tuple[int, int]]",
    now: datetime.datetime,
) -> None:
    """Book back to open what a reversal of an activity will take, (asset, mg); the holder is locked.

    What a closed period took comes back from what was issued: the reversal counts in a later period, whose net it
    lowers. Costs one look-up where nothing was ever issued or excluded.
    """
    elsewhere = taken and await driver.fetchval(
        "SELECT issued_mg + excluded_mg FROM balances WHERE holder_id = $1", holder_id
    )
    if not elsewhere:
        return
    postings: list[Posting] = []
    for asset, amount in taken:
        postings += await _included(driver, holder_id, activity_id, asset, now)
        if not postings:
            postings += await _returned(driver, holder_id, activity_id, asset, amount)
    writes = Writes()
    post(writes, postings, now)
    await writes.execute(driver)


async def _included(
    driver: "asyncpg.Connection", holder_id: UUID, activity_id: UUID, asset: int, now: datetime.datetime
) -> list[Posting]:
    rows = await driver.fetch(
        """
        UPDATE issuance_exclusions SET included_at = $3
        WHERE holder_id = $1 AND cause_id = $2 AND included_at IS NULL AND reason <> 'used'
        RETURNING issuance_id, amount_mg
        """,
        holder_id,
        activity_id,
        now,
    )
    return [
        Posting(holder_id, activity_id, asset, EntryKind.INCLUSION, _EXCLUDED, _OPEN, amount, issuance)
        for issuance, amount in rows
        if amount
    ]


async def _returned(
    driver: "asyncpg.Connection", holder_id: UUID, activity_id: UUID, asset: int, amount: int
) -> list[Posting]:
    since = lowest_uuid7(datetime.datetime.fromtimestamp(moment_ms(activity_id) / 1000, datetime.UTC))
    moved = await driver.fetch(
        f"""
        SELECT e.party_id, sum(CASE WHEN e.credit = {_ISSUED:d} THEN e.amount ELSE -e.amount END)::bigint,
            EXISTS (
                SELECT FROM issuances i JOIN mandates m ON m.holder_id = $1 AND m.applicant_id = i.applicant_id
                LEFT JOIN mandate_withdrawals w ON w.holder_id = m.holder_id AND w.mandate_id = m.id
                WHERE i.id = e.party_id AND c.at >= i.booked_from AND c.at < i.booked_until
                  AND c.at >= m.valid_from AND c.at < coalesce(least(m.valid_until, w.ends_at), 'infinity')) AS covers
        FROM entries e, (
            SELECT max(booked_at) AS at FROM entries WHERE holder_id = $1 AND cause_id = $2 AND asset_id = $3
              AND id >= $4 AND kind = {EntryKind.CREDIT:d} AND credit = {_OPEN:d}) c
        WHERE e.holder_id = $1 AND e.id >= $4 AND e.asset_id = $3
          AND e.kind IN ({EntryKind.ISSUE:d}, {EntryKind.RETURN:d})
        GROUP BY e.party_id, covers
        HAVING sum(CASE WHEN e.credit = {_ISSUED:d} THEN e.amount ELSE -e.amount END) > 0
        ORDER BY covers DESC, e.party_id DESC
        """,
        *(holder_id, activity_id, asset, since),
    )
    if not moved:
        return []
    # What is not under a closed period is open itself, unless the period took other grams in its place.
    needed = amount if moved[0][2] else amount - dict(await open_by_asset(driver, holder_id)).get(asset, 0)
    found: list[Posting] = []
    for issuance, there, _ in moved:
        share = min(there, needed)
        if share <= 0:
            break
        found.append(
            Posting(holder_id, activity_id, asset, EntryKind.RETURN, _ISSUED, _OPEN, share, issuance)
        )
        needed -= share
    return found
